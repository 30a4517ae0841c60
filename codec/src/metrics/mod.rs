//! Similarity of two pictures: PSNR, SSIM, mean absolute error, SSIMULACRA 2 and LPIPS; of two sets of features: the Fréchet
//! distance.
//!
//! PSNR and MAE are one line each and SSIM one page, written here because the available crates
//! compute SSIM on blocks with unscaled variances, unlike other implementations; these agree with
//! scikit-image (see the tests). SSIMULACRA 2 comes from the crate of the rust-av project.

mod frechet;
mod lpips;
mod ssim;

use std::str::FromStr;

use flextok_compute::{ComputeError, Threads};
pub use frechet::{FrechetError, frechet};
use image::RgbImage;
pub use lpips::Lpips;
use rayon::prelude::*;
use ssim::Window;

use crate::Size;
use crate::macros::named;

/// The comparison of two pictures of the same size.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Peak signal-to-noise ratio in dB, `10 · log10(255² / MSE)` with the mean squared error over
    /// all samples of all three channels; `None` for identical pictures.
    pub psnr: Option<f64>,
    /// Structural similarity, at most 1: mean over the three channels of SSIM with a Gaussian
    /// window of 11 × 11 and σ = 1.5, K1 = 0.01, K2 = 0.03, at the positions where the window fits
    /// (Wang et al. 2004). Along a side shorter than 11 the window has the length of the side.
    pub ssim: f64,
    /// The same with the window that most tools take: 7 × 7, uniform, with the sample covariance (`skimage`'s default).
    pub ssim_uniform7: f64,
    /// Mean absolute error over all samples, in steps of 8 bits.
    pub mae: f64,
    /// SSIMULACRA 2 with the first picture as the original, at most 100 (90 is visually lossless);
    /// `None` below 8 × 8 pixels, where it is not defined.
    pub ssimulacra2: Option<f64>,
}

named! {
    /// One measure of how close two pictures are; higher is closer for each of them.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum Metric {
        /// Peak signal-to-noise ratio in dB: [`Comparison::psnr`], infinite for identical pictures.
        Psnr => "psnr",
        /// Structural similarity: [`Comparison::ssim`].
        Ssim => "ssim",
        /// SSIMULACRA 2: [`Comparison::ssimulacra2`].
        Ssimulacra2 => "ssimulacra2",
    }
}

impl Metric {
    /// All metrics.
    pub const ALL: [Self; 3] = [Self::Psnr, Self::Ssim, Self::Ssimulacra2];

    /// Its usual spelling in texts, such as `SSIMULACRA 2`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Psnr => "PSNR",
            Self::Ssim => "SSIM",
            Self::Ssimulacra2 => "SSIMULACRA 2",
        }
    }

    /// The largest value that it can have; `None` if there is none.
    #[must_use]
    pub const fn max(self) -> Option<f64> {
        match self {
            Self::Psnr => None,
            Self::Ssim => Some(1.0),
            Self::Ssimulacra2 => Some(100.0),
        }
    }

    /// Its unit or range in words.
    #[must_use]
    pub fn scale(self) -> &'static str {
        match self {
            Self::Psnr => "in dB",
            Self::Ssim => "at most 1",
            Self::Ssimulacra2 => "at most 100; may be negative",
        }
    }

    /// Measures `second` against `first`, the original, on these threads.
    ///
    /// # Errors
    /// [`CompareError::SizesDiffer`], [`CompareError::Empty`]; [`CompareError::TooSmall`] where SSIMULACRA 2 is not
    /// defined, [`CompareError::OutOfMemory`].
    pub fn measure(
        self,
        first: &RgbImage,
        second: &RgbImage,
        threads: &Threads,
    ) -> Result<f64, CompareError> {
        let (width, height) = checked(first, second)?;
        threads.install(|| match self {
            Self::Psnr => {
                let (_, squared) = differences(first, second);
                Ok(psnr(first, squared).unwrap_or(f64::INFINITY))
            }
            Self::Ssim => Ok(ssim::ssim(first, second, Window::GAUSSIAN_11)),
            Self::Ssimulacra2 => {
                check_memory(first, SSIMULACRA2.0, SSIMULACRA2.1)?;
                ssimulacra2(first, second).ok_or(CompareError::TooSmall {
                    metric: SSIMULACRA2.0,
                    width,
                    height,
                    least: LEAST,
                })
            }
        })
    }
}

/// The text is not the [`Metric::name`] of a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a metric; allowed: {}", Metric::ALL.map(Metric::name).join(", "))]
pub struct ParseMetricError {
    found: String,
}

impl FromStr for Metric {
    type Err = ParseMetricError;

    fn from_str(text: &str) -> Result<Self, ParseMetricError> {
        let mut all = Self::ALL.into_iter();
        all.find(|metric| metric.name() == text)
            .ok_or_else(|| ParseMetricError {
                found: text.to_owned(),
            })
    }
}

