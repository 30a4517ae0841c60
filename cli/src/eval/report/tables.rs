//! The report's tables: means, times, uncertainty, halting, codecs and failures.

use super::figures::{self, mean};
use super::markup::{Cell, Table, number};
use crate::eval::results::{Halting, Mean, Results, Uncertainty};

/// The means of all figures, a row for each budget and codec.
pub(super) fn means(results: &Results) -> Table {
    let figures = figures::present(results);
    let titles = figures.iter().map(|figure| {
        let arrow = if figure.higher_is_better {
            "↑"
        } else {
            "↓"
        };
        format!("{} {arrow}", figure.title())
    });
    let mut columns = vec![budget_title(results), "Codec".to_owned()];
    columns.extend(titles);
    columns.extend(["Bytes".to_owned(), "Pictures".to_owned()]);
    let rows = each(results, |codec, budget| {
        let cells = figures.iter().map(|figure| {
            let mean = mean(results, codec, budget, figure.key);
            mean.map_or(Cell::Missing, |mean| {
                interval(mean, |value| number(value, figure.decimals))
            })
        });
        let mut cells: Vec<Cell> = cells.collect();
        let bytes = mean(results, codec, budget, "bytes");
        cells.push(Cell::maybe(bytes.map(|mean| mean.mean), 1));
        let mut of = results.means.iter();
        let count = of.find(|mean| mean.budget == budget && mean.codec == codec);
        cells.push(Cell::maybe(count.map(|mean| mean.count as f64), 0));
        cells
    });
    Table {
        caption: "Means over the pictures, beneath them the 95 % bootstrap intervals. ↑ higher is better, ↓ lower is better. There is no mean where a picture lacks the figure, as an identical one lacks PSNR."
            .to_owned(),
        columns,
        words: 2,
        rows,
    }
}

/// How long encoding and decoding take.
pub(super) fn times(results: &Results) -> Table {
    let rows = each(results, |codec, budget| {
        let time = |figure| {
            let mean = mean(results, codec, budget, figure);
            mean.map_or(Cell::Missing, |mean| interval(mean, milliseconds))
        };
        vec![time("encode_seconds"), time("decode_seconds")]
    });
    let titles = ["Codec", "Encode (ms)", "Decode (ms)"].map(str::to_owned);
    Table {
        caption: "Mean time of a picture in milliseconds, beneath it the 95 % bootstrap interval; that of other codecs includes the start of their program."
            .to_owned(),
        columns: std::iter::once(budget_title(results)).chain(titles).collect(),
        words: 2,
        rows,
    }
}

fn milliseconds(seconds: f64) -> String {
    let value = seconds * 1000.0;
    number(value, if value < 100.0 { 1 } else { 0 })
}

/// What different seeds change: the means of each budget.
pub(super) fn uncertainty(results: &Results) -> Table {
    let mut rows = Vec::new();
    for &budget in &results.budgets {
        let of: Vec<&Uncertainty> = results
            .uncertainty
            .iter()
            .filter(|one| one.budget == budget)
            .collect();
        if !of.is_empty() {
            let mean = |figure: Uncertain| {
                let values: Vec<f64> = of.iter().filter_map(|one| figure(one)).collect();
                let sum: f64 = values.iter().sum();
                (!values.is_empty()).then(|| sum / values.len() as f64)
            };
            let mut cells = vec![Cell::Number(budget.to_string())];
            cells.extend(uncertain(&mean));
            cells.push(Cell::Number(of.len().to_string()));
            rows.push(cells);
        }
    }
    let columns = [budget_title(results)]
        .into_iter()
        .chain(uncertain_titles());
    Table {
        caption: "Means over the pictures. Errors are in squared steps of 8 bits; the mean squared error is bias² + variance."
            .to_owned(),
        columns: columns.chain(["Pictures".to_owned()]).collect(),
        words: 1,
        rows,
    }
}

/// The same for each picture.
pub(super) fn uncertainty_of_pictures(results: &Results) -> Table {
    let rows = results.uncertainty.iter().map(|one| {
        let mut cells = vec![
            Cell::Word(one.picture.clone()),
            Cell::Number(one.budget.to_string()),
        ];
        cells.extend(uncertain(&|figure| figure(one)));
        cells
    });
    let heads = ["Picture".to_owned(), budget_title(results)];
    Table {
        caption: "Each picture at each budget.".to_owned(),
        columns: heads.into_iter().chain(uncertain_titles()).collect(),
        words: 1,
        rows: rows.collect(),
    }
}

