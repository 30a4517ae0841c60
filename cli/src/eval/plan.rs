//! What an evaluation is asked for: the budgets, how pictures are prepared and decoded, whom to compare with.

use clap::ValueEnum;
use flextok::container::{CanvasGrid, Metadata, TokenFile};
use flextok::image::DynamicImage;
use flextok::metrics::Metric;
use flextok::rate::Target;
use flextok::{DecodeOptions, EncodeOptions, Size, Threads};
use serde_json::{Map, Value, json};

use super::results::{Contestant, Unit};
use super::rivals::{Installed, Rival};
use super::set::Subject;
use crate::context::{Context, Model};
use crate::exit::CliError;
use crate::values::{self, Color};

/// What results call this program's own codec.
pub(crate) const OWN: &str = "flextok";

/// Bytes of files where none are given, for models with a coded payload.
const BYTES: [u32; 7] = [64, 128, 256, 512, 1024, 2048, 4096];

/// The published sampling of FlexTok's protocol: steps, and the scale of adaptive projected guidance.
const PROTOCOL_SAMPLING: (u32, f32) = (25, 7.5);

/// A published way of measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// FlexTok's: shorter side 256 and the centre, 1 to 256 tokens, 25 steps, adaptive projected guidance of 7.5
    Flextok,
}

/// The budgets as they were given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Budgets<'a> {
    Default,
    Bytes(&'a [u64]),
    Tokens(&'a [u32]),
}

/// All that decides what is measured.
pub(crate) struct Plan {
    pub(crate) model: Model,
    pub(crate) unit: Unit,
    /// Rising.
    pub(crate) budgets: Vec<u32>,
    decode: DecodeOptions,
    pub(crate) background: Color,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) rivals: Vec<Installed>,
    pub(crate) codecs: Vec<Contestant>,
    /// The quality whose budget is searched for each picture.
    pub(crate) until: Option<Target>,
    /// Decodes of each file from different noise.
    pub(crate) seeds: Option<u32>,
}

impl Plan {
    /// Opens the model and the rivals, and checks that the options go together.
    pub(crate) fn new(
        context: &Context,
        budgets: Budgets<'_>,
        decode: DecodeOptions,
        protocol: Option<Protocol>,
        rivals: &[Rival],
    ) -> Result<Self, CliError> {
        let model = context.model()?;
        let (unit, budgets) = budgets_of(&model, budgets)?;
        let mut plan = Self {
            model,
            unit,
            budgets,
            decode,
            background: EncodeOptions::default().background,
            protocol,
            rivals: Vec::new(),
            codecs: vec![Contestant {
                name: OWN.to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                missing: None,
            }],
            until: None,
            seeds: None,
        };
        if protocol.is_some() {
            plan.sample_as_published()?;
        }
        plan.check()?;
        for (rival, installed) in Installed::find(rivals)? {
            let (version, missing) = match &installed {
                Ok(installed) => (Some(installed.version.clone()), None),
                Err(why) => (None, Some(why.clone())),
            };
            plan.codecs.push(Contestant {
                name: rival.name().to_owned(),
                version,
                missing,
            });
            plan.rivals.extend(installed);
        }
        Ok(plan)
    }

    /// Fills in what the protocol says and no option.
    fn sample_as_published(&mut self) -> Result<(), CliError> {
        if self.model.codec.config().is_none() {
            let problem = "is for FlexTok models; name one with --model PATH";
            return Err(CliError::usage("--protocol flextok", problem));
        }
        let (steps, scale) = PROTOCOL_SAMPLING;
        self.decode.steps.get_or_insert(steps);
        if self.decode.guidance.is_none() {
            self.decode = self.decode.clone().with_guidance(scale, true);
        }
        Ok(())
    }

    /// Refuses options that the model has no use for before any picture is read.
    fn check(&self) -> Result<(), CliError> {
        let codec = &self.model.codec;
        let (size, grid) = (Size::new(8, 8), CanvasGrid::SINGLE);
        let file = match codec.config() {
            Some(_) => codec.pack(&[[0]], size, None, grid, Metadata::default()),
            None => codec.encode_file(&DynamicImage::new_rgb8(8, 8), &EncodeOptions::default()),
        };
        let checked =
            file.and_then(|file: TokenFile| codec.check_header(file.header(), &self.decode));
        checked.map_err(|error| self.model.error(&self.model.name, error))
    }

    /// Has each file decoded from so many seeds.
    ///
    /// # Errors
    /// For a model without noise, and where no such seeds follow the first one.
    pub(crate) fn decode_often(&mut self, seeds: u32) -> Result<(), CliError> {
        if self.model.codec.config().is_none() {
            let name = &self.model.name;
            let problem = format!(
                "{name} decodes without noise, so that all decodes are the same; give a FlexTok model with --model"
            );
            return Err(CliError::usage("--seeds", problem));
        }
        let first = self.decode.seed.unwrap_or(0);
        if first.checked_add(u64::from(seeds) - 1).is_none() {
            let problem = format!("no {seeds} seeds follow {first}; give a smaller one");
            return Err(CliError::usage("--seed", problem));
        }
        self.seeds = Some(seeds);
        Ok(())
    }

