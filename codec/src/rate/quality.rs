//! Cuts by the quality that their decodes reach.

use flextok_container::{KeepMetadata, TokenFile};
use image::{DynamicImage, RgbImage};

use super::ladder::search;
use super::{Rung, Search};
use crate::metrics::Metric;
use crate::picture;
use crate::{Codec, DecodeOptions, EncodeOptions, Error, Look, OptionName};

/// A quality that a decoded picture should reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// What is measured.
    pub metric: Metric,
    /// The least acceptable value, a finite number in the metric's unit.
    pub value: f64,
}

/// A cut that reaches a [`Target`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Reached {
    /// Units of the cut: bytes of a coded payload, or tokens of each canvas.
    pub units: u64,
    /// The quality of its decode.
    pub quality: f64,
    /// Decodes that the search took.
    pub decodes: u32,
}

impl Codec {
    /// Encodes a picture in as few bytes as reach a quality: that of this codec's own decode, in the picture's size,
    /// against the picture on its background (with a crop, against the part that it keeps).
    ///
    /// A budget in the options bounds what is tried. `decode` is how the picture will be decoded; its
    /// `tokens` and `keep_canvas` are ignored, and its look where the metric is PSNR: that of a coded payload is measured on
    /// plain decodes. The file's metadata are kept.
    ///
    /// # Errors
    /// [`Error::TargetNotReached`] with the best cut; as [`Codec::encode`] and [`Codec::decode`];
    /// [`Error::Compare`] where the metric is not defined, and for an original size other than the picture's.
    ///
    /// ```
    /// # #[cfg(feature = "embedded-model")] {
    /// use flextok::metrics::Metric;
    /// use flextok::rate::{Search, Target};
    /// use flextok::{Codec, DecodeOptions, EncodeOptions, image};
    ///
    /// let picture = image::DynamicImage::new_rgb8(64, 48);
    /// let codec = Codec::embedded()?;
    /// let target = Target { metric: Metric::Psnr, value: 15.0 };
    /// let (encode, decode) = (EncodeOptions::default(), DecodeOptions::default());
    /// let (file, reached) = codec.encode_to(&picture, target, Search::Ladder, &encode, &decode)?;
    /// assert!(reached.quality >= 15.0 && file.payload().len() as u64 == reached.units);
    /// # }
    /// # Ok::<(), flextok::Error>(())
    /// ```
    pub fn encode_to(
        &self,
        image: &DynamicImage,
        target: Target,
        search: Search,
        options: &EncodeOptions,
        decode: &DecodeOptions,
    ) -> Result<(TokenFile, Reached), Error> {
        check_target(target)?;
        self.check_picture(image)?;
        let original = self.original(image, options)?;
        if let Some(coded) = self.encode_coded_to(image, &original, target, search, options, decode)
        {
            return coded;
        }
        let file = self.encode_file(image, options)?;
        let reached = self.smallest_cut(&file, &original, target, search, decode)?;
        let payload = reached.units.saturating_mul(file.header().unit());
        Ok((file.cut(payload, KeepMetadata::Yes)?, reached))
    }

    /// The smallest cut of a file whose decode reaches a quality against `original`, which has the file's size; see
    /// [`rate`](crate::rate) for what is tried. `decode` as for [`Codec::encode_to`].
    ///
    /// # Errors
    /// As [`Codec::encode_to`].
    pub fn smallest_cut(
        &self,
        file: &TokenFile,
        original: &RgbImage,
        target: Target,
        how: Search,
        decode: &DecodeOptions,
    ) -> Result<Reached, Error> {
        check_target(target)?;
        self.check_file(file, decode)?;
        let unit = file.header().unit();
        let units = file.payload().len() as u64 / unit;
        let thorough = file.header().as_ids().is_some();
        let measure = |units: u64| {
            let cut = file.cut(units.saturating_mul(unit), KeepMetadata::No)?;
            self.quality(&cut, original, target.metric, decode)
        };
        let found = search(units, how, thorough, target.value, measure)?;
        if !found.is_enough {
            return Err(Error::TargetNotReached {
                metric: target.metric,
                wanted: target.value,
                reached: found.quality,
                bytes: found.units.saturating_mul(unit),
            });
        }
        Ok(Reached {
            units: found.units,
            quality: found.quality,
            decodes: found.decodes,
        })
    }

    /// Cuts of a file to the given numbers of units, with the bytes of their complete files and the quality of their
    /// decodes against `reference`: for [`share_closely`](super::share_closely). One decode for each; `decode` as for
    /// [`Codec::encode_to`].
    ///
    /// # Errors
    /// As [`Codec::decode`]; [`Error::Compare`] for a reference of another size than the file's, and where the metric is
    /// not defined; [`Error::Container`] for cuts of more units than the file has.
    pub fn rungs(
        &self,
        file: &TokenFile,
        keep: KeepMetadata,
        reference: &RgbImage,
        metric: Metric,
        cuts: &[u64],
        decode: &DecodeOptions,
    ) -> Result<Vec<Rung>, Error> {
        let rung = |&units: &u64| {
            let cut = file.cut(units.saturating_mul(file.header().unit()), keep)?;
            Ok(Rung {
                units,
                bytes: cut.to_bytes()?.len() as u64,
                quality: self.quality(&cut, reference, metric, decode)?,
            })
        };
        cuts.iter().map(rung).collect()
    }

    /// How decodes are made that a metric is measured on: as `decode` says, but plain for PSNR of a coded payload, whose error
    /// is known without decoding.
    #[must_use]
    pub fn measured_decode(&self, metric: Metric, decode: &DecodeOptions) -> DecodeOptions {
        let mut options = decode.clone();
        if metric == Metric::Psnr && self.tables().is_some() {
            options.look = Some(Look::Plain);
        }
        options
    }

    fn quality(
        &self,
        file: &TokenFile,
        original: &RgbImage,
        metric: Metric,
        decode: &DecodeOptions,
    ) -> Result<f64, Error> {
        let options = self.measured_decode(metric, decode);
        let mut options = options.with_keep_canvas(false);
        options.tokens = None;
        let decoded = self.decode_file(file, &options)?;
        Ok(metric.measure(original, &decoded, self.threads())?)
    }

    /// The picture to compare a decode of the whole file with.
    fn original(&self, image: &DynamicImage, options: &EncodeOptions) -> Result<RgbImage, Error> {
        let rgb = picture::try_flatten(image, options.background, u64::MAX)?;
        if !options.crop {
            return Ok(rgb);
        }
        let canvas = self.ids_canvas(options.canvas)?;
        let source = picture::published_crop(&rgb, canvas, self.threads())?.source;
        let part = image::imageops::crop_imm(&rgb, source.x, source.y, source.width, source.height);
        Ok(part.to_image())
    }
}

fn check_target(target: Target) -> Result<(), Error> {
    let most = target.metric.max().unwrap_or(f64::MAX);
    if target.value.is_finite() && target.value <= most {
        return Ok(());
    }
    let allowed = match target.metric.max() {
        Some(most) => format!("at most {most} for {}", target.metric.label()),
        None => "a finite number".to_owned(),
    };
    Err(OptionName::Target.refuse(target.value, allowed))
}
