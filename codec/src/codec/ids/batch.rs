//! Many images in few passes through the network: which go together, in which order, and how a failure of one is
//! reported.
//!
//! A single image is a batch of one, so that there is one way through the codec.

use std::ops::ControlFlow;

use flextok_compute::Threads;
use image::RgbImage;

use super::engine::Job;
use super::{DecodeOptions, IdsCodec};
use crate::error::{Error, OptionName};
use crate::network::with_capacity;
use crate::picture::{self, Canvas};
use crate::sampler::normals;
use crate::{CancelToken, Codec, Progress, Size};

/// An image to decode that has been checked.
pub(super) struct Request {
    /// Its tokens, coarse to fine.
    pub(super) ids: Vec<u16>,
    /// Its canvas in pixels.
    pub(super) canvas: Size,
    /// The size to restore, if not the canvas's.
    pub(super) size: Option<Size>,
}

impl Request {
    /// The picture of its canvas, in the requested size.
    pub(super) fn picture(&self, canvas: &Canvas, threads: &Threads) -> Result<RgbImage, Error> {
        let picture = canvas.to_rgb()?;
        match self.size {
            Some(size) => Ok(picture::restore(&picture, size, threads)?),
            None => Ok(picture),
        }
    }
}

impl Codec {
    /// Most images that go through a network together. Of a larger batch the next ones follow when these are done; of
    /// large canvases fewer go together, so that they have no more pixels than
    /// [`Limits::canvas_pixels`](crate::Limits::canvas_pixels) allows one canvas.
    pub const IMAGES_PER_PASS: usize = 8;
}

impl IdsCodec {
    /// How many images of one canvas go through the network together.
    pub(super) fn images_per_pass(&self, canvas: Size) -> usize {
        let fitting = self.limits.canvas_pixels / canvas.area().max(1);
        usize::try_from(fitting).map_or(Codec::IMAGES_PER_PASS, |fitting| {
            fitting.clamp(1, Codec::IMAGES_PER_PASS)
        })
    }

    /// Decodes all requests and hands each canvas to `finish`; results are in the order of the requests.
    pub(super) fn run<T>(
        &self,
        requests: &[Request],
        options: &DecodeOptions,
        finish: impl Fn(&Request, Canvas) -> T,
    ) -> Result<Vec<T>, Error> {
        let settings = self.settings(options)?;
        let passes = passes(requests, |canvas| self.images_per_pass(canvas));
        let mut steps = Steps::new(options, settings.steps, passes.len());
        let mut results = Vec::with_capacity(requests.len());
        for pass in &passes {
            steps.check()?;
            let of_pass = || pass.iter().map(|&index| &requests[index]);
            let ids: Vec<&[u16]> = of_pass().map(|request| request.ids.as_slice()).collect();
            let Some(first) = of_pass().next() else {
                continue;
            };
            let latents = self.latents(first.canvas);
            let job = Job {
                ids: &ids,
                latents,
                noise: &self.starting_noise(options, latents)?,
                settings,
                keep_latents: false,
            };
            let done = self
                .engine
                .detokenize(&job, &mut |step, _| steps.report(step));
            let decoded = done.map_err(|error| steps.count_in(error))?;
            let finished = pass.iter().zip(decoded);
            results.extend(
                finished.map(|(&index, one)| (index, finish(&requests[index], one.canvas))),
            );
            steps.end_pass();
        }
        results.sort_by_key(|&(index, _)| index);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// Columns and rows of the latents of a canvas that has been checked.
    pub(super) fn latents(&self, canvas: Size) -> Size {
        let factor = self.config().vae.factor() as u32;
        Size::new(canvas.width / factor, canvas.height / factor)
    }

    /// Numbers in latents of this size, all channels counted.
    pub(super) fn latent_values(&self, latents: Size) -> usize {
        latents.area() as usize * self.config().vae.latent_channels()
    }

    /// The noise of a seed for latents of this size, `[H, W, C]`.
    pub(super) fn noise(&self, seed: u64, latents: Size) -> Result<Vec<f32>, Error> {
        let count = self.latent_values(latents);
        let mut noise = with_capacity(count)?;
        noise.extend(normals(seed, 0).take(count));
        channels_last(&noise, self.config().vae.latent_channels())
    }

    /// The given noise, or that of the seed, `[H, W, C]`.
    pub(super) fn starting_noise(
        &self,
        options: &DecodeOptions,
        latents: Size,
    ) -> Result<Vec<f32>, Error> {
        match &options.noise {
            Some(noise) => channels_last(noise, self.config().vae.latent_channels()),
            None => self.noise(options.seed.unwrap_or(0), latents),
        }
    }

    /// Checks the options' noise against the latents of a canvas.
    pub(super) fn check_noise(&self, options: &DecodeOptions, canvas: Size) -> Result<(), Error> {
        let Some(noise) = &options.noise else {
            return Ok(());
        };
        let latents = self.latents(canvas);
        let count = self.latent_values(latents);
        if noise.len() != count {
            let value = format!("of {} values", noise.len());
            let channels = self.config().vae.latent_channels();
            let Size { width, height } = latents;
            let allowed = format!("{channels}×{height}×{width} = {count} values");
            return Err(OptionName::Noise.refuse(value, allowed));
        }
        if let Some(index) = noise.iter().position(|value| !value.is_finite()) {
            let value = format!("with {} at index {index}", noise[index]);
            return Err(OptionName::Noise.refuse(value, "finite values"));
        }
        Ok(())
    }
}

/// `[C, H, W]`, in which noise is defined, to `[H, W, C]`, in which the network computes.
fn channels_last(planes: &[f32], channels: usize) -> Result<Vec<f32>, Error> {
    let pixels = planes.len() / channels;
    let pixel = |pixel| planes.iter().skip(pixel).step_by(pixels).copied();
    let mut values = with_capacity(planes.len())?;
    values.extend((0..pixels).flat_map(pixel));
    Ok(values)
}

/// The indices of the requests that go through the network together: of one canvas, and no more than `most` of it.
fn passes(requests: &[Request], most: impl Fn(Size) -> usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&index| requests[index].canvas);
    order
        .chunk_by(|&a, &b| requests[a].canvas == requests[b].canvas)
        .flat_map(|group| {
            let most = most(requests[group[0]].canvas);
            group.chunks(most).map(<[usize]>::to_vec)
        })
        .collect()
}

