//! The coefficients of a picture as a stream of bytes that may be cut anywhere.
//!
//! A picture of 32×32-pixel blocks has been transformed to *bands*: each frequency of each of three colours in all
//! blocks, and the means of the blocks once more over the whole grid. This crate turns such coefficients into bytes and
//! back. It fixes the order in which bit planes of bands come, the contexts that predict their digits, and the range
//! coder. It knows nothing of pixels, has no `unsafe` code, and works without `std` (it needs `alloc`).
//!
//! Everything is integers' work: the same coefficients give the same bytes, and the same bytes the same coefficients, on
//! every platform. Every prefix of a stream decodes to exactly those digits that it determines, and no bytes are wrong.
//!
//! # Encode, cut, decode
//! ```
//! # use flextok_tokens::{Grid, TableParts, Tables, decode_coefficients, encode_coefficients};
//! # let order: Vec<i32> = (0..144)
//! #     .flat_map(|size| (0..24).map(move |plane| if plane < (144 - size) / 8 { -32_768 } else { 4 * size - 32 * plane }))
//! #     .collect();
//! # let parts = TableParts {
//! #     ac_size: &[20; 3072], dc_steps: &[1 << 20; 270], dc_top: &[100; 3], mean_size: &[80; 3],
//! #     order: &order, p_one: &[20_000; 216], weights: &[100; 18],
//! # };
//! let tables = Tables::new(&parts)?;
//! let grid = Grid::new(2, 3)?;
//! let coefficients: Vec<f32> = (0..grid.coefficients()).map(|k| (k * 37 % 101) as f32 - 50.0).collect();
//! let bytes = encode_coefficients(&tables, grid, &coefficients, 500)?;
//! assert_eq!(bytes.len(), 500);
//!
//! let whole = decode_coefficients(&tables, grid, &bytes)?;
//! let cut = decode_coefficients(&tables, grid, &bytes[..100])?;
//! assert!(cut.digits < whole.digits);
//! # Ok::<(), flextok_tokens::Error>(())
//! ```
//!
//! [`encode`] takes coefficients band after band from wherever they are, [`encode_measured`] also says what each cut
//! loses, and [`Decoder`] takes bytes as they arrive.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod coder;
mod contexts;
mod cuts;
mod decode;
mod encode;
mod error;
mod grid;
mod logarithm;
mod memory;
mod order;
mod statistics;
mod tables;
mod value;
mod vectors;

pub use decode::{Decoded, Decoder, decode_coefficients};
pub use encode::{Measured, Source, encode, encode_coefficients, encode_measured};
pub use error::Error;
pub use grid::{BLOCK, Band, COLOURS, Grid, bands_of_blocks, blocks_of_bands};
pub use tables::{TableParts, Tables};
#[doc(hidden)]
pub use vectors::vectorized;
