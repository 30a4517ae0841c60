//! What different noise makes of the same tokens: the mean of several decodes, how far they lie apart, and how much of their
//! error is chance.
//!
//! The decoder of a FlexTok model draws a picture at random among those that fit the tokens. The mean squared error of such a
//! draw is exactly the squared error of the mean of all draws (bias²) plus their variance around it. Decodes are added one by
//! one and not kept: sums of whole numbers, 24 bytes a pixel, from which everything follows without rounding.

use image::{GrayImage, RgbImage};

use crate::Size;
use crate::error::{Error, OptionName};
use crate::metrics::{self, CompareError};
use crate::picture::memory;

/// Sums over decodes of the same tokens from different noise.
#[derive(Debug, Clone)]
pub struct Ensemble {
    size: Size,
    count: u32,
    /// Σx for each sample.
    sums: Vec<u32>,
    /// Σx² for each sample.
    squares: Vec<u32>,
}

/// Decodes beside the picture that they are of.
#[derive(Debug, Clone)]
pub struct Measured {
    original: RgbImage,
    ensemble: Ensemble,
    /// Sum of the decodes' PSNR; infinite where one is the original.
    psnr: f64,
}

/// How much of the error of decodes is chance. Errors are in squared steps of 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Uncertainty {
    /// Number of decodes.
    pub decodes: u32,
    /// Mean squared error of a decode: the sum of `bias2` and `variance`.
    pub mse: f64,
    /// Squared error of the mean of the decodes, which is not rounded for it.
    pub bias2: f64,
    /// Mean squared distance of the decodes from their mean.
    pub variance: f64,
    /// Mean squared distance of two decodes: `variance` times 2n / (n - 1).
    pub pairwise_mse: f64,
    /// PSNR of the mean of the decodes in dB; `None` if that is the original.
    pub psnr_mean: Option<f64>,
    /// Mean of the decodes' PSNR in dB; `None` if one of them is the original.
    pub psnr_sample: Option<f64>,
}

impl Ensemble {
    /// Most decodes that can be added.
    pub const MAX_DECODES: u32 = 1024;

    /// Grey values of [`Ensemble::deviation_map`] for one step of 8 bits.
    pub const MAP_SCALE: f64 = 4.0;

    /// No decodes yet, of a picture of this size, within `max_memory` bytes.
    ///
    /// # Errors
    /// [`CompareError::Empty`] for a size without pixels; [`PictureError`](crate::picture::PictureError) where the memory is
    /// more than is allowed, or than the system has.
    pub fn new(size: Size, max_memory: u64) -> Result<Self, Error> {
        let Size { width, height } = size;
        if width == 0 || height == 0 {
            return Err(CompareError::Empty { width, height }.into());
        }
        memory::check(size.area().saturating_mul(24), max_memory)?;
        let zeros = || -> Result<Vec<u32>, Error> {
            let samples = usize::try_from(size.area().saturating_mul(3)).unwrap_or(usize::MAX);
            let mut sums = memory::with_capacity(samples)?;
            sums.resize(samples, 0);
            Ok(sums)
        };
        Ok(Self {
            size,
            count: 0,
            sums: zeros()?,
            squares: zeros()?,
        })
    }

    /// Adds a decode.
    ///
    /// # Errors
    /// [`CompareError::SizesDiffer`]; [`Error::Option`] beyond [`Ensemble::MAX_DECODES`].
    pub fn add(&mut self, decode: &RgbImage) -> Result<(), Error> {
        let found = Size::from(decode.dimensions());
        if found != self.size {
            let (first, second) = (self.size, found);
            return Err(CompareError::SizesDiffer { first, second }.into());
        }
        if self.count >= Self::MAX_DECODES {
            return Err(self.refuse(self.count + 1));
        }
        let each = self.sums.iter_mut().zip(&mut self.squares);
        for ((sum, square), &value) in each.zip(decode.as_raw()) {
            let value = u32::from(value);
            *sum += value;
            *square += value * value;
        }
        self.count += 1;
        Ok(())
    }

    /// The mean of the decodes, rounded to whole steps, halves upwards.
    ///
    /// # Errors
    /// [`Error::Option`] with fewer than two decodes; [`PictureError`](crate::picture::PictureError) where memory ends.
    pub fn mean(&self) -> Result<RgbImage, Error> {
        let count = self.enough()?;
        let Size { width, height } = self.size;
        let mut mean = memory::zeroed(self.sums.len() as u64)?;
        for (mean, sum) in mean.iter_mut().zip(&self.sums) {
            *mean = ((sum + count / 2) / count) as u8;
        }
        Ok(RgbImage::from_raw(width, height, mean).unwrap_or_default())
    }

