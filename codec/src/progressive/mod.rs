//! Decoding while the file arrives: better and better pictures without waiting for the rest.
//!
//! [`ProgressiveDecoder`] is fed bytes in pieces of any size and decodes on a thread of its own. [`ProgressiveReader`] is
//! its half without a thread, for event loops and WebAssembly: it says what is due as a [`PictureJob`], which can be run
//! anywhere. When a picture is due says [`Refresh`].
//!
//! What is told as events, and the last picture, depend on the bytes alone and not on the pieces in which they came; the
//! last picture is that of [`Codec::decode`](crate::Codec::decode) of all of them. Which pictures come before it depends on
//! when the bytes came and how fast the machine is.

mod background;
mod decoder;
mod job;
mod reader;
mod refresh;

pub use background::Pictures;
pub use decoder::ProgressiveDecoder;
pub use flextok_container::Event;
pub use job::{PictureJob, ProgressivePicture};
pub use reader::{ProgressiveOptions, ProgressiveReader};
pub use refresh::Refresh;
