//! A picture to decode: a snapshot of the tokens received so far, which any thread can run.

use std::sync::Arc;

use flextok_container::{State, TokenFile};
use image::RgbImage;

use super::ProgressiveOptions;
use crate::{CancelToken, Codec, Error, Latents, WarmStart};

/// A snapshot of the tokens received so far, which any thread can decode any number of times.
#[derive(Debug, Clone)]
pub struct PictureJob {
    pub(super) codec: Arc<Codec>,
    pub(super) options: Arc<ProgressiveOptions>,
    pub(super) file: TokenFile,
    pub(super) tokens: u16,
    pub(super) is_last: bool,
}

/// Identifies a picture of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) tokens: u16,
    /// Whether it starts from a picture before it, if there is one.
    starts_warm: bool,
}

/// A picture of a file that may still be arriving.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProgressivePicture {
    /// The picture: of the file's size, or the canvas where the options say so.
    pub image: RgbImage,
    /// Tokens that it shows.
    pub tokens: u16,
    latents: Latents,
}

impl ProgressivePicture {
    /// The latents that it was made from.
    #[must_use]
    pub fn latents(&self) -> &Latents {
        &self.latents
    }
}

impl PictureJob {
    /// Tokens that the picture will show.
    #[must_use]
    pub fn tokens(&self) -> u16 {
        self.tokens
    }

    /// Whether no later picture will show more: all tokens that the file declares or the options allow, or all that
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
            tokens: self.tokens,
            starts_warm: self.options.warm_start.is_some() && !self.is_last,
        }
    }

    /// Whether the file was all there.
    #[must_use]
    pub fn state(&self) -> State {
        self.file.state()
    }

    /// Decodes the picture. `previous` is one of fewer tokens to start from; it is used if the options select warm
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
        let start = previous
            .filter(|_| !self.is_last)
            .zip(self.options.warm_start)
            .map(|(previous, time)| WarmStart::new(&previous.latents, time));
        let (image, latents) = self.codec.refine(&self.file, start, &options)?;
        Ok(ProgressivePicture {
            image,
            tokens: self.tokens,
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
