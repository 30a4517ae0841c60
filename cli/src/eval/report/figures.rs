//! The figures that the report shows: what they are called, and which way is better.

use super::markup::number;
use crate::eval::results::{Figures, Mean, Results, Unit};

/// A figure of [`Figures`].
pub(super) struct Figure {
    /// Its name in [`Mean::figure`].
    pub(super) key: &'static str,
    pub(super) label: &'static str,
    /// In brackets behind the label; empty where it has none.
    pub(super) unit: &'static str,
    pub(super) higher_is_better: bool,
    pub(super) decimals: usize,
}

pub(super) const FIGURES: [Figure; 6] = [
    figure("psnr", "PSNR", "dB", true, 2),
    figure("ssim_gaussian11", "SSIM, Gaussian 11×11", "", true, 4),
    figure("ssim_uniform7", "SSIM, uniform 7×7", "", true, 4),
    figure("mae", "Mean absolute error", "8-bit steps", false, 2),
    figure("ssimulacra2", "SSIMULACRA 2", "", true, 2),
    figure("lpips", "LPIPS, AlexNet", "", false, 4),
];

const fn figure(
    key: &'static str,
    label: &'static str,
    unit: &'static str,
    higher_is_better: bool,
    decimals: usize,
) -> Figure {
    Figure {
        key,
        label,
        unit,
        higher_is_better,
        decimals,
    }
}

impl Figure {
    /// Label and unit.
    pub(super) fn title(&self) -> String {
        if self.unit.is_empty() {
            self.label.to_owned()
        } else {
            format!("{} ({})", self.label, self.unit)
        }
    }

    pub(super) fn better(&self) -> &'static str {
        if self.higher_is_better {
            "higher is better"
        } else {
            "lower is better"
        }
    }

    /// A value with its unit, in words.
    pub(super) fn value(&self, value: f64) -> String {
        let gap = if self.unit.is_empty() { "" } else { " " };
        format!("{}{gap}{}", number(value, self.decimals), self.unit)
    }
}

/// Whether all of a mean can be drawn.
pub(super) fn is_finite(mean: &Mean) -> bool {
    mean.mean.is_finite() && mean.low.is_finite() && mean.high.is_finite()
}

/// The mean of a figure of one codec at one budget.
pub(super) fn mean<'a>(
    results: &'a Results,
    codec: &str,
    budget: u32,
    figure: &str,
) -> Option<&'a Mean> {
    let mut means = results.means.iter().filter(|mean| is_finite(mean));
    means.find(|mean| mean.budget == budget && mean.figure == figure && mean.codec == codec)
}

/// The figures that have a mean.
pub(super) fn present(results: &Results) -> Vec<&'static Figure> {
    let has = |key| {
        let mut means = results.means.iter().filter(|mean| is_finite(mean));
        means.any(|mean| mean.figure == key)
    };
    FIGURES.iter().filter(|figure| has(figure.key)).collect()
}

/// The names of the codecs that were measured, in their order.
pub(super) fn measured(results: &Results) -> Vec<&str> {
    let codecs = results.codecs.iter();
    let measured = codecs.filter(|codec| codec.missing.is_none());
    measured.map(|codec| codec.name.as_str()).collect()
}

impl Unit {
    /// A number of them, in words.
    pub(super) fn count(self, number: u32) -> String {
        let thing = match self {
            Self::Bytes => "byte",
            Self::Tokens => "token",
        };
        crate::values::count(number, thing)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Tokens => "tokens",
        }
    }
}

/// PSNR of a decode; infinite for an identical one.
pub(super) fn psnr(figures: &Figures) -> f64 {
    figures.psnr.unwrap_or(f64::INFINITY)
}
