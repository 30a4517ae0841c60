//! Properties of encoding and decoding with arbitrary options.

use std::path::Path;
use std::sync::LazyLock;

use flextok::container::{Chunk, Metadata, TokenFile};
use flextok::image::{DynamicImage, RgbaImage};
use flextok::{Budget, Codec, DecodeOptions, EncodeOptions, ErrorKind, Size};

/// The small random checkpoint of the tests, on one thread, with limits that keep an input to milliseconds.
static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/tiny/model.safetensors");
    let mut limits = flextok::Limits::default();
    limits.pixels = 1 << 12;
    limits.canvas_pixels = 1 << 12;
    limits.steps = 2;
    let codec = Codec::builder()
        .with_threads(1)
        .with_limits(limits)
        .open(path);
    codec.expect("the small checkpoint")
});

/// Takes numbers off the front; zeros after the end.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        for place in &mut out {
            if let Some((first, rest)) = self.0.split_first() {
                (*place, self.0) = (*first, rest);
            }
        }
        out
    }

    fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.bytes())
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::from(self.u16());
        // Also longer than a chunk can be.
        (length % 3 != 0).then(|| "é".repeat(length))
    }

    fn canvas(&mut self) -> Option<Size> {
        match self.u8() {
            // Most canvases are possible ones, so that something comes after them.
            0..=199 => Some(Size::new(32, 16)),
            200..=239 => Some(Size::new(self.u8().into(), self.u8().into())),
            240..=249 => Some(Size::new(
                u32::from_le_bytes(self.bytes()),
                u32::from_le_bytes(self.bytes()),
            )),
            _ => None,
        }
    }
}

/// Options either are refused by a one-line error of a kind that fits, or give a complete file within its budget, which
/// decodes to a picture of the size it says.
pub fn both(data: &[u8]) {
    let mut source = Source(data);
    let options = encode_options(&mut source);
    let (width, height) = (u32::from(source.u8() % 80), u32::from(source.u8() % 80));
    let pixels = RgbaImage::from_fn(width, height, |x, y| {
        flextok::image::Rgba([x as u8, y as u8, 99, (x * y) as u8])
    });
    let decode = decode_options(&mut source);
    let bytes = match CODEC.encode(&DynamicImage::ImageRgba8(pixels), &options) {
        Ok(bytes) => bytes,
        Err(error) => return refused(&error),
    };
    let file = TokenFile::parse(&bytes).expect("what was written");
    assert!(file.is_complete());
    let header = file.header();
    let size = (header.width(), header.height());
    // A crop is a picture of its own.
    assert!(options.crop || size == (width, height), "{size:?}");
    assert_eq!(file.metadata(), &options.metadata);
    match options.budget {
        Budget::Tokens(tokens) => assert_eq!(header.tokens(), tokens),
        Budget::Bytes(most) => assert!(bytes.len() as u64 <= most),
        _ => assert_eq!(header.tokens(), CODEC.max_tokens()),
    }
    match CODEC.decode(&bytes, &decode) {
        Ok(picture) if decode.keep_canvas => assert!(picture.width() > 0),
        Ok(picture) => assert_eq!(picture.dimensions(), size),
        Err(error) => refused(&error),
    }
}

fn refused(error: &flextok::Error) {
    crate::one_line(error);
    // The model and the program are fine: it can only be what was asked for.
    let kinds = [ErrorKind::Usage, ErrorKind::Limit, ErrorKind::Image];
    assert!(kinds.contains(&error.kind()), "{error}");
}

fn encode_options(source: &mut Source<'_>) -> EncodeOptions {
    let mut options = EncodeOptions::default();
    options.budget = match source.u8() % 4 {
        0 => Budget::Full,
        1 => Budget::Tokens(source.u16()),
        2 => Budget::Tokens(u16::from(source.u8())),
        _ => Budget::Bytes(u64::from_le_bytes(source.bytes()) >> (source.u8() % 64)),
    };
    options.crop = source.u8() % 2 == 1;
    options.canvas = source.canvas();
    options.background = source.bytes();
    if source.u8() % 2 == 1 {
        let mut metadata = Metadata {
            encoder: source.text(),
            title: source.text(),
            capture_time: source.text(),
            color_profile: source.text(),
            other: Vec::new(),
        };
        for _ in 0..source.u8() % 4 {
            let payload = vec![7; usize::from(source.u16())];
            metadata.other.extend(Chunk::new(source.u8(), payload).ok());
        }
        options.metadata = metadata;
    }
    options.posterior_seed = (source.u8() % 2 == 1).then(|| u64::from_le_bytes(source.bytes()));
    options
}

fn decode_options(source: &mut Source<'_>) -> DecodeOptions {
    let mut options = DecodeOptions::default();
    options.tokens = match source.u8() % 3 {
        0 => None,
        1 => Some(u16::from(source.u8())),
        _ => Some(source.u16()),
    };
    options.steps = Some(match source.u8() {
        0..=199 => 1,
        200..=239 => 2,
        _ => u32::from_le_bytes(source.bytes()),
    });
    options.guidance = match source.u8() % 3 {
        0 => None,
        1 => Some(f32::from(source.u8()) / 8.0),
        _ => Some(f32::from_le_bytes(source.bytes())),
    };
    options.apg = [None, Some(false), Some(true)][usize::from(source.u8() % 3)];
    options.seed = u64::from_le_bytes(source.bytes());
    options.noise = match source.u8() % 4 {
        0 => Some(vec![0.5; usize::from(source.u16())]),
        1 => Some(vec![f32::NAN; usize::from(source.u16())]),
        _ => None,
    };
    options.keep_canvas = source.u8() % 2 == 1;
    options.canvas = source.canvas();
    options
}
