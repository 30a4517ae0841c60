//! The fewest bytes that reach a quality.
//!
//! The canvas depends on the bytes, so that each budget is an encode of its own. The squared error of every cut on the
//! canvas is known from the coefficients; in the picture's size it is about the loss of resampling plus the canvas's error
//! for as many pixels. PSNR is therefore searched without decoding, and only the choice is decoded to confirm it.

use flextok_container::{CodedCanvas, TokenFile};
use image::{DynamicImage, RgbImage};

use super::{CodedCodec, size_of};
use crate::Size;
use crate::codec::{Budget, DecodeOptions, EncodeOptions};
use crate::coded::{self, Analysis};
use crate::error::{Error, OptionName};
use crate::metrics::Metric;
use crate::picture;
use crate::rate::{self, Reached, Search, Target};

/// Decodes that confirm a choice, at most.
const CONFIRMATIONS: u32 = 8;
/// Numbers of bytes, each a twelfth below the one before, whose canvases are tried too.
const SMALLER: u32 = 7;
/// The first budget that is tried, in bytes of payload.
const FIRST: u64 = 16;

/// A picture on one canvas, with what every cut loses.
struct Measured {
    canvas: CodedCanvas,
    bytes: Vec<u8>,
    /// Estimated PSNR of the first 0, 1, 2 … bytes, in dB.
    quality: Vec<f64>,
    /// Whether more bytes would say nothing more.
    is_whole: bool,
}

impl Measured {
    /// The fewest bytes, at least one, whose quality is `wanted`.
    fn cut(&self, wanted: f64) -> Option<usize> {
        let reached = |&(_, &quality): &(usize, &f64)| quality >= wanted;
        let found = self.quality.iter().enumerate().skip(1).find(reached);
        found.map(|(bytes, _)| bytes)
    }
}

/// What is searched for.
struct Hunt<'a> {
    codec: &'a CodedCodec,
    image: &'a DynamicImage,
    original: &'a RgbImage,
    options: &'a EncodeOptions,
    decode: &'a DecodeOptions,
    size: Size,
    /// Most bytes of payload.
    most: u64,
    decodes: u32,
}

impl CodedCodec {
    /// A file of as few bytes as reach the target, within the budget of the options; without one, of any size.
    /// `decode`, which has been checked, is how the metric's decodes are made.
    pub(in crate::codec) fn encode_to(
        &self,
        image: &DynamicImage,
        original: &RgbImage,
        target: Target,
        search: Search,
        options: &EncodeOptions,
        decode: &DecodeOptions,
    ) -> Result<(TokenFile, Reached), Error> {
        if search == Search::EveryCut {
            return Err(OptionName::EveryCut.of_networks());
        }
        self.check_encode(options)?;
        let size = size_of(image, options);
        let most = match options.budget {
            Budget::Bytes(_) => self.payload(size, options)?,
            // Three bytes a pixel say everything on any canvas.
            _ => size
                .area()
                .saturating_mul(3)
                .clamp(1 << 16, self.limits.container.payload_bytes),
        };
        let mut hunt = Hunt {
            codec: self,
            image,
            original,
            options,
            decode,
            size,
            most,
            decodes: 0,
        };
        match target.metric {
            Metric::Psnr => hunt.psnr(target),
            _ => hunt.any(target),
        }
    }
}