/// Errors of [`compare`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// The pictures differ in size.
    #[error("cannot compare pictures of different sizes: {first} and {second}; scale one of them")]
    SizesDiffer {
        /// Size of the first picture in pixels.
        first: Size,
        /// Size of the second picture in pixels.
        second: Size,
    },
    /// There are no pixels.
    #[error("cannot compare pictures of {width}x{height} pixels; both sides must be at least 1")]
    Empty {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The metric is not defined for pictures this small.
    #[error(
        "{metric} is not defined for {width}x{height} pixels; both sides must be at least {least}, so use PSNR or SSIM"
    )]
    TooSmall {
        /// The metric.
        metric: &'static str,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The least side in pixels.
        least: u32,
    },
    /// The system does not have the memory that a metric takes.
    #[error(
        "{metric} needs {bytes} bytes of memory for these pictures, more than the system has; scale both down"
    )]
    OutOfMemory {
        /// The metric.
        metric: &'static str,
        /// Memory needed, in bytes.
        bytes: u64,
    },
    /// The weights of a network are so large that its result is no number.
    #[error("{metric} of these pictures is not finite with these weights; use the published ones")]
    NotFinite {
        /// The metric.
        metric: &'static str,
    },
    /// The network of a metric failed.
    #[error("LPIPS: {source}")]
    Compute {
        /// The error of the engine.
        source: ComputeError,
    },
}

/// Compares `second` with `first` on these threads. Only `ssimulacra2` depends on which is which.
///
/// # Errors
/// [`CompareError::SizesDiffer`], [`CompareError::Empty`], [`CompareError::OutOfMemory`].
pub fn compare(
    first: &RgbImage,
    second: &RgbImage,
    threads: &Threads,
) -> Result<Comparison, CompareError> {
    checked(first, second)?;
    check_memory(first, SSIMULACRA2.0, SSIMULACRA2.1)?;
    Ok(threads.install(|| measured(first, second)))
}

fn measured(first: &RgbImage, second: &RgbImage) -> Comparison {
    let (absolute, squared) = differences(first, second);
    let samples = first.as_raw().len() as f64;
    Comparison {
        psnr: psnr(first, squared),
        ssim: ssim::ssim(first, second, Window::GAUSSIAN_11),
        ssim_uniform7: ssim::ssim(first, second, Window::UNIFORM_7),
        mae: absolute as f64 / samples,
        ssimulacra2: ssimulacra2(first, second),
    }
}

/// The size of both pictures.
fn checked(first: &RgbImage, second: &RgbImage) -> Result<(u32, u32), CompareError> {
    let (width, height) = first.dimensions();
    if first.dimensions() != second.dimensions() {
        return Err(CompareError::SizesDiffer {
            first: first.dimensions().into(),
            second: second.dimensions().into(),
        });
    }
    if width == 0 || height == 0 {
        return Err(CompareError::Empty { width, height });
    }
    Ok((width, height))
}

/// PSNR of a picture with this sum of squared differences; none if there is no difference.
pub(crate) fn psnr(first: &RgbImage, squared: u64) -> Option<f64> {
    let samples = first.as_raw().len() as f64;
    (squared > 0).then(|| 10.0 * (255.0 * 255.0 * samples / squared as f64).log10())
}

/// Sums of absolute and squared differences, exact.
fn differences(first: &RgbImage, second: &RgbImage) -> (u64, u64) {
    let rows = |picture| RgbImage::as_raw(picture).par_chunks(1 << 16);
    rows(first)
        .zip(rows(second))
        .map(|(a, b)| {
            let each = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)));
            each.fold((0, 0), |(sum, squares), d| (sum + d, squares + d * d))
        })
        .reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

/// The name of SSIMULACRA 2 in errors, and the memory that its crate takes for planes of floats without asking: 150 bytes a
/// pixel were measured.
const SSIMULACRA2: (&str, u64) = ("SSIMULACRA 2", 152);

/// Its least side.
const LEAST: u32 = 8;

/// Checks that the system has this many bytes for each pixel.
fn check_memory(
    picture: &RgbImage,
    metric: &'static str,
    bytes_a_pixel: u64,
) -> Result<(), CompareError> {
    let bytes = Size::from(picture.dimensions()).area() * bytes_a_pixel;
    crate::picture::memory::probe(bytes).map_err(|_| CompareError::OutOfMemory { metric, bytes })
}

fn ssimulacra2(first: &RgbImage, second: &RgbImage) -> Option<f64> {
    use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};
    let (width, height) = first.dimensions();
    if width < LEAST || height < LEAST {
        return None;
    }
    let frame = |picture: &RgbImage| {
        let (pixels, _) = picture.as_raw().as_chunks::<3>();
        let pixels = pixels.iter().map(|p| p.map(|v| f32::from(v) / 255.0));
        Rgb::new(
            pixels.collect(),
            width as usize,
            height as usize,
            TransferCharacteristic::SRGB,
            ColorPrimaries::BT709,
        )
        .ok()
    };
    compute_frame_ssimulacra2(frame(first)?, frame(second)?).ok()
}

#[cfg(test)]
mod tests;
