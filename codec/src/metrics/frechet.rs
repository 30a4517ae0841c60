//! Fréchet distance of two sets of features: how far apart the normal distributions are that have their means and covariances.
//!
//! Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter: GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
//! Equilibrium (2017). With features of Inception v3 it is known as FID. Where the features come from is not known here.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use crate::npy::NpyArray;

/// Most features a row; the usual networks have 512 to 4096.
const MAX_FEATURES: usize = 8192;

/// Rows that are added to a covariance together, which bounds the memory of their centred copies.
const ROWS: usize = 256;

/// Errors of [`frechet`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrechetError {
    /// An array that is not a table.
    #[error("features of shape {shape:?}; expected [N, D], one row for each picture")]
    Axes {
        /// The shape.
        shape: Vec<usize>,
    },
    /// The sets have different features.
    #[error("{first} and {second} features a row; both sets must come from the same network")]
    Features {
        /// Features of the first set.
        first: usize,
        /// Features of the second set.
        second: usize,
    },
    /// Too few rows for a covariance.
    #[error("{rows} rows of features; at least 2 are needed")]
    Rows {
        /// Rows of the set.
        rows: usize,
    },
    /// No features, or too many.
    #[error("{features} features a row; allowed: 1 to {MAX_FEATURES}")]
    Count {
        /// Features of a row.
        features: usize,
    },
    /// A NaN or an infinity among the features.
    #[error("feature {column} of row {row}, counted from 0, is {value}; all must be finite")]
    NotFinite {
        /// Index of the row.
        row: usize,
        /// Index in the row.
        column: usize,
        /// The feature.
        value: f64,
    },
    /// Squares of the features are beyond the numbers of 64 bits.
    #[error("the features are too large: their variance is not finite; scale both sets down")]
    Overflow,
    /// The eigenvalues of a covariance were not found.
    #[error("the eigenvalues of a covariance were not found in {iterations} iterations")]
    NoConvergence {
        /// Iterations made.
        iterations: usize,
    },
    /// The system does not have the memory.
    #[error(
        "covariances of {features} features need {bytes} bytes of memory, more than the system has"
    )]
    OutOfMemory {
        /// Features of a row.
        features: usize,
        /// Memory needed, in bytes.
        bytes: u64,
    },
}

/// Mean and covariance (by N - 1) of a set.
struct Moments {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

/// The Fréchet distance of two sets of features \[N, D\] with the same D, each with means μ and covariances Σ (by N - 1):
/// `|μ1 - μ2|² + tr(Σ1 + Σ2 - 2(Σ1 Σ2)^½)`, at least 0.
///
/// Everything is computed in f64. The trace of the root is the sum of the roots of the eigenvalues of RᵀΣ2R, where
/// RRᵀ = Σ1, which is symmetric: so it is real, also for the singular covariances of N ≤ D. Eigenvalues that rounding cannot
/// tell from 0 count as 0.
///
/// # Errors
/// [`FrechetError`] for arrays that are no such sets, and where memory ends.
pub fn frechet(first: &NpyArray<f64>, second: &NpyArray<f64>) -> Result<f64, FrechetError> {
    let (features, other) = (checked(first)?, checked(second)?);
    if features != other {
        return Err(FrechetError::Features {
            first: features,
            second: other,
        });
    }
    // Two covariances, vectors and copies that the factorisations and products make.
    let bytes = (features as u64).pow(2) * 8 * 8;
    crate::picture::memory::probe(bytes)
        .map_err(|_| FrechetError::OutOfMemory { features, bytes })?;
    let (first, second) = (moments(first, features), moments(second, features));
    let between = (&first.mean - &second.mean).norm_squared();
    let traces = [&first, &second].map(|set| set.covariance.trace());
    if !(between + traces[0] + traces[1]).is_finite() {
        return Err(FrechetError::Overflow);
    }
    let root = trace_of_root(first.covariance, second.covariance, traces)?;
    Ok((between + traces[0] + traces[1] - 2.0 * root).max(0.0))
}

/// The number of features of a row.
fn checked(set: &NpyArray<f64>) -> Result<usize, FrechetError> {
    let &[rows, features] = set.shape.as_slice() else {
        let shape = set.shape.clone();
        return Err(FrechetError::Axes { shape });
    };
    if rows < 2 {
        return Err(FrechetError::Rows { rows });
    }
    if features == 0 || features > MAX_FEATURES {
        return Err(FrechetError::Count { features });
    }
    if let Some(index) = set.data.iter().position(|value| !value.is_finite()) {
        return Err(FrechetError::NotFinite {
            row: index / features,
            column: index % features,
            value: set.data[index],
        });
    }
    Ok(features)
}

fn moments(set: &NpyArray<f64>, features: usize) -> Moments {
    let rows = (set.data.len() / features) as f64;
    let mut mean = DVector::zeros(features);
    for row in set.data.chunks_exact(features) {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += value / rows;
        }
    }
    let mut covariance = DMatrix::zeros(features, features);
    for block in set.data.chunks(ROWS * features) {
        // A row of the set is a column of the matrix.
        let centred = block.chunks_exact(features).flat_map(|row| {
            let each = row.iter().zip(mean.iter());
            each.map(|(value, mean)| value - mean)
        });
        let centred = DMatrix::from_iterator(features, block.len() / features, centred);
        covariance.gemm(1.0 / (rows - 1.0), &centred, &centred.transpose(), 1.0);
    }
    Moments { mean, covariance }
}

