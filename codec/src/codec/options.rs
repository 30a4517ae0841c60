//! The options of one encode or decode.

use std::fmt;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flextok_container::Metadata;

use super::Look;
use crate::Size;
use crate::macros::setters;

/// How much of a picture to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Budget {
    /// What the model does by itself: all tokens that it has; of a coded payload, [`EncodeOptions::DEFAULT_BYTES`].
    Model,
    /// This many tokens, from 1 to the model's registers.
    Tokens(u32),
    /// As much as fits in a file of this many bytes, metadata included.
    Bytes(u64),
}

/// The canvas that a picture is resized to before it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CanvasChoice {
    /// The model's own canvas; for a coded payload, one that suits the bytes.
    Auto,
    /// This size in pixels, for networks.
    Pixels(Size),
    /// The picture's own size, for coded payloads: at most 255 blocks of 32 pixels a side.
    Own,
    /// This many blocks of 32 pixels along the long side, for coded payloads.
    Blocks(NonZeroU8),
}

impl From<Size> for CanvasChoice {
    fn from(size: Size) -> Self {
        Self::Pixels(size)
    }
}

impl fmt::Display for CanvasChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Pixels(size) => write!(formatter, "{size}"),
            Self::Own => formatter.write_str("own"),
            Self::Blocks(blocks) => write!(formatter, "{blocks}"),
        }
    }
}

/// Options of [`Codec::encode`](crate::Codec::encode) and [`Codec::tokenize`](crate::Codec::tokenize).
///
/// ```
/// use flextok::EncodeOptions;
/// let options = EncodeOptions::default().with_bytes(512).with_background([0; 3]);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EncodeOptions {
    /// How much to keep (default: what the model does by itself).
    pub budget: Budget,
    /// Scale to cover the canvas and crop its centre, as published, instead of resizing the whole picture (default off; for
    /// networks).
    pub crop: bool,
    /// The canvas (default: the model's choice).
    pub canvas: CanvasChoice,
    /// Choose the canvas for a later cut of the file to this many bytes (default: for all of its bytes; for coded payloads).
    pub cut_at: Option<u64>,
    /// Size in pixels that decoders restore, for pixels that represent a larger picture (default: the picture's own, or
    /// that of the region which a crop keeps).
    pub original_size: Option<Size>,
    /// Colour behind transparent pixels (default white).
    pub background: [u8; 3],
    /// Metadata to store (default none).
    pub metadata: Metadata,
    /// Sample the VAE's posterior with this seed instead of taking its mode (default: the mode; for networks).
    pub posterior_seed: Option<u64>,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            budget: Budget::Model,
            crop: false,
            canvas: CanvasChoice::Auto,
            cut_at: None,
            original_size: None,
            background: [255; 3],
            metadata: Metadata::default(),
            posterior_seed: None,
        }
    }
}

impl EncodeOptions {
    /// Bytes of a file with a coded payload where no budget is given.
    pub const DEFAULT_BYTES: u64 = 1024;

    /// Keeps this many tokens.
    #[must_use]
    pub fn with_tokens(mut self, tokens: u32) -> Self {
        self.budget = Budget::Tokens(tokens);
        self
    }

    /// Keeps as much as fits in a file of this many bytes.
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.budget = Budget::Bytes(bytes);
        self
    }

    setters! {
        /// Crops the centre instead of resizing the whole picture.
        with_crop(crop: bool);
        /// Uses another canvas than the model would.
        with_canvas(canvas: CanvasChoice);
        /// Chooses the canvas for a later cut to this many bytes.
        with_cut_at(cut_at: u64);
        /// Lets decoders restore this size instead of the picture's own.
        with_original_size(original_size: Size);
        /// Puts transparent pixels on this colour.
        with_background(background: [u8; 3]);
        /// Stores metadata.
        with_metadata(metadata: Metadata);
    }
}

/// How far a decode has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Steps that are done: Euler steps of a network, tiles of a learned decoder.
    pub step: u32,
    /// Steps in total.
    pub total: u32,
}

type ProgressFn = dyn Fn(Progress) + Send + Sync;

/// A switch that ends a decode at its next step; clones share it.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A switch that is off.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all decodes that hold a clone of this.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`CancelToken::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Options of [`Codec::decode`](crate::Codec::decode) and its relatives. What is not set comes from the model's config.
///
/// ```
/// use flextok::DecodeOptions;
/// let options = DecodeOptions::default().with_tokens(16).with_steps(8).with_seed(7);
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// Use at most this many tokens of the file (default: all available; for networks, as all up to `noise`).
    pub tokens: Option<u32>,
    /// Euler steps.
    pub steps: Option<u32>,
    /// Guidance scale, a finite number; 1 runs only the conditional pass.
    pub guidance: Option<f32>,
    /// Adaptive projected guidance rather than classifier-free guidance.
    pub apg: Option<bool>,
    /// Seed of the starting noise (default 0).
    pub seed: Option<u64>,
    /// Starting noise `[C, H, W]` of the latents instead of generated noise.
    pub noise: Option<Vec<f32>>,
    /// How a coded payload becomes a picture (default: [`Look::default`] where the model has a learned decoder, else plain;
    /// for coded payloads).
    pub look: Option<Look>,
    /// Return the canvas as it is instead of restoring the original size (default off).
    pub keep_canvas: bool,
    /// Canvas in pixels for bare token ids; a file brings its own.
    pub canvas: Option<Size>,
    /// Called after every step, from a thread of the codec.
    pub progress: Option<Arc<ProgressFn>>,
    /// Ends the decode early.
    pub cancel: Option<CancelToken>,
}

impl fmt::Debug for DecodeOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DecodeOptions")
            .field("tokens", &self.tokens)
            .field("steps", &self.steps)
            .field("guidance", &self.guidance)
            .field("apg", &self.apg)
            .field("seed", &self.seed)
            .field("noise", &self.noise.as_ref().map(Vec::len))
            .field("look", &self.look)
            .field("keep_canvas", &self.keep_canvas)
            .field("canvas", &self.canvas)
            .finish_non_exhaustive()
    }
}

impl DecodeOptions {
    setters! {
        /// Uses at most this many tokens.
        with_tokens(tokens: u32);
        /// Takes this many Euler steps.
        with_steps(steps: u32);
        /// Starts from the noise of this seed.
        with_seed(seed: u64);
        /// Gives a coded payload this look.
        with_look(look: Look);
        /// Returns the canvas instead of the original size.
        with_keep_canvas(keep_canvas: bool);
        /// Stops when the token is cancelled.
        with_cancel(cancel: CancelToken);
    }

    /// Guides with this scale, by APG or by CFG.
    #[must_use]
    pub fn with_guidance(mut self, scale: f32, apg: bool) -> Self {
        self.guidance = Some(scale);
        self.apg = Some(apg);
        self
    }

    /// Reports each step.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }
}
