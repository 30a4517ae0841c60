//! Pictures to tokens, and tokens to files.

use std::borrow::Borrow;

use flextok_container::{Header, Metadata, TokenFile};
use image::DynamicImage;

use super::batch::{each, only};
use super::{Budget, Codec, EncodeOptions, limit};
use crate::Size;
use crate::error::{Error, LimitKind, OptionName, TokenBound};
use crate::picture::{self, Canvas, Cropped};

/// A picture's tokens, the size that a decoder restores, and the canvas's.
struct Tokenized {
    ids: Vec<u16>,
    size: Size,
    canvas: Size,
}

impl Codec {
    /// Encodes a picture of any size as a complete `.flxt` file.
    ///
    /// The whole picture is resized to the model's canvas (its aspect is not kept, nothing is cropped) and its original
    /// size is stored, unless the options select the published centre crop; then the size of the cropped region is
    /// stored. [`EncodeOptions::original_size`] overrides both. A picture that has the canvas's size is not resampled.
    ///
    /// # Errors
    /// [`Error::Limit`] for a picture beyond the limits, [`Error::Option`] for a canvas or number of tokens that the model
    /// does not allow, [`Error::Container`] for a budget in bytes too small for one token.
    ///
    /// ```
    /// # #[cfg(feature = "embedded-model")] {
    /// use flextok::{Codec, DecodeOptions, EncodeOptions, image};
    ///
    /// let picture = image::DynamicImage::new_rgb8(320, 240);
    /// let codec = Codec::embedded()?;
    /// let file = codec.encode(&picture, &EncodeOptions::default())?;
    /// let prefix = &file[..64]; // any prefix that holds the header and a token is a coarser picture
    /// let decoded = codec.decode(prefix, &DecodeOptions::default())?;
    /// assert_eq!(decoded.dimensions(), (320, 240));
    /// # }
    /// # Ok::<(), flextok::Error>(())
    /// ```
    pub fn encode(&self, image: &DynamicImage, options: &EncodeOptions) -> Result<Vec<u8>, Error> {
        Ok(self.encode_file(image, options)?.to_bytes()?)
    }

    /// [`Codec::encode`] for callers that process the file further: cut, decode or inspect it.
    ///
    /// # Errors
    /// As [`Codec::encode`].
    pub fn encode_file(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
    ) -> Result<TokenFile, Error> {
        self.file(self.tokenize_picture(image, options)?, options)
    }

    /// Encodes many pictures with the same options, each as [`Codec::encode`] does, but several at once.
    ///
    /// The pictures may be of different sizes. At most [`Codec::IMAGES_PER_PASS`] are prepared and go through the network
    /// together. On the CPU a file is the same, byte for byte, whichever pictures are encoded with it.
    ///
    /// # Errors
    /// [`Error::InBatch`] with the index of the first picture that is refused, and an error of [`Codec::encode`] in it; as
    /// [`Codec::encode`] for what concerns all pictures.
    ///
    /// ```
    /// # #[cfg(feature = "embedded-model")] {
    /// use flextok::{Codec, EncodeOptions, image};
    ///
    /// let codec = Codec::embedded()?;
    /// let pictures = [(320, 240), (100, 150)].map(|(width, height)| {
    ///     image::DynamicImage::new_rgb8(width, height)
    /// });
    /// let options = EncodeOptions::default().with_tokens(16);
    /// let files: Vec<Vec<u8>> = codec.encode_batch(&pictures, &options)?;
    /// assert_eq!(files[1], codec.encode(&pictures[1], &options)?);
    /// # }
    /// # Ok::<(), flextok::Error>(())
    /// ```
    pub fn encode_batch(
        &self,
        images: &[impl Borrow<DynamicImage>],
        options: &EncodeOptions,
    ) -> Result<Vec<Vec<u8>>, Error> {
        each(self.tokenize_pictures(images, options)?, |tokenized| {
            Ok(self.file(tokenized, options)?.to_bytes()?)
        })
    }

    /// The tokens of a picture, coarse to fine, for those who work on tokens; see [`Codec::encode`] for the preparation.
    ///
    /// # Errors
    /// As [`Codec::encode`]; a budget in bytes counts the file that [`Codec::encode`] would write.
    pub fn tokenize(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
    ) -> Result<Vec<u16>, Error> {
        Ok(self.tokenize_picture(image, options)?.ids)
    }

