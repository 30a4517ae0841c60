//! Options as the package hands them over: dictionaries in which every key is present.

use std::num::NonZeroU8;

use flextok::container::Metadata;
use flextok::{CanvasChoice, DecodeOptions, EncodeOptions, Limits, Look, Size};
use pyo3::prelude::*;

use crate::errors::usage;

/// A width and a height in pixels.
pub(crate) type Sides = (u32, u32);

/// Options of `encode` and `tokenize`.
#[derive(Debug, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Encode<'py> {
    bytes: Option<u64>,
    tokens: Option<u32>,
    crop: bool,
    canvas: Option<Bound<'py, PyAny>>,
    cut_at: Option<u64>,
    original_size: Option<Sides>,
    background: [u8; 3],
    title: Option<String>,
    posterior_seed: Option<u64>,
}

impl Encode<'_> {
    /// The library's options.
    pub(crate) fn options(self, py: Python<'_>) -> PyResult<EncodeOptions> {
        let mut options = EncodeOptions::default()
            .with_crop(self.crop)
            .with_background(self.background)
            .with_metadata(Metadata {
                title: self.title,
                ..Metadata::default()
            });
        options = match (self.tokens, self.bytes) {
            (Some(_), Some(_)) => {
                return Err(usage(
                    py,
                    "tokens and bytes exclude each other; give one of them",
                ));
            }
            (Some(tokens), None) => options.with_tokens(tokens),
            (None, Some(bytes)) => options.with_bytes(bytes),
            (None, None) => options,
        };
        if let Some(canvas) = self.canvas {
            options.canvas = canvas_choice(&canvas)?;
        }
        options.cut_at = self.cut_at;
        options.original_size = self.original_size.map(Size::from);
        options.posterior_seed = self.posterior_seed;
        Ok(options)
    }
}

/// `"own"`, a number of blocks, or a size in pixels.
fn canvas_choice(canvas: &Bound<'_, PyAny>) -> PyResult<CanvasChoice> {
    if let Ok(sides) = canvas.extract::<Sides>() {
        return Ok(CanvasChoice::Pixels(sides.into()));
    }
    if let Ok(blocks) = canvas.extract::<NonZeroU8>() {
        return Ok(CanvasChoice::Blocks(blocks));
    }
    if canvas.extract::<String>().is_ok_and(|word| word == "own") {
        return Ok(CanvasChoice::Own);
    }
    let message = format!(
        "canvas {} is not supported; allowed: \"own\", 1 to 255 blocks of 32 pixels, or (width, height) in pixels",
        canvas.repr()?
    );
    Err(usage(canvas.py(), &message))
}

/// Options of `decode`, `detokenize` and the progressive decoder.
#[derive(Debug, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Decode {
    tokens: Option<u32>,
    steps: Option<u32>,
    guidance: Option<f32>,
    apg: Option<bool>,
    seed: Option<u64>,
    look: Option<String>,
    keep_canvas: bool,
    canvas: Option<Sides>,
    /// Called after each step.
    pub(crate) on_step: Option<Py<PyAny>>,
}

impl Decode {
    /// The library's options, and the callback.
    pub(crate) fn options(self, py: Python<'_>) -> PyResult<(DecodeOptions, Option<Py<PyAny>>)> {
        let mut options = DecodeOptions::default().with_keep_canvas(self.keep_canvas);
        options.tokens = self.tokens;
        options.steps = self.steps;
        options.guidance = self.guidance;
        options.apg = self.apg;
        options.seed = self.seed;
        options.canvas = self.canvas.map(Size::from);
        options.look = match self.look {
            None => None,
            Some(look) => {
                let look: Result<Look, _> = look.parse();
                Some(look.map_err(|error| usage(py, &error.to_string()))?)
            }
        };
        Ok((options, self.on_step))
    }
}

/// The limits of `flextok.Limits`; those that are absent are the library's.
pub(crate) fn limits(given: Vec<(String, u64)>) -> Limits {
    let mut limits = Limits::default();
    for (name, value) in given {
        let small = u32::try_from(value).unwrap_or(u32::MAX);
        match name.as_str() {
            "pixels" => limits.pixels = value,
            "side" => limits.side = small,
            "image_bytes" => limits.image_bytes = value,
            "image_memory" => limits.image_memory = value,
            "canvas_pixels" => limits.canvas_pixels = value,
            "tile_memory" => limits.tile_memory = value,
            "steps" => limits.steps = small,
            "payload_bytes" => limits.container.payload_bytes = value,
            "weights_bytes" => limits.weights_bytes = value,
            "device_memory" => limits.device_memory = value,
            // The package has checked the names.
            _ => {}
        }
    }
    limits
}