    pub(crate) fn threads(&self) -> &Threads {
        self.model.codec.threads()
    }

    /// How decodes of a picture are made.
    pub(crate) fn decode(&self, subject: &Subject) -> DecodeOptions {
        let mut options = self.decode.clone();
        options.seed = options.seed.or(subject.seed);
        options
    }

    /// Name and fingerprint of the model.
    pub(crate) fn model_name(&self) -> String {
        let weights = self.model.codec.weights();
        let fingerprint = flextok::container::Fingerprint(weights.fingerprint());
        match weights.config().name() {
            Some(name) => format!("{name} ({fingerprint})"),
            None => format!("{} ({fingerprint})", self.model.name),
        }
    }

    /// Everything that decides what is measured of a picture, to tell one run from another.
    pub(crate) fn settings(&self, context: &Context, lpips: Option<u32>) -> Map<String, Value> {
        let codecs = self.codecs.iter().filter_map(|codec| {
            let version = codec.version.as_ref()?;
            Some(format!("{} ({version})", codec.name))
        });
        let (decode, engine) = (&self.decode, self.model.codec.engine());
        let settings = json!({
            "model": self.model_name(),
            "engine": format!("{}, {}", engine.backend, engine.precisions()),
            "unit": self.unit,
            "budgets": self.budgets,
            "codecs": codecs.collect::<Vec<_>>(),
            "look": decode.look.map(|look| look.to_string()),
            "steps": decode.steps,
            "guidance": decode.guidance,
            "apg": decode.apg,
            "seed": decode.seed,
            "background": self.background,
            "color_management": context.loading.color_management,
            "protocol": self.protocol.map(|protocol| format!("{protocol:?}")),
            "lpips": lpips,
            "seeds": self.seeds,
            "until": self.until.map(|until| format!("{}={}", until.metric.name(), until.value)),
        });
        match settings {
            Value::Object(settings) => settings,
            _ => Map::new(),
        }
    }
}

/// The unit and the budgets in it, rising.
fn budgets_of(model: &Model, given: Budgets<'_>) -> Result<(Unit, Vec<u32>), CliError> {
    let most = model.codec.max_tokens();
    let (unit, mut budgets) = match (given, most) {
        (Budgets::Default, None) => (Unit::Bytes, BYTES.to_vec()),
        (Budgets::Default, Some(most)) => {
            let powers = (0..u32::BITS).map(|power| 1 << power);
            let below = powers.take_while(|&tokens| tokens < most);
            (Unit::Tokens, below.chain([most]).collect())
        }
        (Budgets::Bytes(bytes), _) => {
            let fitting = bytes.iter().map(|&bytes| {
                let problem = || format!("is {bytes}; allowed: at most {} bytes", u32::MAX);
                u32::try_from(bytes).map_err(|_| CliError::usage("--bytes", problem()))
            });
            (Unit::Bytes, fitting.collect::<Result<_, _>>()?)
        }
        (Budgets::Tokens(tokens), Some(most)) => {
            if let Some(above) = tokens.iter().find(|&&tokens| tokens > most) {
                let problem = format!("is {above}; allowed: 1 to {most}, which the model has");
                return Err(CliError::usage("--tokens", problem));
            }
            (Unit::Tokens, tokens.to_vec())
        }
        (Budgets::Tokens(_), None) => {
            let problem = "is for FlexTok models; name one with --model PATH, or use --bytes";
            return Err(CliError::usage("--tokens", problem));
        }
    };
    budgets.sort_unstable();
    budgets.dedup();
    Ok((unit, budgets))
}

/// A metric and the value to reach, as `psnr=30`.
pub(crate) fn parse_until(text: &str) -> Result<Target, String> {
    let allowed = || {
        let names = Metric::ALL.map(|metric| format!("{}=S", metric.name()));
        format!("allowed: {}", names.join(", "))
    };
    let (metric, value) = text.split_once('=').ok_or_else(allowed)?;
    let metric: Metric = metric.parse().map_err(|_| allowed())?;
    let value = values::quality(value)?;
    match metric.max() {
        Some(most) if value > most => {
            Err(format!("allowed: at most {most} for {}", metric.label()))
        }
        _ => Ok(Target { metric, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_qualities() {
        let target = parse_until("psnr=30").expect("a target");
        assert_eq!((target.metric, target.value), (Metric::Psnr, 30.0));
        let target = parse_until("ssimulacra2=-5.5").expect("a target");
        assert_eq!((target.metric, target.value), (Metric::Ssimulacra2, -5.5));
        for (text, mention) in [
            ("psnr", "psnr=S, ssim=S"),
            ("lpips=1", "psnr=S"),
            ("psnr=x", "finite"),
            ("ssim=1.5", "at most 1 for SSIM"),
        ] {
            let refused = parse_until(text).expect_err(text);
            assert!(refused.contains(mention), "{refused}");
        }
    }
}
