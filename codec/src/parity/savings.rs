//! The exact savings against the plain computation.
