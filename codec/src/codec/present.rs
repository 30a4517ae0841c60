//! What a build may lack: parts behind features, in a form that lets the compiler drop the code that needs them.
//!
//! A part stands beside a proof that the build has it. Without the feature the proof is of a type without values, so that no
//! part can be made, and every use of one is unreachable: neither kernels nor networks are linked.

use std::ops::Deref;

/// The proof that this build runs FlexTok networks.
#[cfg(feature = "networks")]
pub(super) type HasNetworks = ();
/// No value: this build runs no FlexTok networks.
#[cfg(not(feature = "networks"))]
pub(super) type HasNetworks = std::convert::Infallible;

/// The proof that this build runs learned decoders.
#[cfg(feature = "learned")]
pub(super) type HasLearned = ();
/// No value: this build runs no learned decoders.
#[cfg(not(feature = "learned"))]
pub(super) type HasLearned = std::convert::Infallible;

/// A part that is there only if its proof is.
pub(super) struct Present<T: ?Sized, Proof> {
    part: Box<T>,
    _proof: Proof,
}

impl<T: ?Sized, Proof> Present<T, Proof> {
    #[cfg_attr(not(any(feature = "networks", feature = "learned")), allow(dead_code))]
    pub(super) fn new(part: Box<T>, proof: Proof) -> Self {
        Self {
            part,
            _proof: proof,
        }
    }
}

impl<T: ?Sized, Proof> Deref for Present<T, Proof> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.part
    }
}
