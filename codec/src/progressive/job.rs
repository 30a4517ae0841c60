//! A picture to decode: a snapshot of the payload received so far, which any thread can run.

use std::sync::Arc;

use flextok_container::{State, TokenFile};
use image::RgbImage;

use super::ProgressiveOptions;
use crate::{CancelToken, Codec, Error, Latents, Look, WarmStart};

/// A snapshot of the payload received so far, which any thread can decode any number of times.
#[derive(Debug, Clone)]
pub struct PictureJob {
    pub(super) codec: Arc<Codec>,
    pub(super) options: Arc<ProgressiveOptions>,
    pub(super) file: TokenFile,
    pub(super) units: u64,
    pub(super) is_last: bool,
}

/// Identifies a picture of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) units: u64,
    /// Whether it starts from a picture before it, if there is one.
    starts_warm: bool,
}

/// A picture of a file that may still be arriving.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProgressivePicture {
    /// The picture: of the file's size, or the canvas where the options say so.
    pub image: RgbImage,
    /// Units of payload that it shows: bytes of a coded one, or tokens of each canvas.
    pub units: u64,
    /// The look of a coded payload: [`Look::Plain`] of a draft, which the same bytes with the look of the options follow if
    /// there is time.
    pub look: Option<Look>,
    latents: Option<Latents>,
}

impl ProgressivePicture {
    /// The latents that a network made it from.
    #[must_use]
    pub fn latents(&self) -> Option<&Latents> {
        self.latents.as_ref()
    }
}

impl PictureJob {
    /// Units of payload that the picture will show.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Whether no later picture will show more: all that the file declares or the options allow, or all that
    /// had arrived when it ended.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// What was there.
    #[must_use]
    pub fn file(&self) -> &TokenFile {
        &self.file
    }

    pub(super) fn key(&self) -> Key {
        Key {
            units: self.units,
            starts_warm: self.options.warm_start.is_some() && !self.is_last,
        }
    }

    /// Whether the file was all there.
    #[must_use]
    pub fn state(&self) -> State {
        self.file.state()
    }

    /// The same picture without the learned decoder, which is quicker to make: to show until this one is done. `None` where
    /// that is what this job makes, and for networks.
    #[must_use]
    pub fn draft(&self) -> Option<Self> {
        if self.codec.look(&self.options.decode) == Look::Plain {
            return None;
        }
        let mut options = ProgressiveOptions::clone(&self.options);
        options.decode.look = Some(Look::Plain);
        Some(Self {
            options: Arc::new(options),
            ..self.clone()
        })
    }

    /// Decodes the picture. `previous` is one of fewer units to start from; it is used if the options select warm
    /// starts and this is not the last picture.
    ///
    /// # Errors
    /// As [`Codec::decode`].
    pub fn run(&self, previous: Option<&ProgressivePicture>) -> Result<ProgressivePicture, Error> {
        self.run_until(previous, None)
    }

    /// As [`PictureJob::run`]; `cancel` ends it, as well as the options' own token.
    ///
    /// # Errors
    /// As [`PictureJob::run`].
    pub fn run_until(
        &self,
        previous: Option<&ProgressivePicture>,
        cancel: Option<&CancelToken>,
    ) -> Result<ProgressivePicture, Error> {
        let mut options = self.options.decode.clone();
        if let Some(cancel) = cancel {
            options = either(options, cancel.clone());
        }
        let is_ids = self.file.header().as_ids().is_some();
        let (image, latents) = if is_ids {
            let start = previous
                .filter(|_| !self.is_last)
                .and_then(ProgressivePicture::latents)
                .zip(self.options.warm_start)
                .map(|(latents, time)| WarmStart::new(latents, time));
            let (image, latents) = self.codec.refine(&self.file, start, &options)?;
            (image, Some(latents))
        } else {
            (self.codec.decode_file(&self.file, &options)?, None)
        };
        Ok(ProgressivePicture {
            image,
            units: self.units,
            look: (!is_ids).then(|| self.codec.look(&self.options.decode)),
            latents,
        })
    }
}

/// The options with `cancel`, which their own token sets off too.
fn either(mut options: crate::DecodeOptions, cancel: CancelToken) -> crate::DecodeOptions {
    if let Some(callers) = options.cancel.take() {
        if callers.is_cancelled() {
            cancel.cancel();
        }
        let (report, switch) = (options.progress.take(), cancel.clone());
        options = options.with_progress(move |progress| {
            if let Some(report) = &report {
                report(progress);
            }
            if callers.is_cancelled() {
                switch.cancel();
            }
        });
    }
    options.with_cancel(cancel)
}
