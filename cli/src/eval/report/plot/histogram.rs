//! The histogram of budgets at which pictures reach a quality.

use super::{BOTTOM, HEIGHT, TOP, WIDTH, width};
use crate::eval::report::markup::text;
use crate::eval::results::{Halting, Unit};

/// Pictures that halt at budgets above half of `most` and up to it.
#[derive(Debug, PartialEq)]
struct Bin {
    most: u64,
    count: usize,
}

/// Bins of doublings that hold all budgets, without gaps, and the number of pictures that never reach the quality.
fn bins(halting: &Halting) -> (Vec<Bin>, usize) {
    let budgets = halting.pictures.iter().filter_map(|halt| halt.budget);
    let most = |budget: u32| u64::from(budget.max(1)).next_power_of_two();
    let ends: Vec<u64> = budgets.map(most).collect();
    let never = halting.pictures.len() - ends.len();
    let (Some(&first), Some(&last)) = (ends.iter().min(), ends.iter().max()) else {
        return (Vec::new(), never);
    };
    let doublings = std::iter::successors(Some(first), |most| Some(most * 2));
    let bins = doublings.take_while(|most| *most <= last).map(|most| Bin {
        most,
        count: ends.iter().filter(|end| **end == most).count(),
    });
    (bins.collect(), never)
}

/// The drawing; `None` without pictures.
pub(in crate::eval::report) fn histogram(halting: &Halting, unit: Unit) -> Option<String> {
    let (bins, never) = bins(halting);
    let mut bars: Vec<(String, usize, bool)> = bins
        .iter()
        .map(|bin| (format!("≤ {}", bin.most), bin.count, true))
        .collect();
    if never > 0 {
        bars.push(("never".to_owned(), never, false));
    }
    let highest = bars.iter().map(|(_, count, _)| *count).max()?;
    let unit = unit.name();
    let mut out = format!(
        "<figure class=\"wide\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t-halting\">\
         <title id=\"t-halting\">Number of pictures by the {unit} that reach the quality</title>\
         <text x=\"0\" y=\"13\" font-weight=\"600\">Pictures</text>\n"
    );
    let step = WIDTH / bars.len() as f64;
    // As many labels as fit.
    let longest = bars
        .iter()
        .map(|(label, ..)| width(label))
        .fold(0.0, f64::max);
    let every = ((longest + 6.0) / step).ceil().max(1.0) as usize;
    let last = bars.len() - 1;
    for (index, (label, count, reached)) in bars.iter().enumerate() {
        let middle = (index as f64 + 0.5) * step;
        let wide = (step * 0.7).min(60.0);
        let height = *count as f64 / highest as f64 * (BOTTOM - TOP - 12.0);
        let class = if *reached { "bar" } else { "bar none" };
        let pictures = crate::values::count(*count as u64, "picture");
        out.push_str(&format!(
            "<g><title>{}: {pictures}</title><rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{wide:.1}\" height=\"{height:.1}\"/>",
            text(label),
            middle - wide / 2.0,
            BOTTOM - height
        ));
        if *count > 0 {
            out.push_str(&format!(
                "<text text-anchor=\"middle\" x=\"{middle:.1}\" y=\"{:.1}\">{count}</text>",
                BOTTOM - height - 5.0
            ));
        }
        if index == last || index % every == 0 && last - index >= every {
            // The last label stays within the drawing.
            let at = middle.min(WIDTH - width(label) / 2.0);
            out.push_str(&format!(
                "<text class=\"tick\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                BOTTOM + 19.0,
                text(label)
            ));
        }
        out.push_str("</g>\n");
    }
    out.push_str(&format!(
        "<path class=\"base\" d=\"M0 {BOTTOM}H{WIDTH}\"/><text class=\"axis\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">At most so many {unit}, each bar a doubling</text></svg></figure>\n",
        WIDTH / 2.0,
        BOTTOM + 40.0
    ));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::results::Halt;

    fn halting(budgets: &[Option<u32>]) -> Halting {
        let halt = |budget: &Option<u32>| Halt {
            picture: "a.png".to_owned(),
            budget: *budget,
            reached: 30.0,
        };
        Halting {
            metric: "psnr".to_owned(),
            target: 30.0,
            pictures: budgets.iter().map(halt).collect(),
        }
    }

    #[test]
    fn bins_are_doublings_without_gaps() {
        let (found, never) = bins(&halting(&[Some(64), Some(65), Some(500), None, Some(33)]));
        let found: Vec<(u64, usize)> = found.iter().map(|bin| (bin.most, bin.count)).collect();
        assert_eq!(found, [(64, 2), (128, 1), (256, 0), (512, 1)]);
        assert_eq!(never, 1);
        let (largest, _) = bins(&halting(&[Some(u32::MAX), Some(0)]));
        assert_eq!(largest.len(), 33);
    }

    #[test]
    fn nothing_but_failures_is_one_bar_and_nothing_none() {
        let drawn = histogram(&halting(&[None, None]), Unit::Bytes).unwrap();
        assert!(drawn.contains("never: 2 pictures"), "{drawn}");
        assert!(histogram(&halting(&[]), Unit::Tokens).is_none());
    }
}
