//! What `flextok eval` is made of.

pub(crate) mod frechet;
pub(crate) mod report;
pub(crate) mod results;
