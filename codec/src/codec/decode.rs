//! Files and tokens to pictures.

use super::engine::Job;
use super::{CancelToken, Codec, DecodeOptions, Progress, limit};
use crate::error::Error;
use crate::network::NetworkError;
use crate::picture::{self, Canvas};
use crate::sampler::{Guidance, Settings, standard_normal};
use flextok_container::{Header, State, TokenFile};
use image::RgbImage;
use std::borrow::Cow;
use std::ops::ControlFlow;

impl Codec {
    /// Decodes a `.flxt` file, whole or cut, to a picture of its original size.
    ///
    /// # Errors
    /// [`Error::Container`] for bytes that are damaged or no such file, [`Error::NoTokens`] for a file that was cut before
    /// its first token, [`Error::WrongModel`] for a file of another model, [`Error::Limit`] for a size beyond the limits,
    /// [`Error::Option`] for options the model does not allow, [`Error::Network`] with
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) if the options' token was cancelled.
    pub fn decode(&self, bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, Error> {
        let file = TokenFile::parse_with(bytes, &self.limits.container)?;
        self.decode_file(&file, options)
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
        let (width, height) = (file.header().width(), file.header().height());
        if !options.keep_canvas {
            limit(
                "picture pixels",
                u64::from(width) * u64::from(height),
                self.limits.pixels,
            )?;
            limit(
                "picture side",
                width.max(height).into(),
                self.limits.side.into(),
            )?;
        }
        let canvas = self.decode_canvas(file, options)?.to_rgb();
        if options.keep_canvas {
            return Ok(canvas);
        }
        Ok(picture::restore(&canvas, width, height))
    }

    /// The float canvas `[3, H, W]`, nominally in [-1, 1], of a parsed file; `keep_canvas` has no meaning here.
    ///
    /// # Errors
    /// As [`Codec::decode`].
    pub fn decode_canvas(
        &self,
        file: &TokenFile,
        options: &DecodeOptions,
    ) -> Result<Canvas, Error> {
        let header = file.header();
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
        if file.layers() == 0 {
            let (have, total) = match file.state() {
                State::Truncated { have, total } => (have, total),
                _ => (0, header.total_tokens()),
            };
            let needed = header.layout().layer_end(1).unwrap_or(0);
            return Err(Error::NoTokens {
                have,
                total,
                needed,
            });
        }
        let wanted = options
            .tokens
            .map(|tokens| self.check_tokens("tokens", tokens))
            .transpose()?;
        let tokens = wanted.unwrap_or(u16::MAX).min(file.layers());
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
        self.detokenize_canvas(&ids, canvas, options)
    }

    /// The canvas in pixels that a file asks for, if it is not the model's own.
    fn file_canvas(&self, header: &Header) -> Result<Option<(u32, u32)>, Error> {
        let multiple = self.config().canvas_multiple();
        let Some((columns, rows)) = header.canvas() else {
            return Ok(None);
        };
        let (width, height) = (u32::from(columns) * multiple, u32::from(rows) * multiple);
        self.config()
            .check_canvas((width, height))
            .map_err(|error| Error::FileCanvas {
                width,
                height,
                reason: error.to_string(),
            })?;
        Ok(Some((width, height)))
    }

    /// The picture, of the canvas's size, that bare tokens describe: any number from one to the model's registers.
    ///
    /// # Errors
    /// [`Error::Tokens`] for an id beyond the codebook or too many ids, and as [`Codec::decode`].
    pub fn detokenize(&self, ids: &[u16], options: &DecodeOptions) -> Result<RgbImage, Error> {
        let wanted = options
            .tokens
            .map(|tokens| self.check_tokens("tokens", tokens))
            .transpose()?;
        let count = ids.len().min(wanted.map_or(usize::MAX, usize::from));
        Ok(self
            .detokenize_canvas(&ids[..count], options.canvas, options)?
            .to_rgb())
    }

    /// The float canvas `[3, H, W]`, nominally in [-1, 1], that bare tokens describe.
    ///
    /// # Errors
    /// As [`Codec::detokenize`].
    pub fn detokenize_canvas(
        &self,
        ids: &[u16],
        canvas: Option<(u32, u32)>,
        options: &DecodeOptions,
    ) -> Result<Canvas, Error> {
        if ids.is_empty() {
            self.check_tokens("tokens", 0)?;
        }
        self.check_ids(ids)?;
        let (width, height) = self.check_canvas(canvas)?;
        let vae = &self.config().vae;
        let latents = (
            height as usize / vae.factor(),
            width as usize / vae.factor(),
        );
        let noise = self.starting_noise(options, (vae.latent_channels(), latents.0, latents.1))?;
        let settings = self.settings(options)?;
        if options
            .cancel
            .as_ref()
            .is_some_and(CancelToken::is_cancelled)
        {
            let total = settings.steps;
            return Err(NetworkError::Cancelled { done: 0, total }.into());
        }
        let job = Job {
            ids,
            latents,
            noise: &noise,
            settings,
        };
        let mut on_step = |step, total| {
            if let Some(progress) = &options.progress {
                progress(Progress { step, total });
            }
            match &options.cancel {
                Some(cancel) if cancel.is_cancelled() => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        self.engine.detokenize(&job, &mut on_step)
    }

    fn starting_noise<'a>(
        &self,
        options: &'a DecodeOptions,
        (channels, height, width): (usize, usize, usize),
    ) -> Result<Cow<'a, [f32]>, Error> {
        let count = channels * height * width;
        let Some(noise) = &options.noise else {
            return Ok(standard_normal(options.seed, 0, count).into());
        };
        if noise.len() != count {
            return Err(Error::Option {
                option: "noise of",
                value: format!("{} values", noise.len()),
                allowed: format!("{channels}×{height}×{width} = {count} values"),
            });
        }
        if let Some(index) = noise.iter().position(|value| !value.is_finite()) {
            let value = format!("with {} at index {index}", noise[index]);
            return Err(Error::Option {
                option: "noise",
                value,
                allowed: "finite values".to_owned(),
            });
        }
        Ok(noise.into())
    }

    /// Steps and guidance: what the options say, else the model's config.
    fn settings(&self, options: &DecodeOptions) -> Result<Settings, Error> {
        let defaults = &self.config().sampling;
        let steps = options.steps.unwrap_or(defaults.steps);
        if steps == 0 {
            let allowed = format!("1 to {}", self.limits.steps);
            return Err(Error::Option {
                option: "steps",
                value: steps.to_string(),
                allowed,
            });
        }
        limit("steps", steps.into(), self.limits.steps.into())?;
        let scale = options.guidance.unwrap_or(defaults.guidance);
        if !scale.is_finite() || scale.abs() > MAX_GUIDANCE {
            let allowed = format!("-{MAX_GUIDANCE} to {MAX_GUIDANCE}");
            return Err(Error::Option {
                option: "guidance",
                value: scale.to_string(),
                allowed,
            });
        }
        let guidance = match options.apg.unwrap_or(defaults.apg) {
            _ if scale == 1.0 => Guidance::None,
            true => Guidance::Apg(scale),
            false => Guidance::Cfg(scale),
        };
        Ok(Settings { steps, guidance })
    }
}

/// Largest magnitude of a guidance scale: far beyond any use, far from overflowing.
const MAX_GUIDANCE: f32 = 1000.0;
