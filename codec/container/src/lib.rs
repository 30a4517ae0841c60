//! The `.flxt` container: parse, write and cut token files without a model.
//!
//! A FlexTok image is a short list of 16-bit tokens, ordered from coarse to fine, so that every
//! prefix of the list is the same picture with less detail. This crate reads and writes the file
//! around that list: header, checkpoints that survive cutting, optional metadata. It knows nothing
//! of networks or pixels, has no `unsafe` code, and works without `std` (it needs `alloc`).
//!
//! The format is specified in `format-spec/README.md` of the repository; section numbers in these
//! pages refer to it.
//!
//! # Write a file, cut it, read it back
//! ```
//! use flextok_container::{Fingerprint, Header, KeepMetadata, Metadata, State, TokenFile};
//!
//! let model = Fingerprint([0x12, 0x34, 0x56, 0x78]);
//! let header = Header::new(model, 4000, 3000, 8, 64_000)?;
//! let file = TokenFile::new(header, vec![5, 17, 42, 63_999, 0, 1, 2, 3], Metadata::default())?;
//! let bytes = file.to_bytes()?;
//! assert_eq!(bytes.len(), 21 + 8 * 2 + 2 * 4); // header, tokens, checkpoints after 4 and 8
//!
//! // A complete file of the first two tokens.
//! let small = TokenFile::parse(&bytes)?.cut(2, KeepMetadata::No)?;
//! assert_eq!(small.to_bytes()?.len(), 21 + 2 * 2 + 4);
//! # Ok::<(), flextok_container::Error>(())
//! ```
//!
//! # Read a file that was cut anywhere
//! ```
//! # use flextok_container::{Fingerprint, Header, Metadata, State, TokenFile};
//! # let header = Header::new(Fingerprint([0; 4]), 64, 48, 8, 64_000)?;
//! # let bytes = TokenFile::new(header, vec![7; 8], Metadata::default())?.to_bytes()?;
//! let file = TokenFile::parse(&bytes[..38])?; // as after `head -c 38`
//! assert_eq!(file.state(), State::Truncated { have: 6, total: 8 });
//! assert_eq!(file.ids().len(), 6);
//! assert_eq!(file.proven_layers(), 4); // the checkpoint after layer 4 is there and matches
//! # Ok::<(), flextok_container::Error>(())
//! ```
//!
//! # Read while bytes arrive
//! [`Reader::next_event`] tells what is new since it was last asked, merged; [`Reader::next_event_in_order`] tells each
//! layer, checkpoint and chunk on its own, the same for any pieces. [`Reader::partial`] is the file so far.
//! ```
//! use flextok_container::{Event, Reader};
//! # use flextok_container::{Fingerprint, Header, Metadata, TokenFile};
//! # let header = Header::new(Fingerprint([0; 4]), 64, 48, 8, 64_000)?;
//! # let bytes = TokenFile::new(header, vec![7; 8], Metadata::default())?.to_bytes()?;
//! let mut reader = Reader::new();
//! for piece in bytes.chunks(5) {
//!     reader.feed(piece)?;
//!     while let Some(event) = reader.next_event() {
//!         if let Event::Proven { layers } = event {
//!             assert!(layers == 4 || layers == 8);
//!         }
//!     }
//! }
//! let file = reader.finish()?;
//! assert!(file.is_complete());
//! # Ok::<(), flextok_container::Error>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod error;
mod file;
mod fingerprint;
mod header;
#[cfg(feature = "std")]
mod io;
pub mod layout;
mod limits;
mod metadata;
mod reader;
mod writer;

pub use error::{Error, Fault, Region};
pub use file::{CutOffset, KeepMetadata, State, TokenFile};
pub use fingerprint::Fingerprint;
pub use header::{
    Header, MAGIC, MAX_CANVAS, MAX_CODEBOOK, MAX_DIMENSION, MAX_GRID, MAX_TOKENS, VERSION_MAJOR,
    VERSION_MINOR,
};
#[cfg(feature = "std")]
pub use io::ReadError;
pub use limits::Limits;
pub use metadata::{Chunk, MAX_CHUNK_PAYLOAD, Metadata};
pub use reader::{Event, Reader};

/// The registered-style name of the format (specification section 13).
pub const MEDIA_TYPE: &str = "image/vnd.flextok";

/// The file name extension, without the dot.
pub const EXTENSION: &str = "flxt";
