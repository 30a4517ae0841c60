//! Pictures to files, and to token ids where the model has them: the door to both families.

use std::borrow::Borrow;

use flextok_container::{CanvasGrid, Metadata, TokenFile};
use image::DynamicImage;

use super::ids::each;
use super::{Codec, EncodeOptions, Family, Prepared};
use crate::Size;
use crate::error::{Error, OptionName};
use crate::picture::Canvas;

impl Codec {
    /// Encodes a picture of any size as a complete `.flxt` file.
    ///
    /// A network resizes the whole picture to its canvas (its aspect is not kept, nothing is cropped), unless the options
    /// select the published centre crop. A model with a coded payload keeps the aspect; the fewer bytes, the smaller its
    /// canvas. The file names the size that a decoder restores: the picture's own, or that of the region which a crop keeps;
    /// [`EncodeOptions::original_size`] overrides both.
    ///
    /// # Errors
    /// [`Error::Limit`] for a picture beyond the limits, [`Error::Option`] for options that the model has no use for and for
    /// values that it does not allow, [`Error::Container`] for a budget in bytes too small for any payload.
    ///
    /// ```
    /// # #[cfg(feature = "embedded-model")] {
    /// use flextok::{Codec, DecodeOptions, EncodeOptions, image};
    ///
    /// let picture = image::DynamicImage::new_rgb8(320, 240);
    /// let codec = Codec::embedded()?;
    /// let file = codec.encode(&picture, &EncodeOptions::default())?;
    /// let prefix = &file[..14]; // any prefix that holds the header and a byte of payload is a coarser picture
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
        self.check_picture(image)?;
        match &self.family {
            Family::Ids(ids) => ids.encode_file(image, options),
            Family::Coded(coded) => coded.encode_file(image, options),
        }
    }

    /// Encodes many pictures with the same options, each as [`Codec::encode`] does, but several at once.
    ///
    /// The pictures may be of different sizes. At most [`Codec::IMAGES_PER_PASS`] are prepared and go through a network
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
    /// let options = EncodeOptions::default().with_bytes(100);
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
        each(images, |image| self.check_picture(image.borrow()))?;
        match &self.family {
            Family::Ids(ids) => each(ids.encode_files(images, options)?, |file| {
                Ok(file.to_bytes()?)
            }),
            Family::Coded(_) => each(images, |image| self.encode(image.borrow(), options)),
        }
    }

    /// The tokens of a picture, coarse to fine, for those who work on tokens; see [`Codec::encode`] for the preparation.
    ///
    /// # Errors
    /// As [`Codec::encode`]; a budget in bytes counts the file that [`Codec::encode`] would write. [`Error::NoTokenIds`] for
    /// a model with a coded payload.
    pub fn tokenize(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
    ) -> Result<Vec<u16>, Error> {
        self.check_picture(image)?;
        self.ids()?.tokenize(image, options)
    }

    /// The tokens of many pictures, each as [`Codec::tokenize`] gives them; see [`Codec::encode_batch`] for what goes
    /// through the network together.
    ///
    /// # Errors
    /// As [`Codec::encode_batch`]; [`Error::NoTokenIds`] for a model with a coded payload.
    pub fn tokenize_batch(
        &self,
        images: &[impl Borrow<DynamicImage>],
        options: &EncodeOptions,
    ) -> Result<Vec<Vec<u16>>, Error> {
        each(images, |image| self.check_picture(image.borrow()))?;
        self.ids()?.tokenize_batch(images, options)
    }

    /// Shrinks a picture to the canvas of a network, as [`Codec::tokenize`] does first. What is left is small, so that a
    /// program can keep many of them where it could not keep the pictures.
    ///
    /// # Errors
    /// As [`Codec::tokenize`].
    pub fn prepare(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
    ) -> Result<Prepared, Error> {
        self.check_picture(image)?;
        self.ids()?.prepare(image, options)
    }

    /// The tokens of prepared pictures: those that [`Codec::tokenize`] gives each with the options it was prepared with. At
    /// most [`Codec::IMAGES_PER_PASS`] of one canvas that follow each other go through the network together.
    ///
    /// `posterior_seed` is that of [`EncodeOptions`].
    ///
    /// # Errors
    /// [`Error::InBatch`] for a picture whose canvas or number of tokens this model does not have; [`Error::NoTokenIds`] for
    /// a model with a coded payload.
    pub fn tokenize_prepared(
        &self,
        prepared: &[Prepared],
        posterior_seed: Option<u64>,
    ) -> Result<Vec<Vec<u16>>, Error> {
        self.ids()?.tokenize_prepared(prepared, posterior_seed)
    }

    /// The first `tokens` tokens of a float canvas `[H, W, 3]` in [-1, 1].
    ///
    /// `posterior_seed` samples the VAE's posterior instead of taking its mode.
    ///
    /// # Errors
    /// [`Error::Option`] for a canvas size or number of tokens that the model does not allow; [`Error::NoTokenIds`] for a
    /// model with a coded payload.
    pub fn tokenize_canvas(
        &self,
        canvas: &Canvas,
        tokens: u32,
        posterior_seed: Option<u64>,
    ) -> Result<Vec<u16>, Error> {
        self.ids()?.tokenize_canvas(canvas, tokens, posterior_seed)
    }

    /// A file of given tokens: one list for each canvas of `grid`, row by row.
    ///
    /// `size` is what a decoder restores, in pixels; `canvas` is the canvas in pixels if it is not the model's own.
    ///
    /// # Errors
    /// [`Error::Tokens`] for an id beyond the codebook or for more ids than the model has registers, [`Error::Container`]
    /// for lists of unequal length or a size that the format cannot store; [`Error::NoTokenIds`] for a model with a coded
    /// payload.
    pub fn pack<C: AsRef<[u16]>>(
        &self,
        canvases: &[C],
        size: Size,
        canvas: Option<Size>,
        grid: CanvasGrid,
        metadata: Metadata,
    ) -> Result<TokenFile, Error> {
        self.ids()?.pack(canvases, size, canvas, grid, metadata)
    }

    /// The most tokens that the model makes of a canvas; `None` of a model with a coded payload.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u32> {
        self.ids().ok().map(|ids| ids.max_tokens())
    }

    pub(crate) fn check_picture(&self, image: &DynamicImage) -> Result<(), Error> {
        let size = Size::new(image.width(), image.height());
        if size.area() == 0 {
            let value = format!("of {size} pixels");
            return Err(OptionName::Picture.refuse(value, "1x1 pixels and more"));
        }
        self.limits
            .check_size(size.width.into(), size.height.into())
    }
}
