//! Files and tokens to pictures.

use flextok_container::{Header, State, TokenFile};
use image::RgbImage;

use super::batch::{Request, each, only};
use super::{Codec, DecodeOptions, limit};
use crate::Size;
use crate::error::{Error, LimitKind, OptionName};
use crate::picture::Canvas;
use crate::sampler::{Guidance, Settings};

impl Codec {
    /// Decodes a `.flxt` file, whole or cut, to a picture of its original size.
    ///
    /// # Errors
    /// [`Error::Container`] for bytes that are damaged or not a token file, [`Error::NoTokens`] for a file that was cut
    /// before its first token, [`Error::WrongModel`] for a file of another model, [`Error::Limit`] for a size beyond
    /// the limits, [`Error::Option`] for options the model does not allow, [`Error::Cancelled`] if the options' token
    /// was cancelled, [`Error::Compute`] if the engine fails.
    pub fn decode(&self, bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, Error> {
        let request = self.request_of_bytes(bytes, options)?;
        Ok(only(self.pictures(&[request], options)?))
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
    /// let prefixes = [&files[0][..64], &files[1][..], &files[1][..33]];
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
        let requests = each(files, |bytes| {
            self.request_of_bytes(bytes.as_ref(), options)
        })?;
        self.pictures(&requests, options)
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
        let request = self.request_of_picture(file, options)?;
        Ok(only(self.pictures(&[request], options)?))
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
        let request = self.request_of_file(file, options)?;
        self.canvas(request, options)
    }

    /// The picture, of the canvas's size, that bare tokens describe: any number from one to the model's registers.
    ///
    /// # Errors
    /// [`Error::Tokens`] for an id beyond the codebook or too many ids, and as [`Codec::decode`].
    pub fn detokenize(&self, ids: &[u16], options: &DecodeOptions) -> Result<RgbImage, Error> {
        let request = self.request_of_prefix(ids, options)?;
        Ok(only(self.pictures(&[request], options)?))
    }

    /// The pictures that many lists of tokens describe, each as [`Codec::detokenize`] gives it; the lists may be of
    /// different lengths. See [`Codec::decode_batch`] for what goes through the network together.
    ///
    /// # Errors
    /// [`Error::InBatch`] with the index of the first list that is refused, before any is decoded, and an error of
    /// [`Codec::detokenize`] in it; as [`Codec::detokenize`] for what concerns all lists.
    ///
    /// ```
    /// # #[cfg(feature = "embedded-model")] {
    /// use flextok::{Codec, DecodeOptions};
    ///
    /// let codec = Codec::embedded()?;
    /// let pictures = codec.detokenize_batch(&[vec![7, 8, 9], vec![7]], &DecodeOptions::default())?;
    /// assert_eq!(pictures[1], codec.detokenize(&[7], &DecodeOptions::default())?);
    /// # }
    /// # Ok::<(), flextok::Error>(())
    /// ```
    pub fn detokenize_batch(
        &self,
        ids: &[impl AsRef<[u16]>],
        options: &DecodeOptions,
    ) -> Result<Vec<RgbImage>, Error> {
        let requests = each(ids, |ids| self.request_of_prefix(ids.as_ref(), options))?;
        self.pictures(&requests, options)
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
        let request = self.request_of_ids(ids, canvas, options)?;
        self.canvas(request, options)
    }

    fn pictures(
        &self,
        requests: &[Request],
        options: &DecodeOptions,
    ) -> Result<Vec<RgbImage>, Error> {
        let pictures = self.run(requests, options, |request, canvas| {
            request.picture(&canvas, &self.threads)
        })?;
        pictures.into_iter().collect()
    }

    fn canvas(&self, request: Request, options: &DecodeOptions) -> Result<Canvas, Error> {
        Ok(only(self.run(&[request], options, |_, canvas| canvas)?))
    }

    fn request_of_bytes(&self, bytes: &[u8], options: &DecodeOptions) -> Result<Request, Error> {
        let file = TokenFile::parse_with(bytes, &self.limits.container)?;
        self.request_of_picture(&file, options)
    }

    /// A file's picture, in the size that the options select.
    pub(super) fn request_of_picture(
        &self,
        file: &TokenFile,
        options: &DecodeOptions,
    ) -> Result<Request, Error> {
        if options.keep_canvas {
            return self.request_of_file(file, options);
        }
        self.check_size(file.header())?;
        let request = self.request_of_file(file, options)?;
        Ok(Request {
            size: Some(size_of(file.header())),
            ..request
        })
    }

    /// Checks from the header alone whether a file can be decoded, before any token has arrived.
    ///
    /// # Errors
    /// As [`Codec::decode`]: [`Error::WrongModel`], [`Error::Grid`], [`Error::Limit`] …
    pub fn check_header(&self, header: &Header, options: &DecodeOptions) -> Result<(), Error> {
        if !options.keep_canvas {
            self.check_size(header)?;
        }
        self.check_model(header)?;
        let canvas = self.check_canvas(self.file_canvas(header)?)?;
        self.check_noise(options, canvas)
    }

    /// Everything about the options that does not depend on a file.
    pub(crate) fn check_options(&self, options: &DecodeOptions) -> Result<(), Error> {
        self.settings(options)?;
        self.wanted(options)?;
        Ok(())
    }

    /// Checks the picture size that a file declares.
    fn check_size(&self, header: &Header) -> Result<(), Error> {
        let size = size_of(header);
        limit(LimitKind::Pixels, size.area(), self.limits.pixels)?;
        let side = size.width.max(size.height);
        limit(LimitKind::Side, side.into(), self.limits.side.into())
    }

    /// Checks that a file is of this model, and of a kind that can be decoded.
    fn check_model(&self, header: &Header) -> Result<(), Error> {
        if header.fingerprint() != self.fingerprint() {
            return Err(Error::WrongModel {
                expected: header.fingerprint(),
                found: self.fingerprint(),
            });
        }
        if header.codebook_size() != self.config().codebook_size() {
            let (found, expected) = (header.codebook_size(), self.config().codebook_size());
            return Err(Error::Codebook { found, expected });
        }
        if header.canvases() != 1 {
            let (columns, rows) = header.grid();
            return Err(Error::Grid { columns, rows });
        }
        Ok(())
    }

    /// A file's canvas.
    fn request_of_file(&self, file: &TokenFile, options: &DecodeOptions) -> Result<Request, Error> {
        let header = file.header();
        self.check_model(header)?;
        if file.layers() == 0 {
            return Err(no_tokens(header, file.state()));
        }
        let tokens = self.wanted(options)?.unwrap_or(u16::MAX).min(file.layers());
        let ids: Vec<u16> = file.canvas_ids(0).take(tokens.into()).collect();
        if let Err(Error::Tokens {
            what,
            actual,
            allowed,
        }) = self.check_ids(&ids)
        {
            return Err(Error::FileTokens {
                what,
                actual,
                allowed,
            });
        }
        let canvas = self.file_canvas(header)?;
        self.request_of_ids(&ids, canvas, options)
    }

    /// The canvas in pixels that a file declares, if it is not the model's own.
    fn file_canvas(&self, header: &Header) -> Result<Option<Size>, Error> {
        let multiple = self.config().canvas_multiple();
        let Some((columns, rows)) = header.canvas() else {
            return Ok(None);
        };
        let canvas = Size::new(u32::from(columns) * multiple, u32::from(rows) * multiple);
        self.config()
            .check_canvas(canvas)
            .map_err(|error| Error::FileCanvas {
                width: canvas.width,
                height: canvas.height,
                reason: error.to_string(),
            })?;
        Ok(Some(canvas))
    }

    /// As many of the ids as the options allow.
    fn request_of_prefix(&self, ids: &[u16], options: &DecodeOptions) -> Result<Request, Error> {
        let wanted = self.wanted(options)?;
        let count = ids.len().min(wanted.map_or(usize::MAX, usize::from));
        self.request_of_ids(&ids[..count], options.canvas, options)
    }

    /// Ids on a canvas; everything that is not for [`Codec::settings`] to check is checked here.
    fn request_of_ids(
        &self,
        ids: &[u16],
        canvas: Option<Size>,
        options: &DecodeOptions,
    ) -> Result<Request, Error> {
        if ids.is_empty() {
            self.check_tokens(0)?;
        }
        self.check_ids(ids)?;
        let canvas = self.check_canvas(canvas)?;
        self.check_noise(options, canvas)?;
        Ok(Request {
            ids: ids.to_vec(),
            canvas,
            size: None,
        })
    }

    /// The number of tokens that the options allow.
    fn wanted(&self, options: &DecodeOptions) -> Result<Option<u16>, Error> {
        options
            .tokens
            .map(|tokens| self.check_tokens(tokens))
            .transpose()
    }

    /// Steps and guidance: what the options say, else the model's config.
    pub(super) fn settings(&self, options: &DecodeOptions) -> Result<Settings, Error> {
        let defaults = &self.config().sampling;
        let steps = options.steps.unwrap_or(defaults.steps);
        if steps == 0 {
            let allowed = format!("1 to {}", self.limits.steps);
            return Err(OptionName::Steps.refuse(steps, allowed));
        }
        limit(LimitKind::Steps, steps.into(), self.limits.steps.into())?;
        let scale = options.guidance.unwrap_or(defaults.guidance);
        if !scale.is_finite() || scale.abs() > MAX_GUIDANCE {
            let allowed = format!("-{MAX_GUIDANCE} to {MAX_GUIDANCE}");
            return Err(OptionName::Guidance.refuse(scale, allowed));
        }
        let guidance = match options.apg.unwrap_or(defaults.apg) {
            _ if scale == 1.0 => Guidance::None,
            true => Guidance::Apg(scale),
            false => Guidance::Cfg(scale),
        };
        Ok(Settings {
            steps,
            guidance,
            start: 1.0,
        })
    }
}

/// The picture size that a file declares.
fn size_of(header: &Header) -> Size {
    Size::new(header.width(), header.height())
}

/// The error for a file without a complete layer.
pub(crate) fn no_tokens(header: &Header, state: State) -> Error {
    let (have, total) = match state {
        State::Truncated { have, total } => (have, total),
        State::Complete => (0, header.total_tokens()),
    };
    Error::NoTokens {
        have,
        total,
        needed: header.layout().layer_end(1).unwrap_or(0),
    }
}

/// Largest magnitude of a guidance scale: far beyond any use, far from overflowing.
const MAX_GUIDANCE: f32 = 1000.0;
