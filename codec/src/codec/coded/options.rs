//! Options that do not apply to a coded payload: each is refused by its name.

use super::CodedCodec;
use crate::codec::{Budget, CanvasChoice, DecodeOptions, EncodeOptions};
use crate::error::{Error, OptionName};

/// What is allowed instead of an option of networks.
const NETWORKS: &str = "none, since it is for FlexTok models; leave it out";

impl CodedCodec {
    /// Checks the options of an encode.
    pub(super) fn check_encode(&self, options: &EncodeOptions) -> Result<(), Error> {
        if let Budget::Tokens(tokens) = options.budget {
            let allowed = "a number of bytes, since this model has no tokens of equal size";
            return Err(OptionName::Tokens.refuse(tokens, allowed));
        }
        if let CanvasChoice::Pixels(size) = options.canvas {
            let allowed = "own, or 1 to 255 blocks along the long side";
            return Err(OptionName::Canvas.refuse(size, allowed));
        }
        if options.crop {
            return Err(OptionName::Crop.refuse("on", NETWORKS));
        }
        if let Some(seed) = options.posterior_seed {
            return Err(OptionName::Posterior.refuse(seed, NETWORKS));
        }
        Ok(())
    }

    /// Checks the options of a decode.
    pub(in crate::codec) fn check_options(&self, options: &DecodeOptions) -> Result<(), Error> {
        let numbers = [
            (OptionName::Tokens, options.tokens.map(f64::from)),
            (OptionName::Steps, options.steps.map(f64::from)),
            (OptionName::Guidance, options.guidance.map(f64::from)),
            (OptionName::Seed, options.seed.map(|seed| seed as f64)),
        ];
        for (option, value) in numbers {
            if let Some(value) = value {
                return Err(option.refuse(value, NETWORKS));
            }
        }
        if options.apg.is_some() {
            return Err(OptionName::Guidance.refuse("mode", NETWORKS));
        }
        if options.noise.is_some() {
            return Err(OptionName::Noise.refuse("supplied by the caller", NETWORKS));
        }
        match options.canvas {
            Some(size) => Err(OptionName::Canvas.refuse(size, NETWORKS)),
            None => Ok(()),
        }
    }
}
