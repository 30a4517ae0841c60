//! Files and token ids to pictures: the door to both families.

use flextok_container::{Header, TokenFile};
use image::RgbImage;

use super::ids::each;
use super::{Codec, DecodeOptions, Family, Latents, ModelName, WarmStart};
use crate::Size;
use crate::error::Error;
use crate::picture::Canvas;

impl Codec {
    /// Decodes a `.flxt` file, whole or cut, to a picture of its original size.
    ///
    /// # Errors
    /// [`Error::Container`] for bytes that are damaged or not a token file, [`Error::NoPayload`] for a file that was cut
    /// before the end of its first byte or token, [`Error::WrongModel`] for a file of another model,
    /// [`Error::Limit`] for a size beyond the limits, [`Error::Option`] for options the model does not allow,
    /// [`Error::Cancelled`] if the options' token was cancelled, [`Error::Compute`] if the engine fails.
    pub fn decode(&self, bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, Error> {
        self.decode_file(&self.parse(bytes)?, options)
    }

    /// Decodes many files with the same options, each as [`Codec::decode`] does, but several at once.
    ///
    /// Files of different pictures, sizes, canvases and numbers of tokens may be mixed; all start from the same
    /// noise. At most [`Codec::IMAGES_PER_PASS`] of one canvas go through the network together, so that memory for it
    /// does not grow with the batch; the pictures themselves are all returned at once. On the CPU a picture is the same,
    /// byte for byte, whichever files are decoded with it. Progress counts the steps of all passes.
    ///
    /// # Errors
    /// [`Error::InBatch`] with the index of the first file that is refused, before any is decoded, and an error of
    /// [`Codec::decode`] in it; as [`Codec::decode`] for what concerns all files.
    ///
    /// ```
    /// # #[cfg(feature = "embedded-model")] {
    /// use flextok::{Codec, DecodeOptions, EncodeOptions, image};
    ///
    /// let codec = Codec::embedded()?;
    /// let pictures = [(320, 240), (100, 150)].map(|(width, height)| {
    ///     image::DynamicImage::new_rgb8(width, height)
    /// });
    /// let files = codec.encode_batch(&pictures, &EncodeOptions::default())?;
    /// let prefixes = [&files[0][..14], &files[1][..], &files[1][..13]];
    /// let decoded = codec.decode_batch(&prefixes, &DecodeOptions::default())?;
    /// let sizes: Vec<_> = decoded.iter().map(|picture| picture.dimensions()).collect();
    /// assert_eq!(sizes, [(320, 240), (100, 150), (100, 150)]);
    /// # }
    /// # Ok::<(), flextok::Error>(())
    /// ```
    pub fn decode_batch(
        &self,
        files: &[impl AsRef<[u8]>],
        options: &DecodeOptions,
    ) -> Result<Vec<RgbImage>, Error> {
        let files = each(files, |bytes| {
            let file = self.parse(bytes.as_ref())?;
            self.check_file(&file, options)?;
            Ok(file)
        })?;
        match &self.family {
            Family::Ids(ids) => ids.decode_files(&files, options),
            Family::Coded(coded) => each(&files, |file| coded.decode_file(file, options)),
        }
    }

    /// [`Codec::decode`] of a file that has been parsed already.
    ///
    /// # Errors
    /// As [`Codec::decode`].
    pub fn decode_file(
        &self,
        file: &TokenFile,
        options: &DecodeOptions,
    ) -> Result<RgbImage, Error> {
        self.check_file(file, options)?;
        match &self.family {
            Family::Ids(ids) => ids.decode_file(file, options),
            Family::Coded(coded) => coded.decode_file(file, options),
        }
    }

    /// The float canvas `[H, W, 3]`, nominally in [-1, 1], of a parsed file; `keep_canvas` has no meaning here.
    ///
    /// # Errors
    /// As [`Codec::decode`].
    pub fn decode_canvas(
        &self,
        file: &TokenFile,
        options: &DecodeOptions,
    ) -> Result<Canvas, Error> {
        self.check_file(file, options)?;
        match &self.family {
            Family::Ids(ids) => ids.decode_canvas(file, options),
            Family::Coded(coded) => coded.decode_canvas(file, options),
        }
    }

    /// The picture, of the canvas's size, that bare tokens describe: any number from one to the model's registers.
    ///
    /// # Errors
    /// [`Error::Tokens`] for an id beyond the codebook or too many ids, and as [`Codec::decode`].
    pub fn detokenize(&self, ids: &[u16], options: &DecodeOptions) -> Result<RgbImage, Error> {
        self.ids()?.detokenize(ids, options)
    }

    /// The pictures that many lists of tokens describe, each as [`Codec::detokenize`] gives it; the lists may be of
    /// different lengths. See [`Codec::decode_batch`] for what goes through the network together.
    ///
    /// # Errors
    /// [`Error::InBatch`] with the index of the first list that is refused, before any is decoded, and an error of
    /// [`Codec::detokenize`] in it; as [`Codec::detokenize`] for what concerns all lists.
    ///
    /// ```no_run
    /// use flextok::{Codec, DecodeOptions};
    ///
    /// let codec = Codec::open("model.safetensors")?;
    /// let pictures = codec.detokenize_batch(&[vec![7, 8, 9], vec![7]], &DecodeOptions::default())?;
    /// assert_eq!(pictures[1], codec.detokenize(&[7], &DecodeOptions::default())?);
    /// # Ok::<(), flextok::Error>(())
    /// ```
    pub fn detokenize_batch(
        &self,
        ids: &[impl AsRef<[u16]>],
        options: &DecodeOptions,
    ) -> Result<Vec<RgbImage>, Error> {
        self.ids()?.detokenize_batch(ids, options)
    }

    /// The float canvas `[H, W, 3]`, nominally in [-1, 1], that bare tokens describe.
    ///
    /// # Errors
    /// As [`Codec::detokenize`].
    pub fn detokenize_canvas(
        &self,
        ids: &[u16],
        canvas: Option<Size>,
        options: &DecodeOptions,
    ) -> Result<Canvas, Error> {
        self.ids()?.detokenize_canvas(ids, canvas, options)
    }

    /// Decodes a file as [`Codec::decode_file`] does and keeps the latents; `from` may be those of an earlier decode,
    /// usually of fewer tokens of the same file.
    ///
    /// A warm start takes about `time` of the options' steps, at least one. It is quicker, not better: see
    /// [`progressive`](crate::progressive) for measurements. Without one the picture is that of [`Codec::decode_file`],
    /// byte for byte.
    ///
    /// # Errors
    /// As [`Codec::decode_file`]; [`Error::Option`] for a time outside ]0, 1] and for latents of another model or canvas;
    /// [`Error::NoTokenIds`] for a model with a coded payload.
    ///
    /// ```no_run
    /// use flextok::{Codec, DecodeOptions, EncodeOptions, WarmStart, image};
    ///
    /// let codec = Codec::open("model.safetensors")?;
    /// let picture = image::DynamicImage::new_rgb8(64, 48);
    /// let file = codec.encode_file(&picture, &EncodeOptions::default().with_tokens(8))?;
    /// let coarse = DecodeOptions::default().with_tokens(2);
    /// let (_, latents) = codec.refine(&file, None, &coarse)?;
    /// let start = WarmStart::new(&latents, 0.5);
    /// let (fine, _) = codec.refine(&file, Some(start), &DecodeOptions::default())?;
    /// assert_eq!(fine.dimensions(), (64, 48));
    /// # Ok::<(), flextok::Error>(())
    /// ```
    pub fn refine(
        &self,
        file: &TokenFile,
        from: Option<WarmStart<'_>>,
        options: &DecodeOptions,
    ) -> Result<(RgbImage, Latents), Error> {
        let ids = self.ids()?;
        self.check_file(file, options)?;
        ids.refine(file, from, options)
    }

    /// Checks from the header alone whether a file can be decoded, before any payload has arrived.
    ///
    /// # Errors
    /// As [`Codec::decode`]: [`Error::WrongModel`], [`Error::Grid`], [`Error::Limit`] …
    pub fn check_header(&self, header: &Header, options: &DecodeOptions) -> Result<(), Error> {
        if !options.keep_canvas {
            let size = header.size();
            self.limits
                .check_size(size.width.into(), size.height.into())?;
        }
        let (expected, found) = (ModelName::of(header), self.name());
        if expected != found {
            return Err(Error::WrongModel { expected, found });
        }
        match &self.family {
            Family::Ids(ids) => ids.check_header(header, options),
            Family::Coded(coded) => coded.check_header(header, options),
        }
    }

    /// Checks all about the options that does not depend on a file, before any is decoded.
    ///
    /// # Errors
    /// [`Error::Option`] or [`Error::Limit`], as [`Codec::decode`] has them.
    pub fn check_options(&self, options: &DecodeOptions) -> Result<(), Error> {
        match &self.family {
            Family::Ids(ids) => ids.check_options(options),
            Family::Coded(coded) => coded.check_options(options),
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<TokenFile, Error> {
        Ok(TokenFile::parse_with(bytes, &self.limits.container)?)
    }

    /// Checks that a file can be decoded, and that it has something to decode.
    pub(crate) fn check_file(
        &self,
        file: &TokenFile,
        options: &DecodeOptions,
    ) -> Result<(), Error> {
        self.check_header(file.header(), options)?;
        if (file.payload().len() as u64) < file.header().unit() {
            return Err(no_payload(file.header(), file.payload().len() as u64));
        }
        Ok(())
    }
}

/// The error for a file that has only `have` bytes of payload, less than the first picture takes.
pub(crate) fn no_payload(header: &Header, have: u64) -> Error {
    Error::NoPayload {
        have,
        total: header.payload_bytes(),
        needed: header.layout().payload_end(header.unit()).unwrap_or(0),
    }
}
