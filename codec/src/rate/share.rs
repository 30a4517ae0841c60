//! One budget for several pictures, shared so that the worst picture is as good as possible.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::{Error, OptionName};

/// A cut of a picture: what it costs and how good it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rung {
    /// Units of the cut: bytes of a coded payload, or tokens of each canvas.
    pub units: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// Its quality; higher is better, and NaN the worst. Nothing but the order of qualities counts.
    pub quality: f64,
}

/// Chooses one rung of each picture so that together they cost at most `total` bytes and the worst quality is the best
/// possible; returns their indices.
///
/// What is left then goes to the others in turn, always to the worst that can still be raised, so that in the end none
/// can be raised within what is left. A rung that costs more than another one and is no better is never chosen. The
/// result is exact: a picture is raised, to its cheapest better rung, only when it is the worst, and no division with a
/// better worst picture could do without that.
///
/// # Errors
/// [`Error::CannotShare`] if even the cheapest rungs exceed the budget, with the least sufficient one;
/// [`Error::Option`] for a picture without rungs.
///
/// ```
/// use flextok::rate::{Rung, share};
///
/// let rung = |units, bytes, quality| Rung { units, bytes, quality };
/// let easy = vec![rung(1, 27, 20.0), rung(2, 29, 24.0), rung(4, 33, 26.0)];
/// let hard = vec![rung(1, 27, 10.0), rung(2, 29, 9.0), rung(4, 33, 12.0), rung(8, 45, 14.0)];
/// let files = [easy, hard];
/// assert_eq!(share(&files, 60)?, [0, 2]); // 27 + 33 bytes: the hard picture comes first
/// assert_eq!(share(&files, 70)?, [2, 2]); // 33 + 33: its next rung is too expensive, so the easy one gets the rest
/// # Ok::<(), flextok::Error>(())
/// ```
pub fn share(pictures: &[Vec<Rung>], total: u64) -> Result<Vec<usize>, Error> {
    let ladders: Vec<Vec<usize>> = pictures.iter().map(|rungs| worthwhile(rungs)).collect();
    if let Some(index) = ladders.iter().position(Vec::is_empty) {
        return Err(OptionName::Rungs.refuse(format!("of picture {index}: none"), "at least one"));
    }
    let rung = |picture: usize, step: usize| -> Rung {
        let rung = pictures[picture][ladders[picture][step]];
        Rung {
            quality: worth(&rung),
            ..rung
        }
    };
    let minimum = (0..pictures.len()).fold(0_u64, |sum, picture| {
        sum.saturating_add(rung(picture, 0).bytes)
    });
    let Some(mut left) = total.checked_sub(minimum) else {
        return Err(Error::CannotShare {
            files: pictures.len(),
            bytes: total,
            minimum,
        });
    };
    let next = |picture: usize, step: usize| -> Option<Raise> {
        (step + 1 < ladders[picture].len()).then(|| Raise {
            quality: rung(picture, step).quality,
            cost: rung(picture, step + 1).bytes - rung(picture, step).bytes,
            picture,
            step,
        })
    };
    let mut steps = vec![0; pictures.len()];
    let first = (0..pictures.len()).filter_map(|picture| next(picture, 0));
    let mut raises: BinaryHeap<Reverse<Raise>> = first.map(Reverse).collect();
    while let Some(Reverse(raise)) = raises.pop() {
        // What cannot be paid now cannot be later.
        if let Some(rest) = left.checked_sub(raise.cost) {
            left = rest;
            steps[raise.picture] = raise.step + 1;
            raises.extend(next(raise.picture, raise.step + 1).map(Reverse));
        }
    }
    let chosen = steps
        .iter()
        .zip(&ladders)
        .map(|(&step, ladder)| ladder[step]);
    Ok(chosen.collect())
}

/// Its quality, where nothing is worse than none at all.
pub(super) fn worth(rung: &Rung) -> f64 {
    if rung.quality.is_nan() {
        f64::NEG_INFINITY
    } else {
        rung.quality
    }
}

/// The rungs that no cheaper one is as good as, by cost and so by quality.
fn worthwhile(rungs: &[Rung]) -> Vec<usize> {
    let quality = |index: usize| worth(&rungs[index]);
    let mut order: Vec<usize> = (0..rungs.len()).collect();
    order.sort_by(|&a, &b| {
        let by_quality = quality(b).total_cmp(&quality(a));
        rungs[a].bytes.cmp(&rungs[b].bytes).then(by_quality)
    });
    let mut kept: Vec<usize> = Vec::new();
    for index in order {
        if kept
            .last()
            .is_none_or(|&last| quality(index) > quality(last))
        {
            kept.push(index);
        }
    }
    kept
}

