//! Where everything stands in a file: the closed formulas of section 5 of the specification.
//!
//! All functions are pure and none overflows: a [`Layout`] holds only numbers of a valid header.
//!
//! ```
//! use flextok_container::layout::Layout;
//!
//! let layout = Layout::new(21, 1, 256)?; // header bytes, canvases, tokens per canvas
//! assert_eq!(layout.layer_end(1), Some(23));
//! assert_eq!(layout.layer_end(256), Some(21 + 2 * 256 + 3 * 4)); // three checkpoints before
//! assert_eq!(layout.tokens_end(), 549);
//! # Ok::<(), flextok_container::Error>(())
//! ```

use crate::{Error, MAX_GRID, MAX_TOKENS};

/// Layers after which a checkpoint stands when the stream has them.
pub const CHECKPOINT_LAYERS: [u16; 4] = [4, 16, 64, 256];

/// Bytes of a CRC32.
pub const CRC_BYTES: u64 = 4;

/// Bytes of a token.
pub const TOKEN_BYTES: u64 = 2;

/// Bytes of the longest header: large dimensions, canvas and grid.
pub const MAX_HEADER_BYTES: u64 = 28;

/// Bytes of the shortest header.
pub const MIN_HEADER_BYTES: u64 = 21;

/// Bytes of a metadata chunk beside its payload: type, length, CRC32.
pub const CHUNK_FRAME_BYTES: u64 = 7;

/// Offsets of a file with a given header length, number of canvases and number of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    header_bytes: u64,
    canvases: u64,
    layers: u16,
}

impl Layout {
    /// The layout of a header of `header_bytes` (21 to 28), for `canvases` (1 to 2^32) and
    /// `layers`, the tokens per canvas (1 to 256).
    ///
    /// # Errors
    /// [`Error::InvalidHeader`] for a number out of its range.
    pub fn new(header_bytes: u64, canvases: u64, layers: u16) -> Result<Self, Error> {
        let check = |field, value, range: core::ops::RangeInclusive<u64>, allowed| {
            if range.contains(&value) {
                return Ok(());
            }
            Err(Error::InvalidHeader {
                field,
                value,
                allowed,
            })
        };
        let header_range = MIN_HEADER_BYTES..=MAX_HEADER_BYTES;
        let most_canvases = u64::from(MAX_GRID).saturating_mul(u64::from(MAX_GRID));
        check("header length", header_bytes, header_range, "21 to 28")?;
        check(
            "number of canvases",
            canvases,
            1..=most_canvases,
            "1 to 2^32",
        )?;
        let layer_range = 1..=u64::from(MAX_TOKENS);
        check("tokens per canvas", layers.into(), layer_range, "1 to 256")?;
        Ok(Self {
            header_bytes,
            canvases,
            layers,
        })
    }

    /// The layout of numbers that a valid header vouches for.
    pub(crate) fn of_header(header_bytes: u64, canvases: u64, layers: u16) -> Self {
        Self {
            header_bytes,
            canvases,
            layers,
        }
    }

    /// Bytes of the header.
    #[must_use]
    pub fn header_bytes(&self) -> u64 {
        self.header_bytes
    }

    /// Number of layers, the tokens per canvas.
    #[must_use]
    pub fn layers(&self) -> u16 {
        self.layers
    }

    /// Tokens of all canvases together.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.canvases.saturating_mul(self.layers.into())
    }

    /// Whether a checkpoint stands after `layer` (counted from 1).
    #[must_use]
    pub fn has_checkpoint(&self, layer: u16) -> bool {
        layer == self.layers || (layer < self.layers && CHECKPOINT_LAYERS.contains(&layer))
    }

    /// The first layer after `layer` that a checkpoint follows; none after the last one.
    #[must_use]
    pub fn next_checkpoint(&self, layer: u16) -> Option<u16> {
        if layer >= self.layers {
            return None;
        }
        let next = CHECKPOINT_LAYERS.iter().find(|&&after| after > layer);
        Some(next.map_or(self.layers, |&after| after.min(self.layers)))
    }

    /// Offset at which `layer` (counted from 1) is whole: `H + 2·n·j + 4·#{c : c < j}` with c of
    /// [`CHECKPOINT_LAYERS`]. For 0 it is the length of the header. None beyond the last layer.
    #[must_use]
    pub fn layer_end(&self, layer: u16) -> Option<u64> {
        (layer <= self.layers).then(|| self.layer_end_unchecked(layer))
    }

    /// Offset at which `layer` and the checkpoint after it, if there is one, are whole.
    #[must_use]
    pub fn checkpoint_end(&self, layer: u16) -> Option<u64> {
        let end = self.layer_end(layer)?;
        let extra = if self.has_checkpoint(layer) {
            CRC_BYTES
        } else {
            0
        };
        Some(end.saturating_add(extra))
    }

    /// Offset of the end of the last checkpoint: the file size without metadata.
    #[must_use]
    pub fn tokens_end(&self) -> u64 {
        self.layer_end_unchecked(self.layers)
            .saturating_add(CRC_BYTES)
    }

    /// Size of the complete file of the first `layers` tokens per canvas, without metadata.
    /// None for 0 and beyond the last layer.
    #[must_use]
    pub fn cut_len(&self, layers: u16) -> Option<u64> {
        if layers == 0 {
            return None;
        }
        Some(self.layer_end(layers)?.saturating_add(CRC_BYTES))
    }

    /// The most tokens per canvas of a complete file of at most `bytes`, without metadata.
    /// None if not even one fits.
    #[must_use]
    pub fn layers_within(&self, bytes: u64) -> Option<u16> {
        (1..=self.layers)
            .rev()
            .find(|&layers| self.cut_len(layers).is_some_and(|len| len <= bytes))
    }

    /// Whole tokens, all canvases counted, in the first `bytes` of the file.
    #[must_use]
    pub fn tokens_within(&self, bytes: u64) -> u64 {
        // Whole layers first; what remains belongs to the next layer or to a checkpoint.
        let whole = (0..=self.layers)
            .rev()
            .find(|&layer| self.layer_end_unchecked(layer) <= bytes);
        let Some(whole) = whole else { return 0 };
        let tokens = self.canvases.saturating_mul(whole.into());
        if whole == self.layers {
            return tokens;
        }
        let start = self.checkpoint_end(whole).unwrap_or(bytes);
        let loose = bytes.saturating_sub(start) / TOKEN_BYTES;
        tokens.saturating_add(loose)
    }

    /// Offset of the token with this index in layer order; none beyond the last token.
    #[must_use]
    pub fn token_offset(&self, index: u64) -> Option<u64> {
        let layer = u16::try_from(index.checked_div(self.canvases)?).ok()?;
        if layer >= self.layers {
            return None;
        }
        let start = self.checkpoint_end(layer)?;
        let within = index.checked_rem(self.canvases)?;
        start.checked_add(within.checked_mul(TOKEN_BYTES)?)
    }

    /// The formula for a layer that is known to be at most 256: below 2^42, so nothing saturates.
    fn layer_end_unchecked(&self, layer: u16) -> u64 {
        let before = CHECKPOINT_LAYERS.iter().filter(|&&c| c < layer);
        let checkpoints = before.fold(0_u64, |sum, _| sum.saturating_add(CRC_BYTES));
        self.canvases
            .saturating_mul(TOKEN_BYTES)
            .saturating_mul(layer.into())
            .saturating_add(checkpoints)
            .saturating_add(self.header_bytes)
    }
}

#[cfg(test)]
mod tests;
