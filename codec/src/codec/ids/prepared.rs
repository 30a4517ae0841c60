//! A picture that is ready for the network: small, whatever the size of the original.

use image::{DynamicImage, RgbImage};

use super::encode::Tokenized;
use super::{EncodeOptions, IdsCodec, each};
use crate::Size;
use crate::error::Error;
use crate::picture::{self, Canvas, Cropped};

/// A picture resized to the canvas of a network, of which [`Codec::tokenize_prepared`](crate::Codec::tokenize_prepared)
/// makes tokens: 3 bytes for each pixel of the canvas.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// Of the size of the canvas.
    picture: RgbImage,
    size: Size,
    tokens: u32,
}

impl Prepared {
    /// The size that a decoder restores, in pixels.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// The size of the canvas, in pixels.
    #[must_use]
    pub fn canvas(&self) -> Size {
        self.picture.dimensions().into()
    }

    /// The number of tokens that are made of it.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.tokens
    }
}

impl IdsCodec {
    pub(in crate::codec) fn prepare(
        &self,
        image: &DynamicImage,
        options: &EncodeOptions,
    ) -> Result<Prepared, Error> {
        let canvas = self.canvas_of(options.canvas)?;
        let tokens = self.tokens(image, options, canvas)?;
        self.prepare_checked(image, tokens, options, canvas)
    }

    /// The picture on its canvas. What can be refused has been.
    pub(super) fn prepare_checked(
        &self,
        image: &DynamicImage,
        tokens: u32,
        options: &EncodeOptions,
        canvas: Size,
    ) -> Result<Prepared, Error> {
        let background = options.background;
        let (picture, size) = if options.crop {
            let Cropped { picture, source } =
                picture::crop_image(image, background, canvas, &self.threads)?;
            (picture, Size::new(source.width, source.height))
        } else {
            let picture = picture::resize_image(image, background, canvas, &self.threads)?;
            (picture, Size::new(image.width(), image.height()))
        };
        Ok(Prepared {
            picture,
            size: options.original_size.unwrap_or(size),
            tokens,
        })
    }

    pub(in crate::codec) fn tokenize_prepared(
        &self,
        prepared: &[Prepared],
        posterior_seed: Option<u64>,
    ) -> Result<Vec<Vec<u16>>, Error> {
        // They may come from another codec.
        each(prepared, |one| {
            self.check_canvas(Some(one.canvas()))?;
            self.check_tokens(one.tokens)
        })?;
        let mut all = Vec::with_capacity(prepared.len());
        for group in prepared.chunk_by(|a, b| a.canvas() == b.canvas()) {
            let most = group
                .first()
                .map_or(1, |one| self.images_per_pass(one.canvas()));
            for pass in group.chunks(most) {
                all.extend(
                    self.pass(pass, posterior_seed)?
                        .into_iter()
                        .map(|one| one.ids),
                );
            }
        }
        Ok(all)
    }

    /// The tokens of pictures of one canvas, in one pass through the network.
    pub(super) fn pass(
        &self,
        prepared: &[Prepared],
        posterior_seed: Option<u64>,
    ) -> Result<Vec<Tokenized>, Error> {
        let canvases = prepared.iter().map(|one| Canvas::from_rgb(&one.picture));
        let canvases: Vec<Canvas> = canvases.collect::<Result<_, _>>()?;
        // Fewer tokens are the beginning of more, whatever the model's mask.
        let longest = prepared.iter().map(|one| one.tokens).max().unwrap_or(0);
        let ids = self.tokenize_canvases(&canvases, longest, posterior_seed)?;
        let each = ids.into_iter().zip(prepared).map(|(mut ids, one)| {
            ids.truncate(one.tokens as usize);
            Tokenized {
                ids,
                size: one.size,
                canvas: one.canvas(),
            }
        });
        Ok(each.collect())
    }
}