/// The next better rung of a picture; the order is that in which they are bought.
#[derive(Debug, Clone, Copy)]
struct Raise {
    /// Quality before.
    quality: f64,
    /// Bytes more.
    cost: u64,
    picture: usize,
    step: usize,
}

impl Ord for Raise {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of equals the cheapest first: more of them can be raised.
        let rest = |raise: &Self| (raise.cost, raise.picture);
        let by_quality = self.quality.total_cmp(&other.quality);
        by_quality.then(rest(self).cmp(&rest(other)))
    }
}

impl PartialOrd for Raise {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Raise {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Raise {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rungs(of: &[(u64, f64)]) -> Vec<Rung> {
        let rung = |(units, &(bytes, quality))| Rung {
            units,
            bytes,
            quality,
        };
        (1..).zip(of).map(rung).collect()
    }

    #[test]
    fn the_least_budget_is_named() {
        let pictures = [rungs(&[(27, 1.0), (29, 2.0)]), rungs(&[(30, 5.0)])];
        assert_eq!(share(&pictures, 57).unwrap(), [0, 0]);
        let refused = share(&pictures, 56).unwrap_err();
        assert!(matches!(
            refused,
            Error::CannotShare {
                files: 2,
                bytes: 56,
                minimum: 57
            }
        ));
        assert!(share(&[], 0).unwrap().is_empty());
        assert!(matches!(share(&[vec![]], 9), Err(Error::Option { .. })));
    }

    #[test]
    fn rungs_that_are_no_better_are_passed_over() {
        let pictures = [rungs(&[(10, 3.0), (12, 2.0), (14, f64::NAN), (20, 3.5)])];
        assert_eq!(share(&pictures, 19).unwrap(), [0]);
        assert_eq!(share(&pictures, 20).unwrap(), [3]);
        // What is not known is worse than anything, also than the cheapest of another picture.
        let unknown = [
            rungs(&[(10, f64::NAN), (12, 5.0)]),
            rungs(&[(10, 1.0), (12, 2.0)]),
        ];
        assert_eq!(share(&unknown, 22).unwrap(), [1, 0]);
        let nothing_known = [rungs(&[(10, f64::NAN), (12, f64::INFINITY)])];
        assert_eq!(share(&nothing_known, u64::MAX).unwrap(), [1]);
    }

    /// The best worst quality of all divisions.
    fn brute_force(pictures: &[Vec<Rung>], total: u64) -> Option<f64> {
        let Some((first, rest)) = pictures.split_first() else {
            return Some(f64::INFINITY);
        };
        let worst = |rung: &Rung| {
            let left = total.checked_sub(rung.bytes)?;
            Some(brute_force(rest, left)?.min(worth(rung)))
        };
        first.iter().filter_map(worst).max_by(f64::total_cmp)
    }

    fn pictures() -> impl Strategy<Value = Vec<Vec<Rung>>> {
        let ladder = prop::collection::vec((1_u64..30, 0_u8..12), 1..6);
        let ladder = ladder.prop_map(|rungs_of| {
            let of: Vec<(u64, f64)> = rungs_of
                .into_iter()
                .map(|(bytes, quality)| match quality {
                    0 => (bytes, f64::NAN),
                    quality => (bytes, quality.into()),
                })
                .collect();
            rungs(&of)
        });
        prop::collection::vec(ladder, 1..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_worst_is_as_good_as_can_be(pictures in pictures(), total in 0_u64..120) {
            let Ok(chosen) = share(&pictures, total) else {
                prop_assert_eq!(brute_force(&pictures, total), None);
                return Ok(());
            };
            let of = || pictures.iter().zip(&chosen).map(|(rungs, &index)| (rungs, rungs[index]));
            let spent: u64 = of().map(|(_, rung)| rung.bytes).sum();
            prop_assert!(spent <= total);
            let worst = of().map(|(_, rung)| worth(&rung)).fold(f64::INFINITY, f64::min);
            prop_assert_eq!(Some(worst), brute_force(&pictures, total));
            // Nothing that is left would make any picture better.
            for (rungs, rung) in of() {
                let within = |other: &&Rung| other.bytes <= rung.bytes + (total - spent);
                let best = rungs.iter().filter(within).map(worth);
                prop_assert!(best.fold(f64::NEG_INFINITY, f64::max) <= worth(&rung));
            }
        }
    }
}
