//! Options that do not apply to a coded payload: each is refused by its name.

use super::CodedCodec;
use crate::codec::{Budget, CanvasChoice, DecodeOptions, EncodeOptions, Look};
use crate::error::{Error, OptionName};

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
            return Err(OptionName::Crop.of_networks());
        }
        if options.posterior_seed.is_some() {
            return Err(OptionName::Posterior.of_networks());
        }
        Ok(())
    }

    /// Checks the options of a decode.
    pub(in crate::codec) fn check_options(&self, options: &DecodeOptions) -> Result<(), Error> {
        let given = [
            (OptionName::Tokens, options.tokens.is_some()),
            (OptionName::Steps, options.steps.is_some()),
            (OptionName::Guidance, options.guidance.is_some()),
            (OptionName::Seed, options.seed.is_some()),
        ];
        if let Some((option, _)) = given.into_iter().find(|&(_, is_given)| is_given) {
            return Err(option.of_networks());
        }
        if options.apg.is_some() {
            return Err(OptionName::Guidance.of_networks());
        }
        if options.noise.is_some() {
            return Err(OptionName::Noise.of_networks());
        }
        if options.canvas.is_some() {
            return Err(OptionName::Canvas.of_networks());
        }
        match options.look {
            Some(look) if !look.is_valid() => Err(OptionName::Look.refuse(look, Look::ALLOWED)),
            Some(look @ Look::Learned(_)) if self.learned.is_none() => {
                let allowed = "plain, since this model has no learned decoder";
                Err(OptionName::Look.refuse(look, allowed))
            }
            _ => Ok(()),
        }
    }
}
