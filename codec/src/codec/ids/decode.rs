//! Files and tokens to pictures.

use flextok_container::{CanvasGrid, Header, Ids, TokenFile};
use image::RgbImage;

use super::batch::{Request, each, only};
use super::{DecodeOptions, IdsCodec, limit};
use crate::Size;
use crate::codec::ModelName;
use crate::error::{Error, LimitKind, OptionName};
use crate::picture::Canvas;
use crate::sampler::{Guidance, Settings};

impl IdsCodec {
    pub(in crate::codec) fn decode_file(
        &self,
        file: &TokenFile,
        options: &DecodeOptions,
    ) -> Result<RgbImage, Error> {
        let request = self.request_of_picture(file, options)?;
        Ok(only(self.pictures(&[request], options)?))
    }

    pub(in crate::codec) fn decode_files(
        &self,
        files: &[TokenFile],
        options: &DecodeOptions,
    ) -> Result<Vec<RgbImage>, Error> {
        let requests = each(files, |file| self.request_of_picture(file, options))?;
        self.pictures(&requests, options)
    }

    pub(in crate::codec) fn decode_canvas(
        &self,
        file: &TokenFile,
        options: &DecodeOptions,
    ) -> Result<Canvas, Error> {
        let request = self.request_of_file(file, options)?;
        self.canvas(request, options)
    }

    pub(in crate::codec) fn detokenize_batch(
        &self,
        ids: &[impl AsRef<[u16]>],
        options: &DecodeOptions,
    ) -> Result<Vec<RgbImage>, Error> {
        let requests = each(ids, |ids| self.request_of_prefix(ids.as_ref(), options))?;
        self.pictures(&requests, options)
    }

    pub(in crate::codec) fn detokenize(
        &self,
        ids: &[u16],
        options: &DecodeOptions,
    ) -> Result<RgbImage, Error> {
        let request = self.request_of_prefix(ids, options)?;
        Ok(only(self.pictures(&[request], options)?))
    }

    pub(in crate::codec) fn detokenize_canvas(
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

    /// A file's picture, in the size that the options select.
    pub(super) fn request_of_picture(
        &self,
        file: &TokenFile,
        options: &DecodeOptions,
    ) -> Result<Request, Error> {
        let size = (!options.keep_canvas).then(|| file.header().size());
        let request = self.request_of_file(file, options)?;
        Ok(Request { size, ..request })
    }

    /// Checks whether a file of this model is of a kind that can be decoded.
    pub(in crate::codec) fn check_header(
        &self,
        header: &Header,
        options: &DecodeOptions,
    ) -> Result<(), Error> {
        let ids = ids_of(header, self)?;
        let (found, expected) = (ids.codebook_size, self.config().codebook_size());
        if found != expected {
            return Err(Error::Codebook { found, expected });
        }
        let CanvasGrid { columns, rows } = ids.grid;
        if ids.canvases() != 1 {
            return Err(Error::Grid { columns, rows });
        }
        let canvas = self.check_canvas(self.file_canvas(ids)?)?;
        self.check_noise(options, canvas)
    }

    /// Everything about the options that does not depend on a file.
    pub(in crate::codec) fn check_options(&self, options: &DecodeOptions) -> Result<(), Error> {
        self.settings(options)?;
        self.wanted(options)?;
        Ok(())
    }

    /// A file's canvas. The file has passed [`IdsCodec::check_header`].
    fn request_of_file(&self, file: &TokenFile, options: &DecodeOptions) -> Result<Request, Error> {
        let canvas = self.file_canvas(ids_of(file.header(), self)?)?;
        let tokens = self.wanted(options)?.unwrap_or(u32::MAX).min(file.layers());
        let ids: Vec<u16> = file.canvas_ids(0).take(tokens as usize).collect();
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
        self.request_of_ids(&ids, canvas, options)
    }

    /// The canvas in pixels that a file declares, if it is not the model's own.
    fn file_canvas(&self, ids: &Ids) -> Result<Option<Size>, Error> {
        let multiple = self.config().canvas_multiple();
        let Some(CanvasGrid { columns, rows }) = ids.canvas else {
            return Ok(None);
        };
        // At most 256 patches a side.
        let canvas = Size::new(columns * multiple, rows * multiple);
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
        let count = ids
            .len()
            .min(wanted.map_or(usize::MAX, |wanted| wanted as usize));
        self.request_of_ids(&ids[..count], options.canvas, options)
    }

    /// Ids on a canvas; everything that is not for [`IdsCodec::settings`] to check is checked here.
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
    fn wanted(&self, options: &DecodeOptions) -> Result<Option<u32>, Error> {
        options
            .tokens
            .map(|tokens| self.check_tokens(tokens))
            .transpose()
    }

    /// Steps and guidance: what the options say, else the model's config.
    pub(super) fn settings(&self, options: &DecodeOptions) -> Result<Settings, Error> {
        if options.look.is_some() {
            return Err(OptionName::Look.of_coded());
        }
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

/// Fields of a file's tokens.
fn ids_of<'a>(header: &'a Header, codec: &IdsCodec) -> Result<&'a Ids, Error> {
    header.as_ids().ok_or_else(|| Error::WrongModel {
        expected: ModelName::of(header),
        found: ModelName::Ids(codec.fingerprint()),
    })
}

/// Largest magnitude of a guidance scale: far beyond any use, far from overflowing.
const MAX_GUIDANCE: f32 = 1000.0;
