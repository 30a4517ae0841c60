//! Pictures to tokens, and tokens to files.

use std::borrow::Borrow;

use flextok_container::{CanvasGrid, Header, Ids, Metadata, TokenFile};
use image::DynamicImage;

use super::{EncodeOptions, IdsCodec, each, only};
use crate::Size;
use crate::codec::Budget;
use crate::error::{Error, OptionName, TokenBound};
use crate::picture::Canvas;

/// A picture's tokens, the size that a decoder restores, and the canvas's.
pub(super) struct Tokenized {
    pub(super) ids: Vec<u16>,
    pub(super) size: Size,
    pub(super) canvas: Size,
}

impl IdsCodec {
    pub(in crate::codec) fn encode_file(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
    ) -> Result<TokenFile, Error> {
        self.file(self.tokenize_picture(image, options)?, options)
    }

    pub(in crate::codec) fn encode_files(
        &self,
        images: &[impl Borrow<DynamicImage>],
        options: &EncodeOptions,
    ) -> Result<Vec<TokenFile>, Error> {
        each(self.tokenize_pictures(images, options)?, |tokenized| {
            self.file(tokenized, options)
        })
    }

    pub(in crate::codec) fn tokenize(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
    ) -> Result<Vec<u16>, Error> {
        Ok(self.tokenize_picture(image, options)?.ids)
    }

    pub(in crate::codec) fn tokenize_batch(
        &self,
        images: &[impl Borrow<DynamicImage>],
        options: &EncodeOptions,
    ) -> Result<Vec<Vec<u16>>, Error> {
        let tokenized = self.tokenize_pictures(images, options)?;
        Ok(tokenized.into_iter().map(|one| one.ids).collect())
    }

    pub(in crate::codec) fn tokenize_canvas(
        &self,
        canvas: &Canvas,
        tokens: u32,
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
    pub(super) fn tokenize_canvases(
        &self,
        canvases: &[Canvas],
        tokens: u32,
        posterior_seed: Option<u64>,
    ) -> Result<Vec<Vec<u16>>, Error> {
        let noise = posterior_seed
            .zip(canvases.first())
            .map(|(seed, canvas)| self.noise(seed, self.latents(canvas.size)))
            .transpose()?;
        self.engine
            .tokenize(canvases, tokens as usize, noise.as_deref())
    }

    pub(in crate::codec) fn pack<C: AsRef<[u16]>>(
        &self,
        canvases: &[C],
        size: Size,
        canvas: Option<Size>,
        grid: CanvasGrid,
        metadata: Metadata,
    ) -> Result<TokenFile, Error> {
        let canvas = self.check_canvas(canvas)?;
        for ids in canvases {
            self.check_ids(ids.as_ref())?;
        }
        let tokens = canvases.first().map_or(0, |ids| ids.as_ref().len());
        let tokens = self.check_tokens(u32::try_from(tokens).unwrap_or(u32::MAX))?;
        let header = self.header(size, tokens, canvas, grid)?;
        Ok(TokenFile::from_canvases(header, canvases, metadata)?)
    }

    /// The most tokens that the model makes of a canvas.
    pub(in crate::codec) fn max_tokens(&self) -> u32 {
        u32::try_from(self.config().registers).unwrap_or(u32::MAX)
    }

    pub(super) fn check_tokens(&self, tokens: u32) -> Result<u32, Error> {
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

    fn header(
        &self,
        size: Size,
        tokens: u32,
        canvas: Size,
        grid: CanvasGrid,
    ) -> Result<Header, Error> {
        let mut ids = Ids::new(self.fingerprint(), tokens, self.config().codebook_size());
        ids.grid = grid;
        if canvas != self.config().canvas {
            let multiple = self.config().canvas_multiple();
            ids.canvas = Some(CanvasGrid {
                columns: canvas.width / multiple,
                rows: canvas.height / multiple,
            });
        }
        Ok(Header::ids(size, ids)?)
    }

    /// The file of a picture's tokens.
    fn file(&self, tokenized: Tokenized, options: &EncodeOptions) -> Result<TokenFile, Error> {
        let Tokenized { ids, size, canvas } = tokenized;
        let tokens = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let header = self.header(size, tokens, canvas, CanvasGrid::SINGLE)?;
        Ok(TokenFile::of_ids(header, &ids, options.metadata.clone())?)
    }

    fn tokenize_picture(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
    ) -> Result<Tokenized, Error> {
        let canvas = self.canvas_of(options.canvas)?;
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
        let canvas = self.canvas_of(options.canvas)?;
        let tokens = each(images, |image| self.tokens(image.borrow(), options, canvas))?;
        self.tokenize_checked(images, &tokens, options, canvas)
    }

    /// As many tokens of each picture as `tokens` says, and what a file says about them. Everything that can be refused
    /// has been, before any picture is worked on.
    fn tokenize_checked(
        &self,
        images: &[impl Borrow<DynamicImage>],
        tokens: &[u32],
        options: &EncodeOptions,
        canvas: Size,
    ) -> Result<Vec<Tokenized>, Error> {
        let most = self.images_per_pass(canvas);
        let mut all = Vec::with_capacity(images.len());
        for (images, tokens) in images.chunks(most).zip(tokens.chunks(most)) {
            let each = images.iter().zip(tokens);
            let prepared = each.map(|(image, &tokens)| {
                self.prepare_checked(image.borrow(), tokens, options, canvas)
            });
            let prepared: Vec<_> = prepared.collect::<Result<_, Error>>()?;
            all.extend(self.pass(&prepared, options.posterior_seed)?);
        }
        Ok(all)
    }

    /// The number of tokens that the budget allows.
    pub(super) fn tokens(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
        canvas: Size,
    ) -> Result<u32, Error> {
        if let Some(bytes) = options.cut_at {
            let allowed = "models whose canvas depends on the bytes; leave it out";
            return Err(OptionName::CutAt.refuse(bytes, allowed));
        }
        match options.budget {
            Budget::Model => Ok(self.max_tokens()),
            Budget::Tokens(tokens) => self.check_tokens(tokens),
            Budget::Bytes(bytes) => {
                // The header of the whole picture is at least as long as that of a part which a crop keeps.
                let size = Size::new(image.width(), image.height());
                let size = options.original_size.unwrap_or(size);
                let header = self.header(size, self.max_tokens(), canvas, CanvasGrid::SINGLE)?;
                let payload = header.payload_within(bytes, options.metadata.byte_len())?;
                Ok(header.layers_in(payload))
            }
        }
    }
}
