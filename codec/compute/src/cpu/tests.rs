//! Each operation against plain loops in f64, on sizes that are no multiple of any block.
