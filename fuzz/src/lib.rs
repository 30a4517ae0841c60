//! What the fuzz targets check, as plain functions: the targets call them with what libFuzzer
//! makes up, the tests of this crate with the committed corpus.

pub mod container;
pub mod reseal;
