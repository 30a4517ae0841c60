//! Structural similarity with a Gaussian or a uniform window (Wang, Bovik, Sheikh, Simoncelli 2004).

use image::RgbImage;
use rayon::prelude::*;

/// The weights of the positions that are compared together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    side: usize,
    /// Standard deviation in pixels; none where all weigh the same.
    sigma: Option<f64>,
    /// Whether variances are of a sample (divided by n - 1) rather than of all there is (by n).
    sample: bool,
}

impl Window {
    pub(super) const GAUSSIAN_11: Self = Self {
        side: 11,
        sigma: Some(1.5),
        sample: false,
    };
    pub(super) const UNIFORM_7: Self = Self {
        side: 7,
        sigma: None,
        sample: true,
    };

    /// Along one direction of a picture with a side of `length`: normalised, symmetric.
    fn weights(self, length: usize) -> Vec<f64> {
        let length = length.min(self.side);
        let middle = (length - 1) as f64 / 2.0;
        let weight = |i: usize| {
            self.sigma.map_or(1.0, |sigma| {
                (-((i as f64 - middle) / sigma).powi(2) / 2.0).exp()
            })
        };
        let raw: Vec<f64> = (0..length).map(weight).collect();
        let sum: f64 = raw.iter().sum();
        raw.iter().map(|w| w / sum).collect()
    }
}

const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

/// Window sums of one row of windows: x, y, x², y², xy per sample column.
const MAPS: usize = 5;

/// Mean SSIM over the channels and all positions where the window fits. The pictures have the same
/// size, at least 1 × 1. Memory in addition to the pictures: 40 bytes per sample of a row and thread.
pub(super) fn ssim(first: &RgbImage, second: &RgbImage, window: Window) -> f64 {
    let (width, height) = (first.width() as usize, first.height() as usize);
    let (across, down) = (window.weights(width), window.weights(height));
    let count = (across.len() * down.len()) as f64;
    let spread = if window.sample && count > 1.0 {
        count / (count - 1.0)
    } else {
        1.0
    };
    let stride = width * 3;
    let rows = height - down.len() + 1;
    // Each row of windows is summed alone and the sums in order: the same for any thread number.
    let sums: Vec<f64> = (0..rows)
        .into_par_iter()
        .map_init(
            || vec![[0.0; MAPS]; stride],
            |columns, row| {
                let band = row * stride..(row + down.len()) * stride;
                let (x, y) = (&first.as_raw()[band.clone()], &second.as_raw()[band]);
                sum_columns(x, y, &down, columns);
                row_of_windows(columns, &across, spread)
            },
        )
        .collect();
    let windows = rows * (width - across.len() + 1) * 3;
    sums.iter().sum::<f64>() / windows as f64
}

/// The weighted sums of the rows of a band, for each sample column.
fn sum_columns(x: &[u8], y: &[u8], down: &[f64], columns: &mut [[f64; MAPS]]) {
    columns.fill([0.0; MAPS]);
    let stride = columns.len();
    let rows = x.chunks_exact(stride).zip(y.chunks_exact(stride));
    for ((x, y), weight) in rows.zip(down) {
        for ((sums, x), y) in columns.iter_mut().zip(x).zip(y) {
            let (x, y) = (f64::from(*x), f64::from(*y));
            for (sum, value) in sums.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                *sum += weight * value;
            }
        }
    }
}

/// The sum of SSIM over one row of windows and the three channels. Variances are multiplied by `spread`.
fn row_of_windows(columns: &[[f64; MAPS]], across: &[f64], spread: f64) -> f64 {
    let last = columns.len() - (across.len() - 1) * 3;
    let mut total = 0.0;
    for start in 0..last {
        let mut sums = [0.0; MAPS];
        let window = columns[start..].iter().step_by(3);
        for (column, weight) in window.zip(across) {
            for (sum, value) in sums.iter_mut().zip(column) {
                *sum += weight * value;
            }
        }
        let [x, y, xx, yy, xy] = sums;
        let variances = spread * (xx - x * x + yy - y * y);
        let covariance = spread * (xy - x * y);
        total += (2.0 * x * y + C1) * (2.0 * covariance + C2)
            / ((x * x + y * y + C1) * (variances + C2));
    }
    total
}