/// Calls `work` for each input; an error names the one that it is about.
pub(in crate::codec) fn each<I, T>(
    inputs: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let number = |(index, input)| {
        work(input).map_err(|error| Error::InBatch {
            index,
            error: Box::new(error),
        })
    };
    inputs.into_iter().enumerate().map(number).collect()
}

/// The result of a batch of one.
pub(in crate::codec) fn only<T>(mut results: Vec<T>) -> T {
    match results.pop() {
        Some(result) => result,
        None => unreachable!("one result for one input"),
    }
}

/// Progress over the Euler steps of all passes of a batch, counted in sequence.
pub(super) struct Steps<'a> {
    options: &'a DecodeOptions,
    of_pass: u32,
    total: u32,
    /// Steps of the passes that are done.
    before: u32,
}

impl<'a> Steps<'a> {
    pub(super) fn new(options: &'a DecodeOptions, of_pass: u32, passes: usize) -> Self {
        let passes = u32::try_from(passes).unwrap_or(u32::MAX);
        Self {
            options,
            of_pass,
            total: of_pass.saturating_mul(passes),
            before: 0,
        }
    }

    fn is_cancelled(&self) -> bool {
        let cancel = self.options.cancel.as_ref();
        cancel.is_some_and(CancelToken::is_cancelled)
    }

    /// Fails if the caller has cancelled.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.is_cancelled() {
            let (done, total) = (self.before, self.total);
            return Err(Error::Cancelled { done, total });
        }
        Ok(())
    }

    /// Reports a step of the present pass.
    pub(super) fn report(&self, step: u32) -> ControlFlow<()> {
        if let Some(progress) = &self.options.progress {
            progress(Progress {
                step: self.before.saturating_add(step),
                total: self.total,
            });
        }
        if self.is_cancelled() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// An error of the present pass with the steps of all passes.
    fn count_in(&self, error: Error) -> Error {
        match error {
            Error::Cancelled { done, .. } => Error::Cancelled {
                done: self.before.saturating_add(done),
                total: self.total,
            },
            other => other,
        }
    }

    fn end_pass(&mut self) {
        self.before = self.before.saturating_add(self.of_pass);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(canvas: Size) -> Request {
        Request {
            ids: vec![1],
            canvas,
            size: None,
        }
    }

    #[test]
    fn passes_have_one_canvas_and_keep_the_order() {
        let (small, large) = (Size::new(256, 256), Size::new(512, 256));
        let requests: Vec<Request> = (0..12)
            .map(|index| request(if index % 3 == 1 { large } else { small }))
            .collect();
        let found = passes(&requests, |canvas| if canvas == small { 5 } else { 2 });
        assert_eq!(
            found,
            [vec![0, 2, 3, 5, 6], vec![8, 9, 11], vec![1, 4], vec![7, 10]]
        );
        assert!(passes(&[], |_| 3).is_empty());
    }

    #[test]
    fn noise_is_turned_to_pixels() {
        let planes: Vec<f32> = (0..24).map(|value| value as f32).collect();
        let pixels = channels_last(&planes, 3).expect("24 values");
        assert_eq!(pixels[..4], [0.0, 8.0, 16.0, 1.0]);
        assert_eq!(pixels[21..], [7.0, 15.0, 23.0]);
    }

    #[test]
    fn errors_name_the_input_that_they_are_about() {
        let work = |value: i32| match value {
            7 => Err(Error::Grid {
                columns: 2,
                rows: 1,
            }),
            other => Ok(other + 1),
        };
        assert_eq!(each([1, 2], work).unwrap(), [2, 3]);
        let error = each([1, 7, 7], work).unwrap_err();
        assert!(matches!(error, Error::InBatch { index: 1, .. }));
    }
}