/// A figure of what different seeds change, where it is defined.
type Uncertain = fn(&Uncertainty) -> Option<f64>;

fn uncertain_titles() -> impl Iterator<Item = String> {
    let titles = [
        "Decodes",
        "MSE",
        "Bias²",
        "Variance",
        "Between two decodes: MSE",
        "Between two decodes: LPIPS",
        "PSNR of the mean (dB)",
        "PSNR of a decode (dB)",
    ];
    titles.into_iter().map(str::to_owned)
}

/// The cells of [`uncertain_titles`], of what `get` makes of each figure.
fn uncertain(get: &dyn Fn(Uncertain) -> Option<f64>) -> Vec<Cell> {
    vec![
        Cell::maybe(get(|one| Some(one.seeds.into())), 0),
        Cell::maybe(get(|one| Some(one.mse)), 1),
        Cell::maybe(get(|one| Some(one.bias2)), 1),
        Cell::maybe(get(|one| Some(one.variance)), 1),
        Cell::maybe(get(|one| Some(one.pairwise_mse)), 1),
        Cell::maybe(get(|one| one.pairwise_lpips), 4),
        Cell::maybe(get(|one| one.psnr_mean), 2),
        Cell::maybe(get(|one| one.psnr_sample), 2),
    ]
}

/// Where each picture halts.
pub(super) fn halting(results: &Results, halting: &Halting) -> Table {
    let rows = halting.pictures.iter().map(|halt| {
        let budget = halt.budget.map(f64::from);
        vec![
            Cell::Word(halt.picture.clone()),
            Cell::maybe(budget, 0),
            Cell::maybe(Some(halt.reached), 3),
        ]
    });
    Table {
        caption: "The budget of each picture, and the quality there; without a budget the best that there is."
            .to_owned(),
        columns: vec![
            "Picture".to_owned(),
            budget_title(results),
            format!("{} reached", halting.metric),
        ],
        words: 1,
        rows: rows.collect(),
    }
}

/// Who was measured, with which programs, and who was not.
pub(super) fn codecs(results: &Results) -> Table {
    let rows = results.codecs.iter().map(|codec| {
        let version = codec.version.clone().unwrap_or_default();
        let state = match &codec.missing {
            None => "measured".to_owned(),
            Some(reason) => format!("not measured: {reason}"),
        };
        vec![
            Cell::Word(codec.name.clone()),
            Cell::Word(version),
            Cell::Word(state),
        ]
    });
    Table {
        caption: "The programs, with their versions.".to_owned(),
        columns: ["Codec", "Version", "State"].map(str::to_owned).to_vec(),
        words: 3,
        rows: rows.collect(),
    }
}

/// Pictures that are in no mean.
pub(super) fn failures(results: &Results) -> Table {
    let rows = results.failures.iter().map(|failure| {
        vec![
            Cell::Word(failure.picture.clone()),
            Cell::Word(failure.error.clone()),
        ]
    });
    Table {
        caption: "Pictures that could not be measured; they are in no mean.".to_owned(),
        columns: ["Picture", "Error"].map(str::to_owned).to_vec(),
        words: 2,
        rows: rows.collect(),
    }
}

fn budget_title(results: &Results) -> String {
    format!("Budget ({})", results.unit.name())
}

/// A row for each budget and each codec that has means there, behind these two.
fn each(results: &Results, cells: impl Fn(&str, u32) -> Vec<Cell>) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for &budget in &results.budgets {
        for codec in figures::measured(results) {
            let mut means = results.means.iter();
            if means.any(|mean| mean.budget == budget && mean.codec == codec) {
                let mut row = vec![
                    Cell::Number(budget.to_string()),
                    Cell::Word(codec.to_owned()),
                ];
                row.extend(cells(codec, budget));
                rows.push(row);
            }
        }
    }
    rows
}

fn interval(mean: &Mean, shown: impl Fn(f64) -> String) -> Cell {
    let interval = format!("{} to {}", shown(mean.low), shown(mean.high));
    Cell::Interval(shown(mean.mean), interval)
}
