//! Which cuts are tried, and the search for the smallest one that is good enough.

/// How cuts are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Search {
    /// On the [`ladder`] from below, then in the gap under the first rung that is good enough: at most 22
    /// decodes of 256 tokens. All other cuts only if no rung is good enough.
    #[default]
    Ladder,
    /// Every number of units from 1 on: exact, and as many decodes.
    EveryCut,
}

impl Search {
    /// The cuts of a file of `units` that are tried, ascending.
    #[must_use]
    pub fn cuts(self, units: u64) -> Vec<u64> {
        match self {
            Self::Ladder => ladder(units),
            Self::EveryCut => (1..=units).collect(),
        }
    }
}

/// Rungs up to `units`, ascending: powers of two, the halves between them (3, 6, 12 …), and `units` itself. 16 for 256
/// tokens, none for 0.
///
/// ```
/// assert_eq!(flextok::rate::ladder(40), [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40]);
/// ```
#[must_use]
pub fn ladder(units: u64) -> Vec<u64> {
    let powers = (0..u64::BITS).map(|power| 1_u64 << power);
    let mut rungs: Vec<u64> = powers
        .flat_map(|power| [power, power.saturating_add(power / 2)])
        .filter(|&rung| rung < units)
        .chain((units > 0).then_some(units))
        .collect();
    rungs.dedup();
    rungs
}

/// The result of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(crate) struct Found {
    pub(crate) units: u64,
    pub(crate) quality: f64,
    pub(crate) decodes: u32,
    /// Whether the quality reaches the target; otherwise it is the best found.
    pub(crate) is_enough: bool,
}

/// Searches the cuts of `units`, at least one, for the smallest whose quality is `wanted`; see the [module's page](super).
/// Where no rung is good enough, `thorough` says whether the cuts between them are tried as well.
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(crate) fn search<E>(
    units: u64,
    how: Search,
    thorough: bool,
    wanted: f64,
    mut measure: impl FnMut(u64) -> Result<f64, E>,
) -> Result<Found, E> {
    let mut found = Found {
        units: 0,
        quality: f64::NEG_INFINITY,
        decodes: 0,
        is_enough: false,
    };
    let mut try_cut = |cut: u64, found: &mut Found| -> Result<bool, E> {
        let quality = measure(cut)?;
        found.decodes += 1;
        let is_enough = quality >= wanted;
        if found.units == 0 || is_enough || (!found.is_enough && quality > found.quality) {
            (found.units, found.quality) = (cut, quality);
        }
        found.is_enough |= is_enough;
        Ok(is_enough)
    };
    let (rungs, mut below) = (how.cuts(units), 0);
    for &cut in &rungs {
        if try_cut(cut, &mut found)? {
            break;
        }
        below = cut;
    }
    if !found.is_enough && thorough {
        for cut in (1..units).filter(|cut| rungs.binary_search(cut).is_err()) {
            if try_cut(cut, &mut found)? {
                return Ok(found);
            }
        }
    }
    while found.is_enough && found.units - below > 1 {
        let middle = below + (found.units - below) / 2;
        if !try_cut(middle, &mut found)? {
            below = middle;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// Most decodes of the ladder where a rung is good enough: the rungs of 256 units, and the bisections of the widest gap
    /// between two.
    const MOST_DECODES: u32 = 22;

    #[test]
    fn ladders_end_with_all_tokens() {
        assert!(ladder(0).is_empty());
        assert_eq!(ladder(1), [1]);
        assert_eq!(ladder(2), [1, 2]);
        assert_eq!(ladder(7), [1, 2, 3, 4, 6, 7]);
        let all = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
        assert_eq!(ladder(256), all);
        assert_eq!(Search::EveryCut.cuts(3), [1, 2, 3]);
    }

    fn run(qualities: &[f64], how: Search, wanted: f64) -> Found {
        let units = qualities.len() as u64;
        let measure = |cut: u64| Ok::<_, Infallible>(qualities[cut as usize - 1]);
        search(units, how, true, wanted, measure).unwrap()
    }

    #[test]
    fn a_good_rung_below_worse_ones_is_found() {
        // Only cuts 3 and 40 reach 20; a bisection from 1 to 64 would end at one that does not, or at 40.
        let mut qualities = vec![10.0; 64];
        (qualities[2], qualities[39]) = (21.0, 22.0);
        let found = run(&qualities, Search::Ladder, 20.0);
        assert_eq!(
            (found.units, found.quality, found.is_enough),
            (3, 21.0, true)
        );
        // Only cuts between rungs reach the target: every cut must be tried to find one.
        let found = run(&qualities, Search::Ladder, 21.5);
        assert_eq!((found.units, found.is_enough), (40, true));
        let found = run(&qualities, Search::EveryCut, 21.5);
        assert_eq!((found.units, found.decodes), (40, 40));
    }

    #[test]
    fn the_best_is_named_where_none_is_enough() {
        let found = run(&[1.0, 5.0, 2.0, 4.0], Search::Ladder, 6.0);
        assert_eq!(
            (found.units, found.quality, found.is_enough),
            (2, 5.0, false)
        );
        let quick =
            |cut: u64| Ok::<_, Infallible>([1.0, 1.0, 1.0, 1.0, 9.0, 1.0][cut as usize - 1]);
        let found = search(6, Search::Ladder, false, 5.0, quick).unwrap();
        assert_eq!((found.decodes, found.is_enough), (5, false));
        let found = run(&[f64::NAN, f64::NEG_INFINITY], Search::Ladder, 0.0);
        assert!(!found.is_enough && found.units > 0);
    }

    proptest! {
        #[test]
        fn what_is_found_was_measured_and_suffices(
            qualities in prop::collection::vec(0_u8..50, 1..=256),
            wanted in 0_u8..50,
            every in any::<bool>(),
        ) {
            let qualities: Vec<f64> = qualities.into_iter().map(f64::from).collect();
            let (how, wanted) = (if every { Search::EveryCut } else { Search::Ladder }, f64::from(wanted));
            let found = run(&qualities, how, wanted);
            let of = |cut: u64| qualities[cut as usize - 1];
            prop_assert_eq!(found.quality, of(found.units));
            prop_assert_eq!(found.is_enough, found.quality >= wanted);
            let tried = how.cuts(qualities.len() as u64);
            if found.is_enough {
                prop_assert!(tried.iter().all(|&cut| cut >= found.units || of(cut) < wanted));
                prop_assert!(found.units == 1 || of(found.units - 1) < wanted);
            } else {
                prop_assert!(qualities.iter().all(|&quality| quality <= found.quality));
            }
            if !every && tried.iter().any(|&cut| of(cut) >= wanted) {
                prop_assert!(found.decodes <= MOST_DECODES);
            }
        }
    }
}
