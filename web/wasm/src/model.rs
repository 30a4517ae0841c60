//! The codec on pixels as canvases of pages have them: RGBA, 8 bits each.

use crate::failure::Failure;
use crate::numbers::{Budget, small, whole};
use flextok::container::TokenFile;
use flextok::image::{DynamicImage, RgbaImage};
use flextok::{CancelToken, Codec, DecodeOptions, EncodeOptions, Limits, Progress};

/// Most pixels of a picture. Several copies of it exist at a time, in the 4 GiB that a module can address.
const MAX_PIXELS: u64 = 1 << 26;

/// A model, opened.
pub(crate) struct Model(pub(crate) Codec);

/// A decoded picture: `width · height · 4` bytes, all opaque.
pub(crate) struct Pixels {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgba: Vec<u8>,
    /// Tokens that it was made of.
    pub(crate) tokens: u16,
}

/// What a page may ask of a decode; numbers as JavaScript has them.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) tokens: Option<f64>,
    pub(crate) steps: Option<f64>,
    pub(crate) seed: Option<f64>,
    pub(crate) keep_canvas: bool,
}

impl Model {
    /// The model whose `.safetensors` file is `bytes`.
    pub(crate) fn open(bytes: Vec<u8>) -> Result<Self, Failure> {
        let mut limits = Limits::default();
        limits.pixels = MAX_PIXELS;
        let codec = Codec::builder().limits(limits).from_bytes(bytes)?;
        Ok(Self(codec))
    }

    /// A complete file of `rgba`, row by row from the top. Transparent pixels are put on white.
    pub(crate) fn encode(
        &self,
        rgba: Vec<u8>,
        (width, height): (f64, f64),
        budget: Budget,
    ) -> Result<Vec<u8>, Failure> {
        let (width, height) = (side("width", width)?, side("height", height)?);
        let (found, expected) = (
            rgba.len() as u64,
            4 * u128::from(width) * u128::from(height),
        );
        let wrong = || {
            let needed = format!("{width}x{height} pixels have {expected}");
            Failure::usage(format!("{found} bytes of RGBA were given, but {needed}"))
        };
        if u128::from(found) != expected {
            return Err(wrong());
        }
        let image = RgbaImage::from_raw(width, height, rgba).ok_or_else(wrong)?;
        let options = EncodeOptions::default();
        let options = match budget {
            Budget::All => options,
            Budget::Tokens(tokens) => options.with_tokens(tokens),
            Budget::Bytes(bytes) => options.with_bytes(bytes),
        };
        Ok(self.0.encode(&DynamicImage::ImageRgba8(image), &options)?)
    }

    /// The picture of a file, whole or cut. `on_step(step, total)` is called after each step; the decode ends early once
    /// it returns false.
    pub(crate) fn decode(
        &self,
        file: &[u8],
        request: &Request,
        on_step: Option<impl Fn(u32, u32) -> bool + Send + Sync + 'static>,
    ) -> Result<Pixels, Failure> {
        let file = TokenFile::parse_with(file, &self.0.limits().container)?;
        let mut options = DecodeOptions::default()
            .with_keep_canvas(request.keep_canvas)
            .with_seed(whole("seed", request.seed.unwrap_or(0.0))?);
        options.tokens = small("tokens", request.tokens, u16::MAX.into())?;
        options.steps = small("steps", request.steps, u32::MAX.into())?;
        if let Some(on_step) = on_step {
            let cancel = CancelToken::new();
            options = options.with_cancel(cancel.clone()).with_progress(
                move |Progress { step, total, .. }| {
                    if !on_step(step, total) {
                        cancel.cancel();
                    }
                },
            );
        }
        let picture = self.0.decode_file(&file, &options)?;
        let (width, height) = picture.dimensions();
        let rgba = DynamicImage::ImageRgb8(picture).into_rgba8().into_raw();
        Ok(Pixels {
            width,
            height,
            rgba,
            tokens: options.tokens.unwrap_or(u16::MAX).min(file.layers()),
        })
    }
}

/// A side of a picture; what is no possible one is refused by the codec.
fn side(name: &str, value: f64) -> Result<u32, Failure> {
    Ok(small(name, Some(value), u32::MAX.into())?.unwrap_or(0))
}
