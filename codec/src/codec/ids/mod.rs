//! The first family of models: FlexTok networks, which make token ids of canvases and canvases of ids.

mod batch;
mod decode;
mod encode;
mod engine;
mod prepared;
mod refine;

use std::sync::Arc;

pub(super) use batch::{each, only};
pub(super) use engine::{Engine, NetworkOn};
use flextok_compute::Threads;
use flextok_container::Fingerprint;
pub use prepared::Prepared;
pub(crate) use refine::check_time;
pub use refine::{Latents, WarmStart};

use super::{CanvasChoice, DecodeOptions, EncodeOptions, Limits, limit};
use crate::Size;
use crate::config::ModelConfig;
use crate::error::{Error, LimitKind, OptionName};
use crate::weights::Weights;

/// A network on an engine.
pub(super) struct IdsCodec {
    weights: Arc<Weights>,
    config: ModelConfig,
    engine: Box<dyn Engine>,
    threads: Threads,
    limits: Limits,
}

impl IdsCodec {
    pub(super) fn new(
        weights: Arc<Weights>,
        engine: Box<dyn Engine>,
        threads: Threads,
        limits: Limits,
    ) -> Result<Self, Error> {
        Ok(Self {
            config: weights.network()?.clone(),
            weights,
            engine,
            threads,
            limits,
        })
    }

    pub(super) fn config(&self) -> &ModelConfig {
        &self.config
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.weights.fingerprint())
    }

    /// The canvas that the options select, checked against the model and the limits.
    pub(super) fn canvas_of(&self, choice: CanvasChoice) -> Result<Size, Error> {
        match choice {
            CanvasChoice::Auto => self.check_canvas(None),
            CanvasChoice::Pixels(size) => self.check_canvas(Some(size)),
            CanvasChoice::Own | CanvasChoice::Blocks(_) => {
                let allowed =
                    "a width and a height in pixels, since this model has a canvas of its own";
                Err(OptionName::Canvas.refuse(choice, allowed))
            }
        }
    }

    /// Checks a canvas against the model and the limits.
    fn check_canvas(&self, canvas: Option<Size>) -> Result<Size, Error> {
        let canvas = canvas.unwrap_or(self.config().canvas);
        self.config()
            .check_canvas(canvas)
            .map_err(|error| OptionName::Canvas.refuse(canvas, error))?;
        limit(
            LimitKind::CanvasPixels,
            canvas.area(),
            self.limits.canvas_pixels,
        )?;
        Ok(canvas)
    }
}
