//! The `.flxt` container: parse, check, write and cut files without a model.
//!
//! A file holds one picture as a payload that is ordered from coarse to fine, so that every prefix of it is the same picture
//! with less detail: bytes of a model's coder, or a list of 16-bit tokens. This crate reads and writes the file around it:
//! header, checks that survive cutting, optional metadata. It knows nothing of networks or pixels, has no `unsafe` code, and
//! works without `std`. Without the feature `alloc` it allocates nothing: [`Scanner`], [`cut_within`], [`packets`], [`Header`] and
//! [`layout`] are left.
//!
//! The format is specified in `format-spec/README.md` of the repository; section numbers in these pages refer to it.
//!
//! # Write a file, cut it, read it back
//! ```
//! use flextok_container::{CodedCanvas, Coded, Header, KeepMetadata, Metadata, Size, TablesName, TokenFile};
//!
//! let coded = Coded { tables: TablesName::BUILTIN, canvas: CodedCanvas::Own, bytes: 100 };
//! let header = Header::coded(Size { width: 4000, height: 3000 }, coded)?;
//! let file = TokenFile::new(header, (0..100).collect(), Metadata::default())?;
//! let bytes = file.to_bytes()?;
//! assert_eq!(bytes.len(), 11 + 100 + 1 + 2); // header, payload, a check after 64 bytes and one at the end
//!
//! // A complete file of the first 40 bytes of payload, and of at most 40 bytes.
//! let small = TokenFile::parse(&bytes)?.cut(40, KeepMetadata::No)?;
//! assert_eq!(small.to_bytes()?.len(), 11 + 40 + 1);
//! let smaller = file.fit(40, KeepMetadata::No)?;
//! assert_eq!(smaller.payload(), &file.payload()[..28]);
//! # Ok::<(), flextok_container::Error>(())
//! ```
//!
//! # Read a file that was cut anywhere
//! ```
//! # use flextok_container::{Fingerprint, Header, Ids, Metadata, Size, State, TokenFile};
//! let ids = Ids::new(Fingerprint([0; 4]), 40, 64_000);
//! let header = Header::ids(Size { width: 64, height: 48 }, ids)?;
//! let bytes = TokenFile::of_ids(header, &[7; 40], Metadata::default())?.to_bytes()?;
//! let end = header.byte_len() as usize + 64 + 1 + 7;
//! let file = TokenFile::parse(&bytes[..end])?; // as after `head -c`
//! assert_eq!(file.state(), State::Truncated { have: 70, total: 80 }); // bytes of payload
//! assert_eq!(file.ids(), [7; 35]);
//! assert_eq!(file.proven_layers(), 32); // the check after 64 bytes of payload is there and matches
//! # Ok::<(), flextok_container::Error>(())
//! ```
//!
//! # Read while bytes arrive
//! [`Reader::next_event`] tells what is new since it was last asked, merged; [`Reader::next_event_in_order`] tells each
//! byte or layer, check and chunk on its own, the same for any pieces. [`Reader::partial`] is the file so far.
//! [`TokenFile::salvage`] is what is proven of a damaged file.
//! ```
//! use flextok_container::{Event, Reader};
//! # use flextok_container::{CodedCanvas, Coded, Header, Metadata, Size, TablesName, TokenFile};
//! # let coded = Coded { tables: TablesName::BUILTIN, canvas: CodedCanvas::Own, bytes: 100 };
//! # let header = Header::coded(Size { width: 64, height: 48 }, coded)?;
//! # let bytes = TokenFile::new(header, vec![7; 100], Metadata::default())?.to_bytes()?;
//! let mut reader = Reader::new();
//! for piece in bytes.chunks(5) {
//!     reader.feed(piece)?;
//!     while let Some(event) = reader.next_event() {
//!         if let Event::Proven { payload } = event {
//!             assert!(payload == 64 || payload == 100);
//!         }
//!     }
//! }
//! let file = reader.finish()?;
//! assert!(file.is_complete());
//! # Ok::<(), flextok_container::Error>(())
//! ```

//!
//! # Send a file over a link that loses packets
//! The module [`packets`] splits any file into packets and joins what arrived of them.

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

#[cfg(any(feature = "alloc", test))]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod checks;
mod cut;
mod error;
#[cfg(feature = "alloc")]
mod file;
mod fingerprint;
mod header;
#[cfg(feature = "std")]
mod io;
pub mod layout;
mod limits;
#[cfg(feature = "alloc")]
mod metadata;
pub mod packets;
#[cfg(feature = "alloc")]
mod reader;
mod scanner;
mod writer;

pub use checks::Check;
pub use cut::cut_within;
pub use error::{CutUnit, Error, Fault, LimitKind, Region};
#[cfg(feature = "alloc")]
pub use file::{CutOffset, KeepMetadata, Salvage, State, TokenFile};
pub use fingerprint::Fingerprint;
pub use header::{
    BLOCK, CanvasGrid, Coded, CodedCanvas, Header, HeaderBytes, Ids, MAGIC, MAX_BLOCKS, MAX_CANVAS,
    MAX_CODEBOOK, MAX_CODED_BYTES, MAX_DIMENSION, MAX_GRID, MAX_TOKENS, Payload, Size, TablesName,
    VERSION,
};
#[cfg(feature = "std")]
pub use io::ReadError;
pub use limits::Limits;
#[cfg(feature = "alloc")]
pub use metadata::{Chunk, MAX_CHUNK_CONTENT, Metadata};
#[cfg(feature = "alloc")]
pub use reader::{Event, Reader};
pub use scanner::{Part, Scanner};

/// The registered-style name of the format (specification section 13).
pub const MEDIA_TYPE: &str = "image/vnd.flextok";

/// The file name extension, without the dot.
pub const EXTENSION: &str = "flxt";
