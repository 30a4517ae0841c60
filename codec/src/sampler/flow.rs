//! Euler integration of the rectified flow from t = 1, or a smaller t, to t = 0, with guidance (network.md section 6.3).

use std::ops::ControlFlow;

use flextok_compute::Backend;
use flextok_compute::backend::ApgParameters;

use crate::config::Prediction;
use crate::network::{Conditioned, NetworkError};

/// How the conditional and the unconditional velocity are combined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Guidance {
    /// Only the conditional pass runs.
    None,
    /// Classifier-free guidance with this scale.
    Cfg(f32),
    /// Adaptive projected guidance with this scale.
    Apg(f32),
}

/// The schedule and guidance of one decode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    pub(crate) steps: u32,
    pub(crate) guidance: Guidance,
    /// The t that the integration starts from: 1 for pure noise, less for latents that are partly clean already.
    pub(crate) start: f32,
}

impl Settings {
    /// Whether the unconditional pass runs.
    pub(crate) fn is_guided(&self) -> bool {
        self.guidance != Guidance::None
    }
}

/// Guidance with the memory that it needs, each tensor of the shape of the latents.
enum Guide<B: Backend> {
    None,
    Cfg {
        scale: f32,
        out: B::Tensor,
    },
    Apg {
        parameters: ApgParameters,
        /// APG's state over the steps.
        running: B::Tensor,
        out: B::Tensor,
    },
}

impl<B: Backend> Guide<B> {
    fn new(backend: &B, guidance: Guidance, shape: &[usize]) -> Result<Self, NetworkError> {
        Ok(match guidance {
            Guidance::None => Self::None,
            Guidance::Cfg(scale) => Self::Cfg {
                scale,
                out: backend.zeros_full(shape)?,
            },
            Guidance::Apg(scale) => Self::Apg {
                parameters: ApgParameters::published(scale),
                running: backend.zeros_full(shape)?,
                out: backend.zeros_full(shape)?,
            },
        })
    }

    /// The guided prediction for each image, and its kind.
    fn apply<'a>(
        &'a mut self,
        backend: &B,
        (x, t): (&B::Tensor, f32),
        prediction: Prediction,
        predictions: &'a mut B::Tensor,
    ) -> Result<(&'a mut B::Tensor, Prediction), NetworkError> {
        // Linear guidance commutes with turning clean latents into a velocity, so it is applied to the prediction; APG is
        // defined on velocities only.
        Ok(match self {
            Self::None => (predictions, prediction),
            Self::Cfg { scale, out } => {
                backend.guide_cfg(predictions, *scale, out)?;
                (out, prediction)
            }
            Self::Apg {
                parameters,
                running,
                out,
            } => {
                if prediction == Prediction::CleanLatents {
                    backend.clean_to_velocity(x, t, predictions)?;
                }
                backend.guide_apg(predictions, *parameters, running, out)?;
                (out, Prediction::Velocity)
            }
        })
    }
}

/// Integrates the flow from `x`, `[images, h, w, C]`, at the settings' start and returns the clean, scaled latents.
///
/// `progress(done, total)` is called after each step and may end the loop.
pub(crate) fn sample<B: Backend>(
    backend: &B,
    conditioned: &mut Conditioned<'_, B>,
    prediction: Prediction,
    mut x: B::Tensor,
    settings: Settings,
    progress: &mut (dyn FnMut(u32, u32) -> ControlFlow<()> + Send),
) -> Result<B::Tensor, NetworkError> {
    let total = settings.steps;
    let mut shape = backend.shape(&x).to_vec();
    let mut guide = Guide::new(backend, settings.guidance, &shape)?;
    if let Some(images) = shape.first_mut() {
        *images = conditioned.predictions();
    }
    let mut predictions = backend.zeros_full(&shape)?;
    // From the step's number rather than by repeated subtraction, so that rounding errors do not add up.
    let time = |done: u32| settings.start * ((total - done) as f32 / total as f32);
    let dt = settings.start / total as f32;
    let times: Vec<f32> = (0..total).map(time).collect();
    conditioned.schedule(&times)?;
    for (done, &t) in (0..total).zip(&times) {
        conditioned.embed(&x, t)?;
        conditioned.predict(done as usize, &mut predictions)?;
        let (output, kind) = guide.apply(backend, (&x, t), prediction, &mut predictions)?;
        let clean = kind == Prediction::CleanLatents;
        if clean && done + 1 == total {
            // The last step's Euler update ends exactly on the predicted clean latents; taking them as they are keeps
            // the noise out of their last bits, so that a one-step decode does not depend on the seed.
            std::mem::swap(&mut x, output);
        } else {
            if clean {
                backend.clean_to_velocity(&x, t, output)?;
            }
            backend.euler_step(&mut x, output, dt)?;
        }
        if progress(done + 1, total).is_break() {
            return Err(NetworkError::Cancelled {
                done: done + 1,
                total,
            });
        }
    }
    Ok(x)
}
