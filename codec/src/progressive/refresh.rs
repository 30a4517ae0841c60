//! When a new picture is due: the caller's trade-off between computing time and smoothness.

use std::time::Duration;

/// When newly arrived payload makes a new picture due. It is counted in units, which cannot be parted: bytes of a coded
/// payload, or tokens of each canvas.
///
/// Whatever the policy, a picture is due for all that the file declares or the options allow, and for what has been
/// received when the file ends early or turns out to be damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Refresh {
    /// At 1, 2, 4, 8 … units: each picture has about twice as much of the file as the one before, about the smallest
    /// visible difference.
    #[default]
    PowersOfTwo,
    /// After this many units more than the last picture shows; 0 counts as 1.
    Units(u64),
    /// When new units have arrived and the last picture was begun at least this long ago; the first one at once.
    Interval(Duration),
    /// Only when the caller requests one, and at the end.
    Manual,
}

impl Refresh {
    /// Whether a picture of `have` units is due after one of `shown` (0 for none) that was begun `since` ago.
    pub(super) fn is_due(self, shown: u64, have: u64, since: Option<Duration>) -> bool {
        have > shown
            && match self {
                // The highest power of two that `have` reaches is beyond `shown`.
                Self::PowersOfTwo => {
                    have.ilog2() > shown.checked_ilog2().unwrap_or(0) || shown == 0
                }
                Self::Units(step) => have - shown >= step.max(1),
                Self::Interval(interval) => since.is_none_or(|since| since >= interval),
                Self::Manual => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The units at which pictures are due if they come one by one.
    fn due(refresh: Refresh) -> Vec<u64> {
        let mut shown = 0;
        (1..=20)
            .filter(|&have| {
                let due = refresh.is_due(shown, have, Some(Duration::ZERO));
                shown = if due { have } else { shown };
                due
            })
            .collect()
    }

    #[test]
    fn pictures_are_due_where_the_policy_says() {
        assert_eq!(due(Refresh::PowersOfTwo), [1, 2, 4, 8, 16]);
        assert_eq!(due(Refresh::Units(6)), [6, 12, 18]);
        assert_eq!(due(Refresh::Units(0)).len(), 20);
        assert!(due(Refresh::Manual).is_empty());
        assert_eq!(due(Refresh::Interval(Duration::ZERO)).len(), 20);
        assert!(due(Refresh::Interval(Duration::from_nanos(1))).is_empty());
    }

    #[test]
    fn a_threshold_that_was_jumped_over_counts() {
        let due = |shown, have| Refresh::PowersOfTwo.is_due(shown, have, None);
        assert!(due(0, 3) && due(3, 4) && due(3, 200) && due(5, 8) && due(1, 2));
        assert!(!due(4, 7) && !due(8, 15) && !due(9, 9) && !due(200, 100));
        let interval = Refresh::Interval(Duration::from_secs(1));
        assert!(interval.is_due(0, 1, None));
        assert!(!interval.is_due(1, 2, Some(Duration::from_millis(999))));
        assert!(interval.is_due(1, 2, Some(Duration::from_secs(1))));
    }
}
