//! From noise to latents: the noise generator and the guided Euler integration of the rectified flow.

mod flow;
mod noise;

pub(crate) use flow::{Guidance, Settings, sample};
pub(crate) use noise::normals;
pub use noise::standard_normal;
