//! Decodes that build on each other: the latents of one are kept, and the next may start from them instead of from noise.

use flextok_container::{Fingerprint, TokenFile};
use image::RgbImage;

use super::batch::{Request, Steps, only};
use super::engine::Job;
use super::{DecodeOptions, IdsCodec};
use crate::Size;
use crate::error::{Error, OptionName};
use crate::sampler::Settings;

/// The clean latents that a decode ended with, for [`Codec::refine`](crate::Codec::refine).
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    values: Vec<f32>,
    canvas: Size,
    model: Fingerprint,
}

impl Latents {
    /// The values `[H, W, C]`.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Canvas in pixels that they are of.
    #[must_use]
    pub fn canvas(&self) -> Size {
        self.canvas
    }
}

/// A decode that starts from the latents of an earlier one: at time `t` of the flow, from
/// `(1 - t) · latents + t · noise`.
#[derive(Debug, Clone, Copy)]
pub struct WarmStart<'a> {
    latents: &'a Latents,
    time: f32,
}

impl<'a> WarmStart<'a> {
    /// A start at `time`: above 0, and at most 1, which is pure noise as without a warm start. The nearer to 0, the
    /// more remains of the earlier picture and the fewer steps are taken.
    #[must_use]
    pub fn new(latents: &'a Latents, time: f32) -> Self {
        Self { latents, time }
    }

    /// Steps that are left of a schedule of `steps` from pure noise.
    fn steps(&self, steps: u32) -> u32 {
        ((self.time * steps as f32).round() as u32).clamp(1, steps.max(1))
    }
}

impl IdsCodec {
    pub(in crate::codec) fn refine(
        &self,
        file: &TokenFile,
        from: Option<WarmStart<'_>>,
        options: &DecodeOptions,
    ) -> Result<(RgbImage, Latents), Error> {
        let request = self.request_of_picture(file, options)?;
        let settings = self.settings(options)?;
        let latents = self.latents(request.canvas);
        let mut x = self.starting_noise(options, latents)?;
        let settings = match from {
            None => settings,
            Some(start) => {
                self.check_start(&start, &request)?;
                for (x, &clean) in x.iter_mut().zip(&start.latents.values) {
                    *x = (1.0 - start.time) * clean + start.time * *x;
                }
                Settings {
                    steps: start.steps(settings.steps),
                    start: start.time,
                    ..settings
                }
            }
        };
        let steps = Steps::new(options, settings.steps, 1);
        steps.check()?;
        let job = Job {
            ids: &[&request.ids],
            latents,
            noise: &x,
            settings,
            keep_latents: true,
        };
        let decoded = self
            .engine
            .detokenize(&job, &mut |step, _| steps.report(step))?;
        let decoded = only(decoded);
        let latents = Latents {
            values: decoded.latents.unwrap_or_default(),
            canvas: request.canvas,
            model: self.fingerprint(),
        };
        Ok((request.picture(&decoded.canvas, &self.threads)?, latents))
    }

    fn check_start(&self, start: &WarmStart<'_>, request: &Request) -> Result<(), Error> {
        check_time(start.time)?;
        let (latents, canvas, model) = (start.latents, request.canvas, self.fingerprint());
        let name = OptionName::WarmStart;
        if latents.model != model {
            let value = format!("from latents of model {}", latents.model);
            return Err(name.refuse(value, format!("latents of model {model}")));
        }
        if latents.canvas != canvas {
            let value = format!("from latents of canvas {}", latents.canvas);
            return Err(name.refuse(value, format!("latents of canvas {canvas}")));
        }
        Ok(())
    }
}

/// Checks the time of the flow at which a warm start begins.
pub(crate) fn check_time(time: f32) -> Result<(), Error> {
    if time > 0.0 && time <= 1.0 {
        return Ok(());
    }
    let value = format!("at time {time}");
    Err(OptionName::WarmStart.refuse(value, "above 0 and at most 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_start_takes_its_share_of_the_steps() {
        let latents = Latents {
            values: vec![],
            canvas: Size::new(1, 1),
            model: Fingerprint([0; 4]),
        };
        let steps = |time, of| WarmStart::new(&latents, time).steps(of);
        assert_eq!((steps(1.0, 8), steps(0.5, 8), steps(0.3, 8)), (8, 4, 2));
        assert_eq!((steps(0.01, 8), steps(0.9, 1), steps(0.5, 25)), (1, 1, 13));
    }
}
