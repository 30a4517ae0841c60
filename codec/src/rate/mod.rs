//! Where to cut: for a budget of one picture, for a target quality, and for a budget that several pictures share.
//!
//! | given | use |
//! |---|---|
//! | a budget of one picture | [`EncodeOptions::with_tokens`], [`EncodeOptions::with_bytes`] |
//! | a budget of one file | [`TokenFile::cut`], [`TokenFile::fit`] |
//! | a quality that the decoded picture should reach | [`Codec::encode_to`], [`Codec::smallest_cut`] (feature `metrics`) |
//! | one budget in bytes for several pictures | [`share_closely`], with [`Codec::rungs`] (feature `metrics`) |
//! | the same, where all is measured | [`share`] |
//!
//! # Quality is not monotone
//! Cuts are counted in units: bytes of a coded payload, or tokens of each canvas. A unit more usually makes the picture
//! better, but not always: a network's decoder is generative. Bisecting over the number of units would therefore miss
//! cuts that are good enough, and might call a target unreachable that is reached. So cuts are tried on a [`ladder`]
//! from below, 1, 2, 3, 4, 6, 8, 12 … and all units, until one is good enough; only the gap under that one is then
//! bisected. What comes out has been decoded and reaches the target, and all rungs below it do not; between rungs a
//! smaller cut that reaches it may be overlooked. That takes at most 22 decodes of 256 tokens. Where no rung is good
//! enough, the cuts of tokens between them are tried from below, so that a target is refused only if no cut reaches it;
//! the bytes of a coded payload are not, since hardly one of them makes a picture worse. [`Search::EveryCut`] tries 1,
//! 2, 3 … units from the start and finds the smallest.
//!
//! [`Codec::encode_to`] of a model with a coded payload encodes the picture anew for each budget,
//! since its canvas depends on the bytes. For [`Metric::Psnr`](crate::metrics::Metric::Psnr) it decodes only to confirm: the
//! error of every cut is known from its coefficients.
//!
//! [`Codec::encode_to`]: crate::Codec::encode_to
//! [`Codec::rungs`]: crate::Codec::rungs
//! [`Codec::smallest_cut`]: crate::Codec::smallest_cut
//! [`EncodeOptions::with_bytes`]: crate::EncodeOptions::with_bytes
//! [`EncodeOptions::with_tokens`]: crate::EncodeOptions::with_tokens
//! [`TokenFile::cut`]: flextok_container::TokenFile::cut
//! [`TokenFile::fit`]: flextok_container::TokenFile::fit

mod closely;
mod ladder;
#[cfg(feature = "metrics")]
mod quality;
mod share;

pub use closely::share_closely;
#[cfg(feature = "metrics")]
pub(crate) use ladder::search;
pub use ladder::{Search, ladder};
#[cfg(feature = "metrics")]
pub use quality::{Reached, Target};
pub use share::{Rung, share};
