//! The built-in model without networks: what makes plain pictures of files, with tables alone.
//!
//! Here are the lapped transform ([`lot`]), separable resampling ([`resample`]), and from them [`decode`]: a `.flxt` file of
//! the built-in model, whole or cut, to RGB. The library `flextok` is made of the same parts, and adds a learned decoder.
//!
//! The crate works without `std` (it needs `alloc`). The feature `threads`, on by default, spreads work over the
//! threads of the rayon pool that calls; outside of one the caller works alone. Results are the same for any number of them.
//!
//! ```
//! # #[cfg(feature = "embedded-model")] {
//! use flextok_plain::{Limits, decode, embedded_tables};
//! # use flextok_container::{Coded, CodedCanvas, Header, Metadata, Size, TablesName, TokenFile};
//! # let coded = Coded { tables: TablesName::BUILTIN, canvas: CodedCanvas::Own, bytes: 40 };
//! # let header = Header::coded(Size::new(50, 40), coded)?;
//! # let file = TokenFile::new(header, vec![7; 40], Metadata::default())?.to_bytes()?;
//!
//! let tables = embedded_tables()?;
//! let picture = decode(&tables, &file, &Limits::default())?;
//! assert_eq!((picture.size.width, picture.size.height), (50, 40));
//! assert_eq!(picture.rgb.len(), 3 * 50 * 40);
//! # }
//! # Ok::<(), flextok_plain::Error>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod canvas;
mod decode;
#[cfg(feature = "embedded-model")]
mod embedded;
mod error;
pub mod lot;
mod memory;
mod parallel;
pub mod resample;

pub use decode::{
    Digits, Limits, Picture, canvas_of, decode, decode_file, digits, fitted, name_of,
};
#[cfg(feature = "embedded-model")]
pub use embedded::embedded_tables;
pub use error::Error;
pub use flextok_container::Size;
pub use flextok_tokens::Tables;
