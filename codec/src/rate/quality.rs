//! Cuts by the quality that their decodes reach.

use flextok_container::{KeepMetadata, TokenFile};
use image::{DynamicImage, RgbImage};

use super::ladder::search;
use super::{Rung, Search};
use crate::metrics::Metric;
use crate::picture;
use crate::{Codec, DecodeOptions, EncodeOptions, Error, OptionName};

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
    /// Tokens of the cut.
    pub tokens: u16,
    /// The quality of its decode.
    pub quality: f64,
    /// Decodes that the search took.
    pub decodes: u32,
}

impl Codec {
    /// Encodes a picture with as few tokens as reach a quality: that of this codec's own decode, in the picture's size,
    /// against the picture on its background (with a crop, against the part that it keeps).
    ///
    /// A budget in the options bounds the tokens that are tried. `decode` is how the picture will be decoded; its
    /// `tokens` and `keep_canvas` are ignored. The file's metadata are kept.
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
    /// let (encode, decode) = (EncodeOptions::default(), DecodeOptions::default().with_steps(1));
    /// let (file, reached) = codec.encode_to(&picture, target, Search::Ladder, &encode, &decode)?;
    /// assert!(reached.quality >= 15.0 && file.layers() == reached.tokens);
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
        let file = self.encode_file(image, options)?;
        let original = self.original(image, options)?;
        let reached = self.smallest_cut(&file, &original, target, search, decode)?;
        Ok((file.cut(reached.tokens, KeepMetadata::Yes)?, reached))
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
        let measure = |tokens| self.quality(file, original, target.metric, tokens, decode);
        // A file without tokens is refused by the decoder.
        let found = search(file.layers().max(1), how, target.value, measure)?;
        if !found.is_enough {
            return Err(Error::TargetNotReached {
                metric: target.metric,
                wanted: target.value,
                reached: found.quality,
                tokens: found.tokens,
            });
        }
        Ok(Reached {
            tokens: found.tokens,
            quality: found.quality,
            decodes: found.decodes,
        })
    }

    /// Cuts of a file to the given numbers of tokens, with the bytes of their complete files and the quality of their
    /// decodes against `reference`: for [`share_closely`](super::share_closely). One decode for each; `decode` as for
    /// [`Codec::encode_to`].
    ///
    /// # Errors
    /// As [`Codec::decode`]; [`Error::Compare`] for a reference of another size than the file's, and where the metric is
    /// not defined; [`Error::Container`] for cuts of more tokens than the file has.
    pub fn rungs(
        &self,
        file: &TokenFile,
        keep: KeepMetadata,
        reference: &RgbImage,
        metric: Metric,
        cuts: &[u16],
        decode: &DecodeOptions,
    ) -> Result<Vec<Rung>, Error> {
        let rung = |&tokens: &u16| {
            Ok(Rung {
                tokens,
                bytes: file.cut(tokens, keep)?.to_bytes()?.len() as u64,
                quality: self.quality(file, reference, metric, tokens, decode)?,
            })
        };
        cuts.iter().map(rung).collect()
    }

    fn quality(
        &self,
        file: &TokenFile,
        original: &RgbImage,
        metric: Metric,
        tokens: u16,
        decode: &DecodeOptions,
    ) -> Result<f64, Error> {
        let options = decode.clone().with_tokens(tokens).with_keep_canvas(false);
        let decoded = self.decode_file(file, &options)?;
        Ok(metric.measure(original, &decoded, self.threads())?)
    }

    /// The picture to compare a decode of the whole file with.
    fn original(&self, image: &DynamicImage, options: &EncodeOptions) -> Result<RgbImage, Error> {
        let rgb = picture::try_flatten(image, options.background, u64::MAX)?;
        if !options.crop {
            return Ok(rgb);
        }
        let canvas = options.canvas.unwrap_or(self.config().canvas);
        let source = picture::published_crop(&rgb, canvas, self.threads())?.source;
        let part = image::imageops::crop_imm(&rgb, source.x, source.y, source.width, source.height);
        Ok(part.to_image())
    }
}

fn check_target(target: Target) -> Result<(), Error> {
    if target.value.is_finite() {
        return Ok(());
    }
    Err(OptionName::Target.refuse(target.value, "a finite number"))
}