    /// Where the decodes differ: the standard deviation (by n) of each pixel, the root of the mean of its channels' variances,
    /// in steps of 8 bits times [`Ensemble::MAP_SCALE`], at most 255. Black is where all decodes agree, white where the
    /// deviation is 63.6 steps or more.
    ///
    /// # Errors
    /// As [`Ensemble::mean`].
    pub fn deviation_map(&self) -> Result<GrayImage, Error> {
        let count = f64::from(self.enough()?);
        let Size { width, height } = self.size;
        let mut map = memory::zeroed(self.size.area())?;
        let pixels = self.sums.as_chunks::<3>().0.iter();
        for (grey, (sums, squares)) in map
            .iter_mut()
            .zip(pixels.zip(self.squares.as_chunks::<3>().0))
        {
            let each = sums.iter().zip(squares);
            let scaled: u64 = each.map(|(sum, square)| self.scaled(*sum, *square)).sum();
            let deviation = (scaled as f64 / 3.0).sqrt() / count;
            *grey = (deviation * Self::MAP_SCALE).round().min(255.0) as u8;
        }
        Ok(GrayImage::from_raw(width, height, map).unwrap_or_default())
    }

    /// The variance of a sample, times the squared number of decodes.
    fn scaled(&self, sum: u32, square: u32) -> u64 {
        u64::from(self.count) * u64::from(square) - u64::from(sum).pow(2)
    }

    /// The number of decodes, if there are two.
    fn enough(&self) -> Result<u32, Error> {
        if self.count < 2 {
            return Err(self.refuse(self.count));
        }
        Ok(self.count)
    }

    fn refuse(&self, count: u32) -> Error {
        OptionName::Samples.refuse(count, format!("2 to {}", Self::MAX_DECODES))
    }
}

impl Measured {
    /// No decodes yet, of this picture, within `max_memory` bytes beside it.
    ///
    /// # Errors
    /// As [`Ensemble::new`].
    pub fn new(original: RgbImage, max_memory: u64) -> Result<Self, Error> {
        let ensemble = Ensemble::new(original.dimensions().into(), max_memory)?;
        Ok(Self {
            original,
            ensemble,
            psnr: 0.0,
        })
    }

    /// Adds a decode.
    ///
    /// # Errors
    /// As [`Ensemble::add`].
    pub fn add(&mut self, decode: &RgbImage) -> Result<(), Error> {
        self.ensemble.add(decode)?;
        let pairs = self.original.as_raw().iter().zip(decode.as_raw());
        let squared = pairs.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
        self.psnr += metrics::psnr(&self.original, squared).unwrap_or(f64::INFINITY);
        Ok(())
    }

    /// The decodes alone.
    #[must_use]
    pub fn ensemble(&self) -> &Ensemble {
        &self.ensemble
    }

    /// The split of the error.
    ///
    /// # Errors
    /// [`Error::Option`] with fewer than two decodes.
    pub fn uncertainty(&self) -> Result<Uncertainty, Error> {
        let decodes = self.ensemble.enough()?;
        let (bias2, variance) = self.sums();
        let count = f64::from(decodes);
        let scale = count * count * self.original.as_raw().len() as f64;
        let mean = |sum: u128| sum as f64 / scale;
        let psnr_sample = self.psnr / count;
        Ok(Uncertainty {
            decodes,
            mse: mean(bias2 + variance),
            bias2: mean(bias2),
            variance: mean(variance),
            pairwise_mse: mean(variance) * 2.0 * count / (count - 1.0),
            psnr_mean: (bias2 > 0).then(|| 10.0 * (255.0 * 255.0 / mean(bias2)).log10()),
            psnr_sample: psnr_sample.is_finite().then_some(psnr_sample),
        })
    }

    /// The sums of bias² and of variance over all samples, each times the squared number of decodes. Whole numbers: with
    /// n decodes x of a sample o, nΣ(x - o)² is (Σx - no)² + nΣx² - (Σx)².
    fn sums(&self) -> (u128, u128) {
        let Ensemble {
            count,
            sums,
            squares,
            ..
        } = &self.ensemble;
        let mut totals = (0, 0);
        for ((sum, square), &original) in sums.iter().zip(squares).zip(self.original.as_raw()) {
            let difference = u64::from(sum.abs_diff(count * u32::from(original)));
            totals.0 += u128::from(difference.pow(2));
            totals.1 += u128::from(self.ensemble.scaled(*sum, *square));
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: u64 = 1 << 20;

    /// Decodes and an original of 7×5 without a pattern.
    fn made_up(count: u64) -> (RgbImage, Vec<RgbImage>) {
        let picture = |seed: u64| {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            RgbImage::from_fn(7, 5, |_, _| {
                image::Rgb([0; 3].map(|_: u8| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state >> 32) as u8
                }))
            })
        };
        (picture(99), (1..=count).map(picture).collect())
    }

    fn measured(original: &RgbImage, decodes: &[RgbImage]) -> Measured {
        let mut measured = Measured::new(original.clone(), MEMORY).unwrap();
        decodes.iter().for_each(|one| measured.add(one).unwrap());
        measured
    }

    fn mse(a: impl Iterator<Item = f64>, b: impl Iterator<Item = f64>) -> f64 {
        let squares: Vec<f64> = a.zip(b).map(|(a, b)| (a - b).powi(2)).collect();
        squares.iter().sum::<f64>() / squares.len() as f64
    }

