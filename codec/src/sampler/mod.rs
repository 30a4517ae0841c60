//! From noise to latents: the noise generator and the guided Euler integration of the rectified flow.

mod flow;
mod noise;

pub(crate) use flow::{Guidance, Settings, sample};
pub use noise::standard_normal;