    /// The tokens of many pictures, each as [`Codec::tokenize`] gives them; see [`Codec::encode_batch`] for what goes
    /// through the network together.
    ///
    /// # Errors
    /// As [`Codec::encode_batch`].
    pub fn tokenize_batch(
        &self,
        images: &[impl Borrow<DynamicImage>],
        options: &EncodeOptions,
    ) -> Result<Vec<Vec<u16>>, Error> {
        let tokenized = self.tokenize_pictures(images, options)?;
        Ok(tokenized.into_iter().map(|one| one.ids).collect())
    }

    /// The first `tokens` tokens of a float canvas `[H, W, 3]` in [-1, 1].
    ///
    /// `posterior_seed` samples the VAE's posterior instead of taking its mode.
    ///
    /// # Errors
    /// [`Error::Option`] for a canvas size or number of tokens that the model does not allow.
    pub fn tokenize_canvas(
        &self,
        canvas: &Canvas,
        tokens: u16,
        posterior_seed: Option<u64>,
    ) -> Result<Vec<u16>, Error> {
        let tokens = self.check_tokens(tokens)?;
        let size = self.check_canvas(Some(canvas.size))?;
        let values = 3 * size.area() as usize;
        if canvas.data.len() != values {
            return Err(OptionName::Canvas.refuse(
                format!("of {} values", canvas.data.len()),
                format!("{}×{}×3 = {values} values", size.height, size.width),
            ));
        }
        let canvases = std::slice::from_ref(canvas);
        Ok(only(self.tokenize_canvases(
            canvases,
            tokens,
            posterior_seed,
        )?))
    }

    /// The first `tokens` tokens of canvases of one size.
    fn tokenize_canvases(
        &self,
        canvases: &[Canvas],
        tokens: u16,
        posterior_seed: Option<u64>,
    ) -> Result<Vec<Vec<u16>>, Error> {
        let noise = posterior_seed
            .zip(canvases.first())
            .map(|(seed, canvas)| self.noise(seed, self.latents(canvas.size)));
        self.engine
            .tokenize(canvases, tokens.into(), noise.as_deref())
    }

    /// A file of given tokens: one list for each canvas of `grid`, whose width and height count canvases, row by row.
    ///
    /// `size` is what a decoder restores, in pixels; `canvas` is the canvas in pixels if it is not the model's own.
    ///
    /// # Errors
    /// [`Error::Tokens`] for an id beyond the codebook or for more ids than the model has registers, [`Error::Container`]
    /// for lists of unequal length or a size that the format cannot store.
    pub fn pack<C: AsRef<[u16]>>(
        &self,
        canvases: &[C],
        size: Size,
        canvas: Option<Size>,
        grid: Size,
        metadata: Metadata,
    ) -> Result<TokenFile, Error> {
        let canvas = self.check_canvas(canvas)?;
        for ids in canvases {
            self.check_ids(ids.as_ref())?;
        }
        let tokens = canvases.first().map_or(0, |ids| ids.as_ref().len());
        let tokens = self.check_tokens(u16::try_from(tokens).unwrap_or(u16::MAX))?;
        let header = self
            .header(size, tokens, canvas)?
            .with_grid(grid.width, grid.height)?;
        Ok(TokenFile::from_canvases(header, canvases, metadata)?)
    }

    /// The most tokens that the model makes of a canvas.
    #[must_use]
    pub fn max_tokens(&self) -> u16 {
        u16::try_from(self.config().registers).unwrap_or(u16::MAX)
    }

    pub(super) fn check_tokens(&self, tokens: u16) -> Result<u16, Error> {
        if tokens == 0 || tokens > self.max_tokens() {
            let allowed = format!("1 to {}", self.max_tokens());
            return Err(OptionName::Tokens.refuse(tokens, allowed));
        }
        Ok(tokens)
    }

    pub(super) fn check_ids(&self, ids: &[u16]) -> Result<(), Error> {
        let registers = u64::from(self.max_tokens());
        if ids.len() as u64 > registers {
            return Err(Error::Tokens {
                what: TokenBound::Count,
                actual: ids.len() as u64,
                allowed: registers,
            });
        }
        let largest = self.config().codebook_size() - 1;
        match ids.iter().find(|&&id| u32::from(id) > largest) {
            Some(&id) => Err(Error::Tokens {
                what: TokenBound::Id,
                actual: id.into(),
                allowed: largest.into(),
            }),
            None => Ok(()),
        }
    }

    fn header(&self, size: Size, tokens: u16, canvas: Size) -> Result<Header, Error> {
        let header = Header::new(
            self.fingerprint(),
            size.width,
            size.height,
            tokens,
            self.config().codebook_size(),
        )?;
        if canvas == self.config().canvas {
            return Ok(header);
        }
        let multiple = self.config().canvas_multiple();
        let patches = |side: u32| u16::try_from(side / multiple).unwrap_or(u16::MAX);
        Ok(header.with_canvas(Some((patches(canvas.width), patches(canvas.height))))?)
    }

