//! Properties of encoding and decoding with arbitrary options.

use std::num::NonZeroU8;
use std::path::Path;
use std::sync::LazyLock;

use flextok::container::{Chunk, Metadata, TokenFile};
use flextok::image::{DynamicImage, RgbaImage};
use flextok::{Budget, CanvasChoice, Codec, DecodeOptions, EncodeOptions, ErrorKind, Look, Size};

/// The small random network of the tests.
static NETWORK: LazyLock<Codec> = LazyLock::new(|| open("tests/data/tiny/model.safetensors"));
/// The built-in model with its coded payload.
static CODED: LazyLock<Codec> = LazyLock::new(|| open("models/builtin.safetensors"));

/// A model on one thread, with limits that keep an input to milliseconds.
fn open(path: &str) -> Codec {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let mut limits = flextok::Limits::default();
    limits.pixels = 1 << 12;
    limits.canvas_pixels = 1 << 12;
    limits.image_memory = 1 << 21;
    limits.steps = 2;
    let codec = Codec::builder()
        .with_threads(1)
        .with_limits(limits)
        .open(path);
    codec.expect("a model of the repository")
}

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

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    fn size(&mut self) -> Option<Size> {
        match self.u8() {
            // Most canvases are possible ones, so that something comes after them.
            0..=199 => Some(Size::new(32, 16)),
            200..=239 => Some(Size::new(self.u8().into(), self.u8().into())),
            240..=249 => Some(Size::new(self.u32(), self.u32())),
            _ => None,
        }
    }
}

/// Options either are refused by a one-line error of a kind that fits, or give a complete file within its budget, which
/// decodes to a picture of the size it says.
pub fn both(data: &[u8]) {
    let mut source = Source(data);
    let mut options = encode_options(&mut source);
    let (width, height) = (u32::from(source.u8() % 80), u32::from(source.u8() % 80));
    let pixels = RgbaImage::from_fn(width, height, |x, y| {
        flextok::image::Rgba([x as u8, y as u8, 99, (x * y) as u8])
    });
    let mut decode = decode_options(&mut source);
    let codec = choose(&mut source, &mut options, &mut decode);
    let bytes = match codec.encode(&DynamicImage::ImageRgba8(pixels), &options) {
        Ok(bytes) => bytes,
        Err(error) => return refused(&error),
    };
    let file = TokenFile::parse(&bytes).expect("what was written");
    assert!(file.is_complete());
    let size = file.header().size();
    // A crop is a picture of its own.
    let own = (!options.crop).then_some(Size::new(width, height));
    let expected = options.original_size.or(own);
    assert!(expected.is_none_or(|expected| size == expected), "{size}");
    assert_eq!(file.metadata(), &options.metadata);
    within(&file, bytes.len() as u64, &options, codec);
    match codec.decode(&bytes, &decode) {
        Ok(picture) if decode.keep_canvas => assert!(picture.width() > 0),
        Ok(picture) => assert_eq!(Size::from(picture.dimensions()), size),
        Err(error) => refused(&error),
    }
}

/// The model, and what only one of the two families has a use for.
fn choose(
    source: &mut Source<'_>,
    options: &mut EncodeOptions,
    decode: &mut DecodeOptions,
) -> &'static Codec {
    let family = source.u8();
    if family.is_multiple_of(2) {
        return &NETWORK;
    }
    options.canvas = match source.u8() % 4 {
        0 => CanvasChoice::Auto,
        1 => CanvasChoice::Own,
        2 => NonZeroU8::new(source.u8() % 4).map_or(CanvasChoice::Own, CanvasChoice::Blocks),
        _ => options.canvas,
    };
    options.cut_at = (source.u8() % 2 == 1).then(|| source.u16().into());
    options.original_size = (source.u8() % 2 == 1).then(|| source.size()).flatten();
    // Most options are for networks and would be all that is refused.
    if family % 8 != 7 {
        *decode = DecodeOptions::default().with_keep_canvas(decode.keep_canvas);
    }
    decode.look = match source.u8() {
        // The learned decoder takes far longer than all else here.
        0..=239 => Some(Look::Plain),
        240..=249 => None,
        look => Some(Look::Learned(f32::from(look - 250) / 4.0)),
    };
    &CODED
}

fn within(file: &TokenFile, bytes: u64, options: &EncodeOptions, codec: &Codec) {
    let tokens = file.header().as_ids().map(|ids| ids.tokens);
    match options.budget {
        Budget::Tokens(wanted) => assert_eq!(tokens, Some(wanted)),
        Budget::Bytes(most) => assert!(bytes <= most),
        _ if tokens.is_some() => assert_eq!(tokens, codec.max_tokens()),
        _ => assert!(bytes <= EncodeOptions::DEFAULT_BYTES + options.metadata.byte_len()),
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
        0 => Budget::Model,
        1 => Budget::Tokens(source.u16().into()),
        2 => Budget::Tokens(source.u8().into()),
        _ => Budget::Bytes(u64::from_le_bytes(source.bytes()) >> (source.u8() % 64)),
    };
    options.crop = source.u8() % 2 == 1;
    options.canvas = source
        .size()
        .map_or(CanvasChoice::Auto, CanvasChoice::Pixels);
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
        1 => Some(source.u8().into()),
        _ => Some(source.u16().into()),
    };
    options.steps = Some(match source.u8() {
        0..=199 => 1,
        200..=239 => 2,
        _ => source.u32(),
    });
    options.guidance = match source.u8() % 3 {
        0 => None,
        1 => Some(f32::from(source.u8()) / 8.0),
        _ => Some(f32::from_le_bytes(source.bytes())),
    };
    options.apg = [None, Some(false), Some(true)][usize::from(source.u8() % 3)];
    options.seed = Some(u64::from_le_bytes(source.bytes()));
    options.noise = match source.u8() % 4 {
        0 => Some(vec![0.5; usize::from(source.u16())]),
        1 => Some(vec![f32::NAN; usize::from(source.u16())]),
        _ => None,
    };
    options.keep_canvas = source.u8() % 2 == 1;
    options.canvas = source.size();
    options
}