/// The trace of the root of the product of two covariances with these traces.
fn trace_of_root(
    mut first: DMatrix<f64>,
    mut second: DMatrix<f64>,
    traces: [f64; 2],
) -> Result<f64, FrechetError> {
    if traces.contains(&0.0) {
        return Ok(0.0);
    }
    // With traces of 1 no product is beyond the range of numbers.
    first /= traces[0];
    second /= traces[1];
    let iterations = 100 * first.nrows();
    let eigen = SymmetricEigen::try_new(first, f64::EPSILON, iterations)
        .ok_or(FrechetError::NoConvergence { iterations })?;
    let above = least(eigen.eigenvalues.as_slice());
    let kept: Vec<usize> = (0..eigen.eigenvalues.len())
        .filter(|&at| eigen.eigenvalues[at] > above)
        .collect();
    let mut root = eigen.eigenvectors.select_columns(&kept);
    for (mut column, &at) in root.column_iter_mut().zip(&kept) {
        column *= eigen.eigenvalues[at].sqrt();
    }
    let product = root.transpose() * second * root;
    let symmetric = (&product + product.transpose()) / 2.0;
    let values = symmetric.symmetric_eigenvalues();
    let above = least(values.as_slice());
    let roots = values.iter().filter(|&&value| value > above);
    Ok(roots.map(|value| value.sqrt()).sum::<f64>() * (traces[0].sqrt() * traces[1].sqrt()))
}

/// The largest eigenvalue that may be rounding alone.
fn least(eigenvalues: &[f64]) -> f64 {
    let largest = eigenvalues.iter().copied().fold(0.0, f64::max);
    largest * f64::EPSILON * eigenvalues.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features that a formula gives.
    fn features(rows: usize, columns: usize, seed: f64, shift: f64) -> NpyArray<f64> {
        let value = |index: usize| {
            let (i, j) = ((index / columns) as f64, (index % columns) as f64);
            (i * (j + 1.0) * 0.37 + seed).sin()
                + 0.25 * (i * 0.11 * (j + 2.0) + seed * j).cos()
                + shift * j / columns as f64
        };
        NpyArray {
            shape: vec![rows, columns],
            data: (0..rows * columns).map(value).collect(),
        }
    }

    #[test]
    fn agrees_with_the_reference_formula() {
        // NumPy 2.4 and SciPy 1.17: scipy.linalg.sqrtm(S1 @ S2); for N <= D, where sqrtm loses digits, the sum of the singular
        // values of X1 X2ᵀ of the centred rows, divided by the roots of N - 1.
        for (rows, other, columns, shift, expected) in [
            (40, 50, 6, 0.5, 0.397_823_417_504_47),
            (100, 80, 16, 0.0, 3.134_351_900_131_02),
            (30, 30, 1, 1.0, 0.034_546_605_989_797),
            (5, 7, 12, 0.3, 10.918_919_613_263_085),
            (2, 2, 3, 0.1, 2.088_096_841_897_61),
            (8, 200, 24, 0.2, 14.480_227_833_576_993),
        ] {
            let first = features(rows, columns, 1.0, 0.0);
            let second = features(other, columns, 2.5, shift);
            for (a, b) in [(&first, &second), (&second, &first)] {
                let found = frechet(a, b).unwrap();
                assert!((found / expected - 1.0).abs() < 1e-6, "{rows} {found}");
            }
        }
    }

    #[test]
    fn a_set_is_no_distance_from_itself_and_its_shift_from_another() {
        let one = features(60, 8, 1.0, 0.0);
        assert!(frechet(&one, &one).unwrap() < 1e-9);
        let mut shifted = one.clone();
        shifted.data.iter_mut().for_each(|value| *value += 0.5);
        assert!((frechet(&one, &shifted).unwrap() - 8.0 * 0.25).abs() < 1e-9);
        // No variance at all: the distance of the means is left.
        let constant = |value| NpyArray {
            shape: vec![3, 4],
            data: vec![value; 12],
        };
        assert_eq!(frechet(&constant(1.0), &constant(3.0)).unwrap(), 16.0);
    }

    #[test]
    fn any_scale_of_numbers_that_has_squares() {
        let (first, second) = (features(40, 6, 1.0, 0.0), features(50, 6, 2.5, 0.5));
        let scaled = |set: &NpyArray<f64>, scale: f64| NpyArray {
            shape: set.shape.clone(),
            data: set.data.iter().map(|value| value * scale).collect(),
        };
        for scale in [1e-120, 1e120] {
            let found = frechet(&scaled(&first, scale), &scaled(&second, scale)).unwrap();
            let expected = 0.397_823_417_504_47 * scale * scale;
            assert!((found / expected - 1.0).abs() < 1e-6, "{scale} {found}");
        }
        let refused = frechet(&scaled(&first, 1e200), &second);
        assert!(
            matches!(refused, Err(FrechetError::Overflow)),
            "{refused:?}"
        );
    }

    #[test]
    fn what_is_no_set_of_features_is_refused() {
        let good = features(4, 3, 1.0, 0.0);
        let shaped = |shape: &[usize]| NpyArray {
            shape: shape.to_vec(),
            data: vec![1.0; shape.iter().product()],
        };
        let mut nan = good.clone();
        nan.data[7] = f64::NAN;
        for (set, part) in [
            (shaped(&[5]), "[N, D]"),
            (shaped(&[2, 3, 4]), "[N, D]"),
            (shaped(&[1, 3]), "1 rows of features; at least 2"),
            (shaped(&[0, 3]), "at least 2"),
            (shaped(&[4, 5]), "5 and 3 features"),
            (shaped(&[2, 0]), "1 to 8192"),
            (shaped(&[2, 8193]), "8193 features"),
            (nan, "feature 1 of row 2, counted from 0, is NaN"),
        ] {
            let refused = frechet(&set, &good).unwrap_err().to_string();
            assert!(refused.contains(part), "{refused}");
        }
    }
}
