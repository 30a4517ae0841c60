//! What an evaluation found: what `--json` prints, and what the report shows.

use serde::{Deserialize, Deserializer, Serialize};

/// All of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Name and version of the program that measured.
    pub(crate) program: String,
    /// Name and fingerprint of the model.
    pub(crate) model: String,
    /// The command line that repeats the run.
    pub(crate) command: String,
    /// What the budgets count.
    pub(crate) unit: Unit,
    /// The budgets, in rising order.
    pub(crate) budgets: Vec<u32>,
    /// Who was measured: flextok first, then its rivals; those that are not installed too.
    pub(crate) codecs: Vec<Contestant>,
    /// The pictures, in the order of the inputs.
    pub(crate) pictures: Vec<Picture>,
    /// One for each picture, codec and budget that has a file.
    pub(crate) measurements: Vec<Measurement>,
    /// Means over the pictures; none where a codec has no file for one of them.
    pub(crate) means: Vec<Mean>,
    /// What different seeds change; with `--seeds`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) uncertainty: Vec<Uncertainty>,
    /// The budget at which each picture reaches the wanted quality; with `--until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) halting: Option<Halting>,
    /// Pictures that could not be measured.
    pub(crate) failures: Vec<Failure>,
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    /// Bytes of a whole file.
    Bytes,
    /// Tokens of a FlexTok model.
    Tokens,
}

/// A codec in the comparison.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Contestant {
    /// What options call it, such as `webp`.
    pub(crate) name: String,
    /// Its programs with their versions.
    pub(crate) version: Option<String>,
    /// Why it was not measured.
    pub(crate) missing: Option<String>,
}

/// A picture of the set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Picture {
    /// Its file, as it was named.
    pub(crate) name: String,
    /// Pixels, after the protocol's crop.
    pub(crate) width: u32,
    /// Pixels, after the protocol's crop.
    pub(crate) height: u32,
}

/// One file of one codec, measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// [`Contestant::name`].
    pub(crate) codec: String,
    /// [`Picture::name`].
    pub(crate) picture: String,
    /// In the run's unit.
    pub(crate) budget: u32,
    /// Bytes of the whole file.
    pub(crate) bytes: u64,
    /// How the file was made, such as `quality 12 at 60 %`; empty for flextok.
    pub(crate) settings: String,
    /// Seconds.
    pub(crate) encode_seconds: f64,
    /// Seconds.
    pub(crate) decode_seconds: f64,
    /// How close it is.
    pub(crate) figures: Figures,
}

/// How close a decode is to its original. Those that are not defined for it are absent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// dB; absent for an identical picture.
    pub(crate) psnr: Option<f64>,
    /// With the Gaussian window of 11×11.
    pub(crate) ssim_gaussian11: f64,
    /// With the uniform window of 7×7.
    pub(crate) ssim_uniform7: f64,
    /// In steps of 8 bits.
    pub(crate) mae: f64,
    pub(crate) ssimulacra2: Option<f64>,
    /// With AlexNet; only where weights were given.
    pub(crate) lpips: Option<f64>,
}

/// The mean of one figure over all pictures, with its 95 % bootstrap interval.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Mean {
    /// [`Contestant::name`].
    pub(crate) codec: String,
    /// In the run's unit.
    pub(crate) budget: u32,
    /// A field of [`Figures`], or `bytes`, `encode_seconds`, `decode_seconds`.
    pub(crate) figure: String,
    pub(crate) mean: f64,
    /// Bounds of the interval.
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Pictures in it.
    pub(crate) count: usize,
}

/// What different noise makes of the same tokens, for one picture and budget.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Uncertainty {
    /// [`Picture::name`].
    pub(crate) picture: String,
    /// In the run's unit.
    pub(crate) budget: u32,
    /// Decodes.
    pub(crate) seeds: u32,
    /// Mean squared error of a decode, in squared steps of 8 bits: the sum of the next two.
    pub(crate) mse: f64,
    /// Squared error of the mean of the decodes.
    pub(crate) bias2: f64,
    /// Mean squared distance of the decodes from their mean.
    pub(crate) variance: f64,
    /// Mean squared distance of two decodes.
    pub(crate) pairwise_mse: f64,
    /// Mean LPIPS of two decodes; only where weights were given.
    pub(crate) pairwise_lpips: Option<f64>,
    /// dB, of the mean of the decodes.
    pub(crate) psnr_mean: Option<f64>,
    /// dB, the mean over the decodes.
    pub(crate) psnr_sample: Option<f64>,
}

/// The budgets at which the pictures reach a quality.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Halting {
    /// Such as `psnr`.
    pub(crate) metric: String,
    pub(crate) target: f64,
    pub(crate) pictures: Vec<Halt>,
}

/// Where one picture reaches it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Halt {
    /// [`Picture::name`].
    pub(crate) picture: String,
    /// Bytes or tokens; absent where no budget reaches it.
    pub(crate) budget: Option<u32>,
    /// The quality at that budget, or the best there is; infinite, in JSON `null`, for an identical picture.
    #[serde(deserialize_with = "number_or_infinity")]
    pub(crate) reached: f64,
}

fn number_or_infinity<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::INFINITY))
}

/// A picture that could not be measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) picture: String,
    /// One line.
    pub(crate) error: String,
}