    fn samples(picture: &RgbImage) -> impl Iterator<Item = f64> + '_ {
        picture.as_raw().iter().map(|&value| f64::from(value))
    }

    #[test]
    fn the_split_is_that_of_a_plain_computation() {
        for count in [2, 3, 10] {
            let (original, decodes) = made_up(count);
            let n = count as f64;
            let mean: Vec<f64> = (0..105)
                .map(|at| {
                    decodes
                        .iter()
                        .map(|d| f64::from(d.as_raw()[at]))
                        .sum::<f64>()
                        / n
                })
                .collect();
            let over =
                |figure: &dyn Fn(&RgbImage) -> f64| decodes.iter().map(figure).sum::<f64>() / n;
            let bias2 = mse(mean.iter().copied(), samples(&original));
            let error = over(&|one| mse(samples(one), samples(&original)));
            let variance = over(&|one| mse(samples(one), mean.iter().copied()));
            let psnr = |mse: f64| 10.0 * (65_025.0 / mse).log10();
            let pairs = decodes.iter().enumerate().flat_map(|(i, a)| {
                decodes[..i]
                    .iter()
                    .map(move |b| mse(samples(a), samples(b)))
            });
            let pairwise = pairs.sum::<f64>() / (n * (n - 1.0) / 2.0);
            let found = measured(&original, &decodes).uncertainty().unwrap();
            for (found, expected) in [
                (found.mse, error),
                (found.mse, found.bias2 + found.variance),
                (found.bias2, bias2),
                (found.variance, variance),
                (found.pairwise_mse, pairwise),
                (found.psnr_mean.unwrap(), psnr(bias2)),
                (
                    found.psnr_sample.unwrap(),
                    over(&|one| psnr(mse(samples(one), samples(&original)))),
                ),
            ] {
                assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
            }
            assert_eq!(u64::from(found.decodes), count);
        }
    }

    #[test]
    fn the_mean_and_the_map_are_rounded() {
        let pixel = |values| RgbImage::from_pixel(1, 1, image::Rgb(values));
        let mut ensemble = Ensemble::new(Size::new(1, 1), MEMORY).unwrap();
        ensemble.add(&pixel([0, 10, 255])).unwrap();
        ensemble.add(&pixel([1, 20, 255])).unwrap();
        assert_eq!(ensemble.mean().unwrap(), pixel([1, 15, 255]));
        // Deviations of 0.5, 5 and 0: the root of 25.25 / 3 is 2.90.
        assert_eq!(ensemble.deviation_map().unwrap().as_raw(), &[12]);
        let mut apart = Ensemble::new(Size::new(1, 1), MEMORY).unwrap();
        apart.add(&pixel([0; 3])).unwrap();
        apart.add(&pixel([255; 3])).unwrap();
        assert_eq!(apart.deviation_map().unwrap().as_raw(), &[255]);
    }

    #[test]
    fn the_largest_sums_fit() {
        let white = RgbImage::from_pixel(2, 1, image::Rgb([255; 3]));
        let mut measured = Measured::new(RgbImage::new(2, 1), MEMORY).unwrap();
        for _ in 0..Ensemble::MAX_DECODES {
            measured.add(&white).unwrap();
        }
        let found = measured.uncertainty().unwrap();
        assert_eq!((found.mse, found.variance), (65_025.0, 0.0));
        assert_eq!((found.psnr_mean, found.psnr_sample), (Some(0.0), Some(0.0)));
        let refused = measured.add(&white).unwrap_err().to_string();
        assert!(
            refused.contains("1025") && refused.contains("2 to 1024"),
            "{refused}"
        );
    }

    #[test]
    fn an_original_among_the_decodes_has_no_psnr() {
        let (original, decodes) = made_up(1);
        let found = measured(&original, &[decodes[0].clone(), original.clone()]);
        let found = found.uncertainty().unwrap();
        assert!(found.psnr_mean.is_some() && found.psnr_sample.is_none());
        let same = measured(&original, &[original.clone(), original.clone()]);
        assert_eq!(same.uncertainty().unwrap().psnr_mean, None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let (original, decodes) = made_up(1);
        let mut one = measured(&original, &decodes);
        for refused in [
            one.uncertainty().unwrap_err(),
            one.ensemble().mean().unwrap_err(),
            one.ensemble().deviation_map().unwrap_err(),
        ] {
            assert!(refused.to_string().contains("2 to 1024"), "{refused}");
        }
        let refused = one.add(&RgbImage::new(5, 7)).unwrap_err();
        assert!(refused.to_string().contains("different sizes"), "{refused}");
        let large = Ensemble::new(Size::new(1 << 20, 1 << 20), MEMORY).unwrap_err();
        assert_eq!(large.limit(), Some(crate::LimitKind::ImageMemory));
        let empty = Ensemble::new(Size::new(0, 5), MEMORY).unwrap_err();
        assert!(empty.to_string().contains("0x5"), "{empty}");
        // Nobody has this much, whatever is allowed.
        assert!(Ensemble::new(Size::new(u32::MAX, u32::MAX), u64::MAX).is_err());
    }
}
