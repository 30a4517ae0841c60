//! The crate from outside: streams of the reference implementation, and what holds for any coefficients, bytes and tables.

mod common;
mod golden;
mod properties;
mod tables;
mod vectors;
