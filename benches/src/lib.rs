//! Shared set-up of the benches: the stages that are timed, and pictures to time them on.

mod stages;

pub use stages::{Stages, synthetic_picture};
