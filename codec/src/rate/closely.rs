//! Sharing a budget when each measurement costs a decode: only cuts that can affect the result are measured.

use super::share::worth;
use super::{Rung, Search, share};
use crate::Error;

/// Shares a budget as [`share`] does, among cuts that are measured only when needed; returns the chosen cuts.
///
/// `units` has the units of each picture, at least one; `measure` is called with the index of a picture and some of
/// its cuts, ascending: with the cuts that `search` names first, and then, between those, for the ones that decide: for
/// each picture the gap below its first cut that is better than the worst picture is bisected until it is known
/// exactly, and at last the gap above its choice where bytes are left. Where a unit more never makes a picture worse,
/// the worst picture comes out as good as with every cut measured; otherwise a lucky cut may be overlooked. It takes a
/// dozen measurements for each picture beyond those of `search`.
///
/// # Errors
/// Those of [`share`] and of `measure`.
///
/// ```
/// use flextok::rate::{Rung, Search, share_closely};
///
/// let mut measured = 0;
/// let slopes = [0.1, 0.3];
/// let measure = |picture: usize, cuts: &[u64]| {
///     measured += cuts.len();
///     let rung = |&units: &u64| Rung {
///         units,
///         bytes: 25 + 2 * units,
///         quality: slopes[picture] * units as f64,
///     };
///     Ok::<_, flextok::Error>(cuts.iter().map(rung).collect())
/// };
/// let chosen = share_closely(&[256, 256], 250, Search::Ladder, measure)?;
/// assert_eq!(chosen.iter().map(|rung| rung.units).collect::<Vec<_>>(), [75, 25]);
/// assert!(measured < 60);
/// # Ok::<(), flextok::Error>(())
/// ```
pub fn share_closely<E: From<Error>>(
    units: &[u64],
    total: u64,
    search: Search,
    mut measure: impl FnMut(usize, &[u64]) -> Result<Vec<Rung>, E>,
) -> Result<Vec<Rung>, E> {
    let mut ladders = Vec::with_capacity(units.len());
    for (picture, &units) in units.iter().enumerate() {
        ladders.push(measure(picture, &search.cuts(units))?);
    }
    loop {
        let chosen: Vec<Rung> = share(&ladders, total)?
            .into_iter()
            .zip(&ladders)
            .map(|(index, ladder)| ladder[index])
            .collect();
        let mut wanted = deciding(&ladders, &chosen, total);
        if wanted.is_empty() {
            wanted = remaining(&ladders, &chosen, total);
        }
        if wanted.is_empty() {
            return Ok(chosen);
        }
        for (picture, cut) in wanted {
            let ladder: &mut Vec<Rung> = &mut ladders[picture];
            ladder.extend(measure(picture, &[cut])?);
            ladder.sort_by_key(|rung| rung.units);
        }
    }
}

/// The cuts, by picture, that could make room for a better worst picture: in the middle of each gap in which a picture
/// becomes better than the worst one. None if the worst cannot be better, or if even the best that can be hoped for of
/// all gaps costs more than `total`.
fn deciding(ladders: &[Vec<Rung>], chosen: &[Rung], total: u64) -> Vec<(usize, u64)> {
    let worst = chosen.iter().map(worth).fold(f64::INFINITY, f64::min);
    let mut wanted = Vec::new();
    let mut hoped = 0_u64;
    for (picture, ladder) in ladders.iter().enumerate() {
        let Some(needed) = ladder.iter().position(|rung| worth(rung) > worst) else {
            return Vec::new();
        };
        let (before, first) = (needed.checked_sub(1).map(|at| ladder[at]), ladder[needed]);
        match before.filter(|before| first.units - before.units > 1) {
            Some(before) => {
                wanted.push((picture, before.units + (first.units - before.units) / 2));
                // A unit has a byte or more.
                hoped = hoped.saturating_add(before.bytes.saturating_add(1));
            }
            None => hoped = hoped.saturating_add(first.bytes),
        }
    }
    if hoped > total { Vec::new() } else { wanted }
}

/// The cuts, by picture, that the bytes which are left might pay for.
fn remaining(ladders: &[Vec<Rung>], chosen: &[Rung], total: u64) -> Vec<(usize, u64)> {
    let spent: u64 = chosen.iter().map(|rung| rung.bytes).sum();
    let affordable = total.saturating_sub(spent);
    let above = |(picture, (ladder, at)): (usize, (&Vec<Rung>, &Rung))| {
        let next = ladder.iter().find(|rung| rung.units > at.units)?;
        let step = ((next.units - at.units) / 2).min(affordable);
        (step > 0).then_some((picture, at.units + step))
    };
    let pictures = ladders.iter().zip(chosen).enumerate();
    pictures.filter_map(above).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An error that no measurement returns.
    #[derive(Debug)]
    struct Refused(Error);

    impl From<Error> for Refused {
        fn from(error: Error) -> Self {
            Self(error)
        }
    }

    fn rung(qualities: &[f64], units: u64) -> Rung {
        let checks = [4, 16, 64].into_iter().filter(|&at| units > at).count() as u64;
        Rung {
            units,
            bytes: 25 + 2 * units + 4 * checks,
            quality: qualities[units as usize - 1],
        }
    }

    fn closely(
        pictures: &[Vec<f64>],
        total: u64,
        how: Search,
    ) -> Result<(Vec<Rung>, usize), Refused> {
        let units: Vec<u64> = pictures.iter().map(|of| of.len() as u64).collect();
        let mut measured = 0;
        let chosen = share_closely(&units, total, how, |picture, cuts| {
            measured += cuts.len();
            let rungs = cuts.iter().map(|&cut| rung(&pictures[picture], cut));
            Ok::<_, Refused>(rungs.collect())
        })?;
        Ok((chosen, measured))
    }

    fn worst(chosen: &[Rung]) -> f64 {
        chosen.iter().map(worth).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn a_budget_below_the_least_is_refused() {
        let refused = closely(&[vec![1.0; 9]], 26, Search::Ladder).unwrap_err();
        assert!(matches!(refused.0, Error::CannotShare { minimum: 27, .. }));
    }

    #[test]
    fn what_is_left_is_spent_between_rungs() {
        let rising: Vec<f64> = (1..=256).map(f64::from).collect();
        let (chosen, measured) = closely(&[rising], 288, Search::Ladder).unwrap();
        assert_eq!((chosen[0].units, chosen[0].bytes), (125, 287));
        assert!(measured < 30, "{measured}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pictures_that_only_get_better_are_shared_as_with_every_cut(
            steps in prop::collection::vec(prop::collection::vec(0_u8..20, 1..=256), 1..5),
            share in 0.0..1.0_f64,
        ) {
            let pictures: Vec<Vec<f64>> = steps.into_iter().map(|steps| {
                let rise = |sum: &mut f64, step: u8| { *sum += f64::from(step); Some(*sum) };
                steps.into_iter().scan(0.0, rise).collect()
            }).collect();
            let all: f64 = pictures.iter().map(|of| rung(of, of.len() as u64).bytes as f64).sum();
            let total = (27.0 * pictures.len() as f64 * (1.0 - share) + all * share) as u64;
            let Ok((exact, every)) = closely(&pictures, total, Search::EveryCut) else {
                prop_assert!(closely(&pictures, total, Search::Ladder).is_err());
                return Ok(());
            };
            let (chosen, measured) = closely(&pictures, total, Search::Ladder).unwrap();
            prop_assert_eq!(worst(&chosen), worst(&exact));
            prop_assert!(chosen.iter().map(|rung| rung.bytes).sum::<u64>() <= total);
            prop_assert!(measured <= every);
        }
    }
}
