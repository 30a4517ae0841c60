//! From values to positions: a base-2 logarithm for budgets, straight lines with round ticks for figures.

/// Positions of budgets, which are at least 1, on a logarithmic axis.
pub(super) struct Log2 {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Log2 {
    /// The axis from the smallest to the largest of `budgets` between two positions.
    pub(super) fn new(budgets: &[u32], from: f64, to: f64) -> Self {
        let logs = || budgets.iter().map(|&budget| log2(budget));
        Self {
            low: logs().fold(f64::INFINITY, f64::min),
            high: logs().fold(f64::NEG_INFINITY, f64::max),
            from,
            to,
        }
    }

    /// In the middle if there is one budget only.
    pub(super) fn at(&self, budget: u32) -> f64 {
        let range = self.high - self.low;
        let share = if range > 0.0 {
            (log2(budget) - self.low) / range
        } else {
            0.5
        };
        self.from + share * (self.to - self.from)
    }
}

fn log2(budget: u32) -> f64 {
    f64::from(budget.max(1)).log2()
}

/// Positions of values on a straight axis that ends at ticks.
pub(super) struct Linear {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    step: f64,
}

impl Linear {
    /// The axis that holds `low` and `high`, with about five ticks a multiple of 1, 2 or 5 apart.
    pub(super) fn new(low: f64, high: f64, from: f64, to: f64) -> Self {
        let range = high - low;
        // Equal values are in the middle of an axis that shows their scale.
        let range = if range > 0.0 {
            range
        } else {
            (low.abs() * 0.1).max(1e-3)
        };
        let rough = range / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let factor = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .find(|factor| factor * power >= rough * 0.999)
            .unwrap_or(10.0);
        let step = factor * power;
        let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        let (low, high) = if high > low {
            (low, high)
        } else {
            (low - step, high + step)
        };
        Self {
            low,
            high,
            from,
            to,
            step,
        }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    pub(super) fn ticks(&self) -> Vec<f64> {
        let count = ((self.high - self.low) / self.step).round() as usize;
        (0..=count.min(50))
            .map(|index| self.low + index as f64 * self.step)
            .collect()
    }

    /// Places that the ticks need.
    pub(super) fn decimals(&self) -> usize {
        (-self.step.log10().floor()).max(0.0) as usize
    }
}

/// Moves positions, each with room of `gap`, as little as possible apart within `from..to`; the result is in their order.
pub(super) fn spread(positions: &[f64], gap: f64, from: f64, to: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|&a, &b| positions[a].total_cmp(&positions[b]));
    let mut out = positions.to_vec();
    let mut least = from;
    for &at in &order {
        out[at] = out[at].max(least);
        least = out[at] + gap;
    }
    let mut most = to;
    for &at in order.iter().rev() {
        out[at] = out[at].min(most);
        most = out[at] - gap;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doublings_are_equally_far_apart() {
        let scale = Log2::new(&[64, 1024, 16], 10.0, 70.0);
        let at = [16, 32, 64, 1024].map(|budget| scale.at(budget));
        assert_eq!(at, [10.0, 20.0, 30.0, 70.0]);
        assert_eq!(Log2::new(&[256], 0.0, 100.0).at(256), 50.0);
        assert_eq!(Log2::new(&[0, 2], 0.0, 1.0).at(0), 0.0);
    }

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        for (low, high, first, last, decimals) in [
            (17.3, 32.9, 15.0, 35.0, 0),
            (0.812, 0.979, 0.8, 1.0, 2),
            (-31.0, 88.0, -50.0, 100.0, 0),
            (0.00012, 0.00034, 0.0001, 0.00035, 5),
        ] {
            let scale = Linear::new(low, high, 100.0, 0.0);
            let ticks = scale.ticks();
            assert!((ticks[0] - first).abs() < 1e-9, "{ticks:?}");
            assert!((ticks.last().unwrap() - last).abs() < 1e-9, "{ticks:?}");
            assert!((3..=8).contains(&ticks.len()), "{ticks:?}");
            assert_eq!(scale.decimals(), decimals);
            assert!(scale.at(high) >= 0.0 && scale.at(low) <= 100.0);
            assert!(scale.at(high) < scale.at(low));
        }
    }

    #[test]
    fn equal_values_have_an_axis_too() {
        for value in [0.0, 24.5, -3.0, 1.0, 30.0] {
            let scale = Linear::new(value, value, 100.0, 0.0);
            assert!((0.0..=100.0).contains(&scale.at(value)), "{value}");
            assert!(scale.ticks().len() >= 2, "{value}");
        }
    }

    #[test]
    fn labels_keep_their_distance_within_bounds() {
        let found = spread(&[50.0, 52.0, 10.0, 99.0], 15.0, 0.0, 100.0);
        assert_eq!(found, [50.0, 65.0, 10.0, 99.0]);
        let found = spread(&[95.0, 96.0, 97.0], 10.0, 0.0, 100.0);
        assert_eq!(found, [80.0, 90.0, 100.0]);
        assert_eq!(spread(&[], 10.0, 0.0, 1.0), [0.0; 0]);
    }
}
