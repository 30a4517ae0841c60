//! How a decode makes a picture of a payload: the options that several commands share.

use clap::Args;
use flextok::{DecodeOptions, Look};

use crate::values;

/// How the picture is made. None of this is stored in a file.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sampling, for FlexTok models")]
pub(crate) struct SamplingArgs {
    /// Look of the picture: faithful (the least squared error), sharp, a number
    /// between (0 is faithful, 1 is sharp), or plain (the coded digits alone) [default: 0.5]
    #[arg(long, value_name = "LOOK", value_parser = values::look, help_heading = "Look, for the embedded model")]
    look: Option<Look>,

    /// Number of sampling steps; more are slower [default: the model's]
    #[arg(long, value_name = "N", value_parser = values::whole::<u32>(1..=u32::MAX.into()))]
    steps: Option<u32>,

    /// Guidance scale; 1 disables guidance. Without --apg this is classifier-free guidance [default:
    /// the model's]
    #[arg(long, value_name = "S", value_parser = values::real)]
    guidance: Option<f32>,

    /// Use adaptive projected guidance
    #[arg(long)]
    apg: bool,

    /// Seed of the starting noise [default: 0]
    #[arg(long, value_name = "N", value_parser = values::whole::<u64>(0..=u64::MAX))]
    seed: Option<u64>,
}

impl SamplingArgs {
    /// The options of the library; those not given keep the model's defaults.
    pub(crate) fn options(&self) -> DecodeOptions {
        let mut options = DecodeOptions::default();
        options.look = self.look;
        options.seed = self.seed;
        options.steps = self.steps;
        options.guidance = self.guidance;
        options.apg = match (self.apg, self.guidance) {
            (true, _) => Some(true),
            (false, Some(_)) => Some(false),
            (false, None) => None,
        };
        options
    }
}
