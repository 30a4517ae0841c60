//! Euler integration of the rectified flow from t = 1 to t = 0, with guidance (network.md section 6.3).

use crate::config::Prediction;
use crate::network::{Condition, Conditioned, NetworkError};
use flextok_compute::Backend;
use flextok_compute::backend::ApgParameters;
use std::ops::ControlFlow;

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
}

impl Settings {
    /// Whether the unconditional pass runs.
    pub(crate) fn is_guided(&self) -> bool {
        self.guidance != Guidance::None
    }
}

/// Integrates the flow from `x` at t = 1 and returns the clean, scaled latents.
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
    let shape = backend.shape(&x).to_vec();
    let mut velocity = backend.zeros(&shape)?;
    let mut unconditional = backend.zeros(&shape)?;
    let mut running = backend.zeros(&shape)?;
    let time = |done: u32| (total - done) as f32 / total as f32;
    let dt = 1.0 / total as f32;
    let times: Vec<f32> = (0..total).map(time).collect();
    conditioned.schedule(&times)?;
    for (done, &t) in (0..total).zip(&times) {
        let index = done as usize;
        conditioned.embed(&x, t);
        conditioned.predict(Condition::Tokens, index, &mut velocity);
        if settings.is_guided() {
            conditioned.predict(Condition::Null, index, &mut unconditional);
        }
        // Linear guidance commutes with turning clean latents into a velocity, so it is applied to the prediction; APG is
        // defined on velocities only.
        match settings.guidance {
            Guidance::None => {}
            Guidance::Cfg(scale) => backend.guide_cfg(&unconditional, scale, &mut velocity),
            Guidance::Apg(scale) => {
                if prediction == Prediction::CleanLatents {
                    backend.clean_to_velocity(&x, t, &mut velocity);
                    backend.clean_to_velocity(&x, t, &mut unconditional);
                }
                let parameters = ApgParameters::published(scale);
                backend.guide_apg(&unconditional, parameters, &mut running, &mut velocity);
            }
        }
        let clean = prediction == Prediction::CleanLatents
            && !matches!(settings.guidance, Guidance::Apg(_));
        if clean && done + 1 == total {
            // The last step's Euler update ends exactly on the predicted clean latents; taking them as they are keeps
            // the noise out of their last bits, so that a one-step decode does not depend on the seed.
            std::mem::swap(&mut x, &mut velocity);
        } else {
            if clean {
                backend.clean_to_velocity(&x, t, &mut velocity);
            }
            backend.euler_step(&mut x, &velocity, dt);
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
