//! The network against dumps of the published code and of the embedded model's training code, stage by stage.
//!
//! Data: `tests/data` of the repository. Tolerances are absolute; see each test for why its number is what it is.

mod batches;
#[cfg(feature = "gpu")]
mod device;
mod golden;
mod learned;
mod nano;
mod plain;
mod published;
mod savings;
mod variants;
