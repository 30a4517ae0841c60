//! TIFF files made here, and real ones.