    /// The file of a picture's tokens.
    fn file(&self, tokenized: Tokenized, options: &EncodeOptions) -> Result<TokenFile, Error> {
        let Tokenized { ids, size, canvas } = tokenized;
        let tokens = u16::try_from(ids.len()).unwrap_or(u16::MAX);
        let header = self.header(size, tokens, canvas)?;
        Ok(TokenFile::new(header, ids, options.metadata.clone())?)
    }

    fn tokenize_picture(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
    ) -> Result<Tokenized, Error> {
        let canvas = self.check_canvas(options.canvas)?;
        let tokens = self.tokens(image, options, canvas)?;
        Ok(only(self.tokenize_checked(
            &[image],
            &[tokens],
            options,
            canvas,
        )?))
    }

    fn tokenize_pictures(
        &self,
        images: &[impl Borrow<DynamicImage>],
        options: &EncodeOptions,
    ) -> Result<Vec<Tokenized>, Error> {
        let canvas = self.check_canvas(options.canvas)?;
        let tokens = each(images, |image| self.tokens(image.borrow(), options, canvas))?;
        self.tokenize_checked(images, &tokens, options, canvas)
    }

    /// As many tokens of each picture as `tokens` says, and what a file says about them. Everything that can be refused
    /// has been, before any picture is worked on.
    fn tokenize_checked(
        &self,
        images: &[impl Borrow<DynamicImage>],
        tokens: &[u16],
        options: &EncodeOptions,
        canvas: Size,
    ) -> Result<Vec<Tokenized>, Error> {
        let most = self.images_per_pass(canvas);
        let mut all = Vec::with_capacity(images.len());
        for (images, tokens) in images.chunks(most).zip(tokens.chunks(most)) {
            let prepared = images
                .iter()
                .map(|image| self.prepare(image.borrow(), options, canvas));
            let prepared: Vec<_> = prepared.collect::<Result<_, Error>>()?;
            let (canvases, sizes): (Vec<Canvas>, Vec<Size>) = prepared.into_iter().unzip();
            // Fewer tokens are the beginning of more, whatever the model's mask.
            let longest = tokens.iter().copied().max().unwrap_or(0);
            let ids = self.tokenize_canvases(&canvases, longest, options.posterior_seed)?;
            for ((mut ids, &tokens), size) in ids.into_iter().zip(tokens).zip(sizes) {
                ids.truncate(tokens.into());
                all.push(Tokenized { ids, size, canvas });
            }
        }
        Ok(all)
    }

    /// Checks a picture and returns the number of tokens that the budget allows.
    fn tokens(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
        canvas: Size,
    ) -> Result<u16, Error> {
        let size = Size::new(image.width(), image.height());
        self.check_picture(size)?;
        match options.budget {
            Budget::Full => Ok(self.max_tokens()),
            Budget::Tokens(tokens) => self.check_tokens(tokens),
            Budget::Bytes(bytes) => {
                // The header of the whole picture is at least as long as that of a part which a crop keeps.
                let size = options.original_size.unwrap_or(size);
                let header = self.header(size, self.max_tokens(), canvas)?;
                Ok(header.tokens_within(bytes, options.metadata.byte_len())?)
            }
        }
    }

    fn check_picture(&self, size: Size) -> Result<(), Error> {
        if size.area() == 0 {
            let value = format!("of {size} pixels");
            return Err(OptionName::Picture.refuse(value, "1x1 pixels and more"));
        }
        limit(
            LimitKind::Side,
            size.width.max(size.height).into(),
            self.limits.side.into(),
        )?;
        limit(LimitKind::Pixels, size.area(), self.limits.pixels)?;
        Ok(())
    }

    /// The picture on its canvas, and the size that a decoder restores.
    fn prepare(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
        canvas: Size,
    ) -> Result<(Canvas, Size), Error> {
        let background = options.background;
        let (picture, size) = if options.crop {
            let Cropped { picture, source } =
                picture::crop_image(image, background, canvas, &self.threads)?;
            (picture, Size::new(source.width, source.height))
        } else {
            let picture = picture::resize_image(image, background, canvas, &self.threads)?;
            (picture, Size::new(image.width(), image.height()))
        };
        Ok((
            Canvas::from_rgb(&picture),
            options.original_size.unwrap_or(size),
        ))
    }
}
