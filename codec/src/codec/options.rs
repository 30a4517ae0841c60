//! The options of one encode or decode.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flextok_container::Metadata;

use crate::Size;
use crate::macros::setters;

/// How much of a picture to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Budget {
    /// All tokens that the model has.
    Full,
    /// This many tokens, from 1 to the model's registers.
    Tokens(u16),
    /// As many tokens as fit in a file of this many bytes, metadata included.
    Bytes(u64),
}

/// Options of [`Codec::encode`](crate::Codec::encode) and [`Codec::tokenize`](crate::Codec::tokenize).
///
/// ```
/// use flextok::EncodeOptions;
/// let options = EncodeOptions::default().with_tokens(64).with_crop(true);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EncodeOptions {
    /// How many tokens to make (default: all).
    pub budget: Budget,
    /// Scale to cover the canvas and crop its centre, as published, instead of resizing the whole picture (default off).
    pub crop: bool,
    /// Canvas in pixels (default: the model's own).
    pub canvas: Option<Size>,
    /// Size in pixels that decoders restore, for pixels that stand for a larger picture (default: the picture's own, or
    /// that of the region which a crop keeps).
    pub original_size: Option<Size>,
    /// Colour behind transparent pixels (default white).
    pub background: [u8; 3],
    /// Metadata to store (default none).
    pub metadata: Metadata,
    /// Sample the VAE's posterior with this seed instead of taking its mode (default: the mode).
    pub posterior_seed: Option<u64>,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            budget: Budget::Full,
            crop: false,
            canvas: None,
            original_size: None,
            background: [255; 3],
            metadata: Metadata::default(),
            posterior_seed: None,
        }
    }
}

impl EncodeOptions {
    /// Keeps this many tokens.
    #[must_use]
    pub fn with_tokens(mut self, tokens: u16) -> Self {
        self.budget = Budget::Tokens(tokens);
        self
    }

    /// Keeps as many tokens as fit in a file of this many bytes.
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.budget = Budget::Bytes(bytes);
        self
    }

    setters! {
        /// Crops the centre instead of resizing the whole picture.
        with_crop(crop: bool);
        /// Uses another canvas than the model's own.
        with_canvas(canvas: Size);
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
    /// Euler steps that are done.
    pub step: u32,
    /// Euler steps in all.
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
    /// Use at most this many tokens of the file (default: all available).
    pub tokens: Option<u16>,
    /// Euler steps.
    pub steps: Option<u32>,
    /// Guidance scale, a finite number; 1 runs only the conditional pass.
    pub guidance: Option<f32>,
    /// Adaptive projected guidance rather than classifier-free guidance.
    pub apg: Option<bool>,
    /// Seed of the starting noise (default 0).
    pub seed: u64,
    /// Starting noise `[C, H, W]` of the latents instead of generated noise.
    pub noise: Option<Vec<f32>>,
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
            .field("keep_canvas", &self.keep_canvas)
            .field("canvas", &self.canvas)
            .finish_non_exhaustive()
    }
}

impl DecodeOptions {
    setters! {
        /// Uses at most this many tokens.
        with_tokens(tokens: u16);
        /// Takes this many Euler steps.
        with_steps(steps: u32);
        /// Starts from the noise of this seed.
        with_seed(seed: u64);
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
