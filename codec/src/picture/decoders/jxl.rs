//! JPEG XL (ISO/IEC 18181), by the crate `jxl-oxide`. It gets the codestream only, since it would unpack metadata without
//! bounds, and no threads of its own.

mod boxes;

use image::{DynamicImage, ImageBuffer};
use jxl_oxide::color::{ColourEncoding, ColourSpace, TransferFunction, WhitePoint};
use jxl_oxide::image::BitDepth;
use jxl_oxide::{
    AllocTracker, EnumColourEncoding, ExtraChannelType, FrameBufferSample, HdrType,
    InitializeResult, JxlImage, JxlThreadPool, Render, RenderingIntent,
};

use self::boxes::Boxes;
use super::stored::check_size;
use super::{Blocks, Calibration, LoadOptions, PictureError, PictureFormat, Pixels, Stored};
use crate::picture::{LoadNote, Parts, color, memory, one_line};

const NAME: &str = PictureFormat::Jxl.name();
/// Bytes that the decoder gets first, and then at once.
const FIRST: usize = 4 << 10;
const NEXT: usize = 64 << 10;
/// The most frames that are looked at: layers of one picture, or frames of an animation behind the first.
const MOST_FRAMES: usize = 4096;

/// Decodes a file.
pub(super) fn decode(file: &[u8], options: &LoadOptions) -> Result<Stored, PictureError> {
    // The decoder copies the codestream, and its parts are joined before.
    let held = (file.len() as u64).saturating_mul(3);
    memory::check(held, options.max_memory)?;
    memory::probe(held.saturating_add(memory::METADATA))?;
    let Boxes {
        codestream,
        exif,
        xmp,
    } = boxes::read(file)?;
    let room = options.max_memory - held;
    let tracker = AllocTracker::with_limit(usize::try_from(room).unwrap_or(usize::MAX));
    let failed = |error| failed(error, options);
    let (mut image, rest) = begin(&codestream, &tracker).map_err(failed)??;
    check_size(image.width(), image.height(), PictureFormat::Jxl, options)?;
    let kind = Kind::of(&image)?;
    kind.reserve(&image, room, &tracker, options)?;
    let mut notes = load(&mut image, rest).map_err(failed)??;
    let colors = describe(&mut image, options)?;
    if image.frame_header(0).is_some_and(|header| !header.is_last) {
        notes.insert(0, LoadNote::FirstOf(Parts::Frames));
    }
    let render = image.render_frame(0).map_err(failed)?;
    Ok(Stored {
        pixels: Pixels::Image(kind.pixels(&image, &render)?),
        blocks: Blocks {
            exif,
            xmp,
            upright: true,
            ..colors
        },
        notes,
    })
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn failed(error: Failure, options: &LoadOptions) -> PictureError {
    let mut cause: Option<&dyn std::error::Error> = Some(&*error);
    while let Some(inner) = cause {
        // The decoder's own limit; its type is private to the decoder.
        if inner.to_string().starts_with("failed to allocate") {
            return PictureError::TooMuchMemory {
                needed: options.max_memory.saturating_add(1),
                max: options.max_memory,
            };
        }
        cause = inner.source();
    }
    malformed(one_line(&error.to_string()))
}

fn malformed(detail: String) -> PictureError {
    PictureError::Malformed {
        format: NAME,
        detail,
    }
}

fn truncated(detail: &str) -> PictureError {
    PictureError::Truncated {
        format: NAME,
        detail: detail.to_owned(),
    }
}

/// Reads the header and the profile, and leaves the rest of the codestream.
fn begin<'a>(
    codestream: &'a [u8],
    tracker: &AllocTracker,
) -> Result<Result<(JxlImage, &'a [u8]), PictureError>, Failure> {
    let mut start = JxlImage::builder()
        .pool(JxlThreadPool::none())
        .alloc_tracker(tracker.clone())
        .build_uninit();
    let mut rest = codestream;
    let mut step = FIRST;
    loop {
        let part = rest.get(..step).unwrap_or(rest);
        let taken = start.feed_bytes(part)?;
        rest = rest.get(taken..).unwrap_or_default();
        start = match start.try_init()? {
            InitializeResult::Initialized(image) => return Ok(Ok((image, rest))),
            InitializeResult::NeedMoreData(_) if rest.is_empty() || taken == 0 => {
                return Ok(Err(truncated("its header is not all there")));
            }
            InitializeResult::NeedMoreData(start) => start,
        };
        // It starts anew each time.
        step = step.saturating_mul(2);
    }
}

