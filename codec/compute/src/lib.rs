//! Tensors, the operations that the FlexTok network needs, and the CPU engine that runs them.
//!
//! This crate knows shapes and numbers, not images, tokens or files' meaning. It is the only library of the project that
//! contains `unsafe` code, each block with the reason why it is sound.

pub mod backend;
pub mod cpu;
mod error;
mod fsq;
pub mod storage;
pub mod weight;

pub use backend::Backend;
pub use cpu::CpuEngine;
pub use error::ComputeError;
pub use storage::{Storage, StorageError};
pub use weight::{DType, Weight, WeightError};
