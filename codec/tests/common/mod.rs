//! The models and pictures that several integration tests use.

use std::path::PathBuf;

use flextok::image::{DynamicImage, Rgb, RgbImage};
use flextok::{Codec, CodecBuilder};

/// The small checkpoint in the published layout.
pub(crate) fn tiny_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/tiny/model.safetensors")
}

/// The model that makes recognisable photos, in the native form.
#[allow(dead_code)]
pub(crate) fn nano_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/nano.safetensors")
}

/// A network under test and its name.
pub(crate) type Model = (&'static str, fn(CodecBuilder) -> Codec);

/// A model in the native form and one in the published layout: both VAEs, both predictions, both treatments of
/// dropped registers.
#[allow(dead_code)] // not every test binary uses every helper
pub(crate) const MODELS: [Model; 2] = [
    ("nano", |builder| builder.open(nano_path()).unwrap()),
    ("tiny", |builder| builder.open(tiny_path()).unwrap()),
];

/// A picture with gradients, an edge and texture.
#[allow(dead_code)]
pub(crate) fn picture(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
        let texture = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 27;
        let edge = if x * height > y * width { 60 } else { 0 };
        let channel = |value: u32| (value + texture).min(255) as u8;
        Rgb([
            channel(x * 180 / width + edge),
            channel(y * 200 / height),
            channel(120 - edge + (x + y) % 17),
        ])
    }))
}