impl Hunt<'_> {
    /// The fewest bytes by estimate, confirmed by decodes; each says how far the estimate is off, and corrects the next.
    fn psnr(&mut self, target: Target) -> Result<(TokenFile, Reached), Error> {
        let mut wanted = target.value;
        let mut enough: Option<(TokenFile, f64)> = None;
        let mut best: Option<(TokenFile, f64)> = None;
        let mut budget = FIRST.min(self.most);
        let mut kept: Option<Measured> = None;
        while self.decodes < CONFIRMATIONS {
            // One canvas serves for all corrections, as long as it reaches what is wanted.
            let on_kept = kept.take().and_then(|measured| {
                let bytes = measured.cut(wanted)?;
                Some((measured, Some(bytes)))
            });
            let (measured, bytes) = match on_kept {
                Some(found) => found,
                None => self.estimate(wanted, &mut budget)?,
            };
            let reached = bytes.is_some();
            let bytes = bytes.unwrap_or(measured.bytes.len().max(1));
            let known = enough.as_ref().map(|(file, _)| file.payload().len());
            if known.is_some_and(|known| bytes >= known) {
                break;
            }
            let file = self.file(&measured, bytes)?;
            kept = Some(measured);
            let quality = self.quality(&file, Metric::Psnr)?;
            if quality >= target.value {
                // Fewer bytes may do, as many as the estimate was too low by.
                wanted -= (quality - target.value).max(0.005);
                enough = Some((file, quality));
                continue;
            }
            if best.as_ref().is_none_or(|&(_, known)| quality > known) {
                best = Some((file, quality));
            }
            if !reached {
                break;
            }
            wanted += match &enough {
                // Between the two.
                Some(_) => (target.value - quality) / 2.0,
                None => target.value - quality,
            }
            .max(0.005);
        }
        match enough {
            Some((file, quality)) => Ok(self.done(file, quality)),
            None => Err(missed(target, best)),
        }
    }

    /// The canvas and the fewest bytes that reach `wanted` by estimate; none if even all bytes do not. The search begins at
    /// `budget` and leaves it at the first that is enough: a higher quality needs no less.
    fn estimate(&self, wanted: f64, budget: &mut u64) -> Result<(Measured, Option<usize>), Error> {
        let mut measured = self.measure(*budget, *budget)?;
        let mut cut = measured.cut(wanted);
        while cut.is_none() && *budget < self.most && !self.is_exhausted(&measured) {
            *budget = budget.saturating_mul(2).min(self.most);
            measured = self.measure(*budget, *budget)?;
            cut = measured.cut(wanted);
        }
        let Some(mut bytes) = cut else {
            return Ok((measured, None));
        };
        // Canvases for fewer bytes may need fewer still.
        let (mut tried, mut lower) = (measured.canvas, bytes as u64);
        for _ in 0..SMALLER {
            let canvas = self.codec.canvas(self.size, self.options, lower)?;
            if canvas != tried {
                tried = canvas;
                let other = self.measure(lower, *budget)?;
                if let Some(fewer) = other.cut(wanted).filter(|&fewer| fewer < bytes) {
                    (measured, bytes) = (other, fewer);
                }
            }
            lower = lower - lower / 12;
        }
        Ok((measured, Some(bytes)))
    }

    /// Whether neither more bytes nor a larger canvas says more.
    fn is_exhausted(&self, measured: &Measured) -> bool {
        measured.is_whole && measured.canvas == CodedCanvas::Own
    }

    /// The picture on the canvas for `bytes` of payload, coded in at most `limit`.
    fn measure(&self, bytes: u64, limit: u64) -> Result<Measured, Error> {
        let (codec, options) = (self.codec, self.options);
        let canvas = codec.canvas(self.size, options, bytes)?;
        let grid = coded::grid_of(self.size, canvas)?;
        let (background, place) = (options.background, (canvas, grid));
        let picture = coded::on_canvas(self.image, background, self.size, place, &codec.threads)?;
        let analysis = Analysis::of_canvas(&picture, grid, &codec.threads)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let coded = analysis.encode_measured(&codec.tables, limit)?;
        let lost = self.resampling_loss(canvas, &picture)?;
        let canvas_samples = grid.coefficients() as f64;
        let samples = 3.0 * self.size.area() as f64;
        let psnr = |&error: &f64| {
            let error = lost / samples + error / canvas_samples;
            10.0 * (255.0 * 255.0 / error).log10()
        };
        Ok(Measured {
            canvas,
            quality: coded.squared_errors.iter().map(psnr).collect(),
            is_whole: coded.bytes.len() < limit,
            bytes: coded.bytes,
        })
    }

    /// The squared error, in the picture's size, of a canvas that loses nothing itself.
    fn resampling_loss(&self, canvas: CodedCanvas, picture: &RgbImage) -> Result<f64, Error> {
        if canvas == CodedCanvas::Own {
            return Ok(0.0);
        }
        let restored = picture::enlarge(picture, self.size, &self.codec.threads)?;
        let pairs = self.original.as_raw().iter().zip(restored.as_raw());
        let square = |(&a, &b): (&u8, &u8)| u64::from(a.abs_diff(b)).pow(2);
        Ok(pairs.map(square).sum::<u64>() as f64)
    }

    /// The fewest bytes on the ladder of [`rate`](crate::rate), each budget encoded and decoded.
    fn any(&mut self, target: Target) -> Result<(TokenFile, Reached), Error> {
        let mut best: Option<(TokenFile, f64)> = None;
        let most = self.most;
        let found = rate::search(most, Search::Ladder, false, target.value, |bytes| {
            let canvas = self.codec.canvas(self.size, self.options, bytes)?;
            let analysis = self
                .codec
                .analysis(self.image, self.options, self.size, canvas)?;
            let limit = usize::try_from(bytes).unwrap_or(usize::MAX);
            let payload = analysis.encode(&self.codec.tables, limit)?;
            let file = self.codec.file(self.size, canvas, payload, self.options)?;
            let quality = self.quality(&file, target.metric)?;
            let better = |(kept, known): &(TokenFile, f64)| {
                let shorter = file.payload().len() < kept.payload().len();
                if quality >= target.value {
                    *known < target.value || shorter
                } else {
                    quality > *known
                }
            };
            if best.as_ref().is_none_or(better) {
                best = Some((file, quality));
            }
            Ok::<_, Error>(quality)
        })?;
        match best {
            Some((file, quality)) if found.is_enough => Ok(self.done(file, quality)),
            best => Err(missed(target, best)),
        }
    }

    fn file(&self, measured: &Measured, bytes: usize) -> Result<TokenFile, Error> {
        let mut payload = measured.bytes.clone();
        payload.truncate(bytes);
        payload.resize(payload.len().max(1), 0);
        self.codec
            .file(self.size, measured.canvas, payload, self.options)
    }

    fn quality(&mut self, file: &TokenFile, metric: Metric) -> Result<f64, Error> {
        let options = self.decode.clone().with_keep_canvas(false);
        let decoded = self.codec.decode_file(file, &options)?;
        self.decodes += 1;
        Ok(metric.measure(self.original, &decoded, &self.codec.threads)?)
    }

    fn done(&self, file: TokenFile, quality: f64) -> (TokenFile, Reached) {
        let reached = Reached {
            units: file.payload().len() as u64,
            quality,
            decodes: self.decodes,
        };
        (file, reached)
    }
}

fn missed(target: Target, best: Option<(TokenFile, f64)>) -> Error {
    let (bytes, reached) = best.map_or((0, f64::NAN), |(file, quality)| {
        (file.payload().len() as u64, quality)
    });
    Error::TargetNotReached {
        metric: target.metric,
        wanted: target.value,
        reached,
        bytes,
    }
}
