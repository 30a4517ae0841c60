//! Tensors, the operations that the FlexTok network needs, and the engines that run them: on the CPU, and, behind
//! features, on GPUs.
//!
//! This crate knows shapes and numbers, not images, tokens or files' meaning. It is the only library of the project that
//! contains `unsafe` code, each block with the reason why it is sound.

pub mod backend;
pub mod cpu;
mod error;
mod freed;
#[cfg(feature = "cube")]
pub mod gpu;
pub mod inherited;
mod map_fault;
mod memory;
mod precision;
mod quantizer;
pub mod storage;
pub mod weight;

pub use backend::Backend;
pub use cpu::{CpuEngine, Threads, vectorized};
pub use error::ComputeError;
pub use freed::{release_freed_memory, return_large_memory};
#[cfg(feature = "cube")]
pub use gpu::GpuEngine;
pub use map_fault::explain_map_faults;
pub use precision::{Element, ParsePrecisionError, Precision};
pub use quantizer::Quantizer;
pub use storage::{Storage, StorageError};
pub use weight::{DType, Weight, WeightError};
