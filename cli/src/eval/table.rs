//! The results as text: who was measured, and a table of means that is a table in Markdown too.

use super::results::{Contestant, Mean, Results, Uncertainty, Unit};
use crate::message::one_line;
use crate::values;

/// Heading, name in the results, and decimals of each column of figures.
const COLUMNS: [(&str, &str, usize); 9] = [
    ("bytes", "bytes", 0),
    ("PSNR", "psnr", 2),
    ("SSIM 11×11 Gaussian", "ssim_gaussian11", 3),
    ("SSIM 7×7 uniform", "ssim_uniform7", 3),
    ("MAE", "mae", 2),
    ("SSIMULACRA 2", "ssimulacra2", 1),
    ("LPIPS", "lpips", 3),
    ("encode s", "encode_seconds", 3),
    ("decode s", "decode_seconds", 3),
];

/// All of a run as text.
pub(crate) fn table(results: &Results) -> String {
    let mut text = heading(results);
    text.push('\n');
    text.push_str(&aligned(&rows(results)));
    if let Some(halting) = &results.halting {
        let unit = unit(results.unit);
        text.push_str(&format!(
            "\n{} {} is reached at\n\n",
            halting.metric, halting.target
        ));
        let mut rows = vec![vec![
            "picture".to_owned(),
            unit.to_owned(),
            "reached".to_owned(),
        ]];
        rows.extend(halting.pictures.iter().map(|halt| {
            let budget = halt
                .budget
                .map_or("-".to_owned(), |budget| budget.to_string());
            vec![
                one_line(&halt.picture),
                budget,
                format!("{:.3}", halt.reached),
            ]
        }));
        text.push_str(&aligned(&rows));
    }
    if !results.uncertainty.is_empty() {
        text.push_str("\nDecodes from different noise, means over the pictures; errors in squared steps of 8 bits\n\n");
        text.push_str(&aligned(&uncertainty(results)));
    }
    text
}

/// A figure of several decodes.
type Spread = (&'static str, fn(&Uncertainty) -> Option<f64>, usize);

const SPREADS: [Spread; 7] = [
    ("MSE", |u| Some(u.mse), 2),
    ("bias²", |u| Some(u.bias2), 2),
    ("variance", |u| Some(u.variance), 2),
    ("pairwise MSE", |u| Some(u.pairwise_mse), 2),
    ("pairwise LPIPS", |u| u.pairwise_lpips, 3),
    ("PSNR of the mean", |u| u.psnr_mean, 2),
    ("PSNR of a sample", |u| u.psnr_sample, 2),
];

/// What different noise changes: a row for each budget, - where a picture lacks the figure.
fn uncertainty(results: &Results) -> Vec<Vec<String>> {
    let headings = [unit(results.unit), "seeds"].into_iter();
    let headings = headings.chain(SPREADS.iter().map(|(heading, ..)| *heading));
    let mut rows = vec![headings.map(str::to_owned).collect::<Vec<_>>()];
    for budget in &results.budgets {
        let of: Vec<&Uncertainty> = { results.uncertainty.iter() }
            .filter(|found| found.budget == *budget)
            .collect();
        let Some(seeds) = of.first().map(|found| found.seeds) else {
            continue;
        };
        let cells = SPREADS.iter().map(|(_, figure, decimals)| {
            let values: Option<Vec<f64>> = of.iter().map(|found| figure(found)).collect();
            values.map_or("-".to_owned(), |values| {
                format!(
                    "{:.decimals$}",
                    values.iter().sum::<f64>() / values.len() as f64
                )
            })
        });
        let start = [budget.to_string(), seeds.to_string()];
        rows.push(start.into_iter().chain(cells).collect());
    }
    rows
}

fn heading(results: &Results) -> String {
    let count = values::count(results.pictures.len() as u64, "picture");
    let mut text = format!("{count}, {}\n", one_line(&results.model));
    for codec in &results.codecs {
        let Contestant {
            name,
            version,
            missing,
        } = codec;
        let what = match (version, missing) {
            (_, Some(missing)) => format!("not measured: {}", one_line(missing)),
            (Some(version), None) => one_line(version),
            (None, None) => continue,
        };
        text.push_str(&format!("{name}: {what}\n"));
    }
    text.push_str("Means, in brackets their 95 % bootstrap intervals; - where a picture has no file or figure.\n");
    text
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "at most",
        Unit::Tokens => "k",
    }
}

fn rows(results: &Results) -> Vec<Vec<String>> {
    let measured: Vec<&Contestant> = { results.codecs.iter() }
        .filter(|codec| codec.missing.is_none())
        .collect();
    let shown: Vec<_> = { COLUMNS.iter() }
        .filter(|(_, figure, _)| {
            *figure != "lpips"
                || results
                    .measurements
                    .iter()
                    .any(|m| m.figures.lpips.is_some())
        })
        .collect();
    let headings = shown.iter().map(|(heading, ..)| *heading);
    let first = [unit(results.unit), "codec"].into_iter().chain(headings);
    let mut rows = vec![first.map(str::to_owned).collect::<Vec<_>>()];
    for budget in &results.budgets {
        for codec in &measured {
            let cells = shown.iter().map(|(_, figure, decimals)| {
                let mean = results.means.iter().find(|mean| {
                    mean.budget == *budget && mean.codec == codec.name && mean.figure == *figure
                });
                mean.map_or("-".to_owned(), |mean| cell(mean, *decimals))
            });
            let start = [budget.to_string(), codec.name.clone()];
            rows.push(start.into_iter().chain(cells).collect());
        }
    }
    rows
}

/// A mean, with its interval where there is more than one picture and the figure is one of quality.
fn cell(mean: &Mean, decimals: usize) -> String {
    let Mean { low, high, .. } = mean;
    let is_quality = !matches!(
        mean.figure.as_str(),
        "bytes" | "encode_seconds" | "decode_seconds"
    );
    let interval = match mean.count > 1 && is_quality {
        true => format!(" [{low:.decimals$}, {high:.decimals$}]"),
        false => String::new(),
    };
    format!("{:.decimals$}{interval}", mean.mean)
}

/// Rows of a table, the first its headings, with columns of one width.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(&format!("| {cell:width$} "));
        }
        text.push_str("|\n");
        if index == 0 {
            let rule = widths
                .iter()
                .map(|width| format!("|{}", "-".repeat(width + 2)));
            text.extend(rule);
            text.push_str("|\n");
        }
    }
    text
}