/// Loads what the first frame is made of, and what follows it. A note tells where only that is not all there.
fn load(
    image: &mut JxlImage,
    mut rest: &[u8],
) -> Result<Result<Vec<LoadNote>, PictureError>, Failure> {
    while !image.is_loading_done() && !rest.is_empty() {
        if image.num_loaded_frames() > MOST_FRAMES {
            return Ok(match image.num_loaded_keyframes() {
                0 => Err(malformed(format!("it has more than {MOST_FRAMES} layers"))),
                _ => Ok(Vec::new()),
            });
        }
        let part = rest.get(..NEXT).unwrap_or(rest);
        let taken = image.feed_bytes(part)?;
        if taken == 0 {
            break;
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    Ok(
        match (image.is_loading_done(), image.num_loaded_keyframes()) {
            (_, 0) => Err(truncated("its picture is not all there")),
            (false, _) => Ok(vec![LoadNote::EndMissing]),
            (true, _) => Ok(Vec::new()),
        },
    )
}

/// Asks for sRGB where the decoder has to convert anyway; what the pixels are in otherwise.
///
/// # Errors
/// [`PictureError::Malformed`] for PQ and HLG, whose highlights have no place in sRGB.
fn describe(image: &mut JxlImage, options: &LoadOptions) -> Result<Blocks, PictureError> {
    let metadata = &image.image_header().metadata;
    // Asked of a profile that it cannot read, the decoder panics.
    let readable = !metadata.colour_encoding.want_icc() || image.original_icc().is_some();
    if options.color_management && readable {
        match image.hdr_type() {
            Some(HdrType::Pq) => return Err(color::high_dynamic_range(NAME, "PQ")),
            Some(HdrType::Hlg) => return Err(color::high_dynamic_range(NAME, "HLG")),
            None => {}
        }
    }
    let mut colors = Blocks::default();
    if metadata.xyb_encoded {
        let intent = RenderingIntent::Relative;
        let srgb = match metadata.grayscale() {
            true => EnumColourEncoding::gray_srgb(intent),
            false => EnumColourEncoding::srgb(intent),
        };
        image.request_color_encoding(srgb);
        return Ok(colors);
    }
    match &metadata.colour_encoding {
        ColourEncoding::IccProfile(_) => colors.icc = image.original_icc().map(<[u8]>::to_vec),
        ColourEncoding::Enum(encoding) => match usual_light(encoding) {
            Some(gamma) => {
                colors.calibration = gamma.map(|gamma| Calibration {
                    chromaticities: None,
                    gamma: Some(gamma),
                });
            }
            // The decoder makes a profile of all that is known. What is not is taken as sRGB.
            None if is_known(encoding) => colors.icc = Some(image.rendered_icc()),
            None if encoding.colour_space == ColourSpace::Xyb => {
                let detail = "its colours are XYB without the matrix that belongs to them";
                return Err(malformed(detail.to_owned()));
            }
            None => {}
        },
    }
    Ok(colors)
}

fn is_known(encoding: &EnumColourEncoding) -> bool {
    matches!(encoding.colour_space, ColourSpace::Rgb | ColourSpace::Grey)
        && encoding.tf != TransferFunction::Unknown
        && !matches!(encoding.tf, TransferFunction::Gamma { g: 0, .. })
}

/// Of colours with the primaries or the white of sRGB the exponent from light to samples: nothing in it for the curve of
/// sRGB. It is what a PNG file with such a chunk becomes, and is to look like that file.
fn usual_light(encoding: &EnumColourEncoding) -> Option<Option<f64>> {
    let grey = encoding.colour_space == ColourSpace::Grey;
    if encoding.white_point != WhitePoint::D65 || !(grey || encoding.is_srgb_gamut()) {
        return None;
    }
    match encoding.tf {
        TransferFunction::Srgb => Some(None),
        TransferFunction::Gamma { g: 0, .. } => None,
        TransferFunction::Gamma { g, inverted: true } => Some(Some(f64::from(g) / 1e7)),
        TransferFunction::Gamma { g, inverted: false } => Some(Some(1e7 / f64::from(g))),
        _ => None,
    }
}

/// How samples are returned.
#[derive(Debug, Clone, Copy)]
struct Kind {
    grey: bool,
    alpha: bool,
    /// Bytes of a sample.
    bytes: u8,
}

impl Kind {
    fn of(image: &JxlImage) -> Result<Self, PictureError> {
        let format = image.pixel_format();
        if format.has_black() {
            let detail = "its colours are CMYK; convert it to RGB first";
            return Err(malformed(detail.to_owned()));
        }
        let grey = format.is_grayscale();
        let bytes = match image.image_header().metadata.bit_depth {
            BitDepth::IntegerSample {
                bits_per_sample: ..=8,
            } => 1,
            BitDepth::IntegerSample {
                bits_per_sample: ..=16,
            } => 2,
            // There is no type for greys with a floating point.
            _ if grey => 2,
            _ => 4,
        };
        Ok(Self {
            grey,
            alpha: format.has_alpha(),
            bytes,
        })
    }

    fn channels(self) -> usize {
        (if self.grey { 1 } else { 3 }) + usize::from(self.alpha)
    }

    /// Leaves the decoder what the returned pixels do not take, as far as the system has it.
    fn reserve(
        self,
        image: &JxlImage,
        room: u64,
        tracker: &AllocTracker,
        options: &LoadOptions,
    ) -> Result<(), PictureError> {
        let samples = u64::from(image.width())
            .saturating_mul(u64::from(image.height()))
            .saturating_mul(self.channels() as u64);
        let returned = samples.saturating_mul(u64::from(self.bytes));
        // It works with at least two bytes a sample.
        let least = returned.saturating_add(samples.saturating_mul(2));
        memory::check(
            (options.max_memory - room).saturating_add(least),
            options.max_memory,
        )?;
        let obtained = memory::obtainable(least, room)?;
        let taken = room - obtained + returned;
        let taken = usize::try_from(taken).unwrap_or(usize::MAX);
        tracker
            .shrink_limit(taken)
            .map_err(|_| PictureError::TooMuchMemory {
                needed: options.max_memory.saturating_add(1),
                max: options.max_memory,
            })
    }

    fn pixels(self, image: &JxlImage, render: &Render) -> Result<DynamicImage, PictureError> {
        use DynamicImage as D;
        let pixels = match (self.bytes, self.grey, self.alpha) {
            (1, true, false) => self.buffer(image, render, of_bytes)?.map(D::ImageLuma8),
            (1, true, true) => self.buffer(image, render, of_bytes)?.map(D::ImageLumaA8),
            (1, false, false) => self.buffer(image, render, of_bytes)?.map(D::ImageRgb8),
            (1, false, true) => self.buffer(image, render, of_bytes)?.map(D::ImageRgba8),
            (2, true, false) => self.buffer(image, render, of_words)?.map(D::ImageLuma16),
            (2, true, true) => self.buffer(image, render, of_words)?.map(D::ImageLumaA16),
            (2, false, false) => self.buffer(image, render, of_words)?.map(D::ImageRgb16),
            (2, false, true) => self.buffer(image, render, of_words)?.map(D::ImageRgba16),
            (_, _, false) => self.buffer(image, render, of_floats)?.map(D::ImageRgb32F),
            (_, _, true) => self.buffer(image, render, of_floats)?.map(D::ImageRgba32F),
        };
        pixels.ok_or_else(|| malformed("its frame has another size than its header".to_owned()))
    }

    /// The samples, without alpha multiplied in; nothing if there are more or fewer than there should be.
    fn buffer<P, S>(
        self,
        image: &JxlImage,
        render: &Render,
        divide: fn(S, S) -> S,
    ) -> Result<Option<ImageBuffer<P, Vec<S>>>, PictureError>
    where
        P: image::Pixel<Subpixel = S>,
        S: FrameBufferSample + image::Primitive,
    {
        let (width, height) = (image.width(), image.height());
        let mut stream = render.stream();
        let channels = self.channels();
        let right = (stream.width(), stream.height(), stream.channels() as usize);
        if right != (width, height, channels) {
            return Ok(None);
        }
        let length = width as usize * height as usize * channels;
        let mut samples = memory::with_capacity(length)?;
        samples.resize(length, S::zero());
        if stream.write_to_buffer(&mut samples) != length {
            return Ok(None);
        }
        if self.alpha && is_multiplied(image) {
            for pixel in samples.chunks_exact_mut(channels) {
                if let Some((&mut alpha, colors)) = pixel.split_last_mut() {
                    for color in colors {
                        *color = divide(*color, alpha);
                    }
                }
            }
        }
        Ok(ImageBuffer::from_raw(width, height, samples))
    }
}

/// Whether alpha is multiplied into the colours.
fn is_multiplied(image: &JxlImage) -> bool {
    let extra = &image.image_header().metadata.ec_info;
    let alpha = extra.iter().find_map(|extra| match extra.ty {
        ExtraChannelType::Alpha { alpha_associated } => Some(alpha_associated),
        _ => None,
    });
    alpha == Some(true)
}

fn of_bytes(color: u8, alpha: u8) -> u8 {
    let (color, alpha) = (u32::from(color), u32::from(alpha));
    let divided = (color * 255 + alpha / 2).checked_div(alpha);
    divided.unwrap_or(0).min(255) as u8
}

fn of_words(color: u16, alpha: u16) -> u16 {
    let (color, alpha) = (u64::from(color), u64::from(alpha));
    let divided = (color * 65_535 + alpha / 2).checked_div(alpha);
    divided.unwrap_or(0).min(65_535) as u16
}

fn of_floats(color: f32, alpha: f32) -> f32 {
    if alpha > 0.0 { color / alpha } else { 0.0 }
}

#[cfg(test)]
#[path = "jxl_tests.rs"]
mod tests;
