//! Pictures side by side: the original, flextok and each rival at the same budget, of the worst and the best pictures.

use std::collections::HashMap;
use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flextok::image::codecs::webp::WebPEncoder;
use flextok::image::{RgbImage, imageops};

use super::Pictures;
use super::figures::{self, FIGURES, psnr};
use super::markup::{number, text};
use crate::eval::results::{Figures, Picture, Results};
use crate::exit::CliError;
use crate::values;

/// Longest side of a picture in the report, in pixels.
const SIDE: u32 = 256;

/// Pictures from either end of the order.
const ENDS: usize = 2;

/// Why a picture is shown.
struct Shown<'a> {
    picture: &'a Picture,
    why: String,
}

/// The section's inside; `None` if there is nothing to show.
pub(super) fn gallery(
    results: &Results,
    pictures: &dyn Pictures,
) -> Result<Option<String>, CliError> {
    let codecs = figures::measured(results);
    let (Some(&own), Some(reference)) = (codecs.first(), middle(&results.budgets)) else {
        return Ok(None);
    };
    let (shown, has_others) = chosen(results, own, reference);
    if shown.is_empty() {
        return Ok(None);
    }
    let budget = results.unit.count(reference);
    let order = if has_others {
        format!("how far the PSNR of {own} is above that of the best other codec at {budget}")
    } else {
        format!("the PSNR of {own} at {budget}")
    };
    let mut out = format!(
        "<p>Chosen by {}: the lowest, and the highest. Scaled down to at most {SIDE} pixels a side, and stored without loss.</p>\n",
        text(&order)
    );
    for shown in &shown {
        out.push_str(&compared(results, pictures, &codecs, shown)?);
    }
    Ok(Some(out))
}

fn middle(budgets: &[u32]) -> Option<u32> {
    budgets.get(budgets.len() / 2).copied()
}

/// Up to three budgets: the quarters of the list.
fn few(budgets: &[u32]) -> Vec<u32> {
    if budgets.len() <= 3 {
        return budgets.to_vec();
    }
    let count = budgets.len();
    let quarters = [count / 4, count / 2, count * 3 / 4];
    quarters.map(|index| budgets[index]).to_vec()
}

/// The worst pictures first, then the best; and whether another codec was there to compare with.
fn chosen<'a>(results: &'a Results, own: &str, budget: u32) -> (Vec<Shown<'a>>, bool) {
    // Of each picture the PSNR of flextok, and the best of the others.
    let mut of: HashMap<&str, (Option<f64>, f64)> = HashMap::new();
    for one in results
        .measurements
        .iter()
        .filter(|one| one.budget == budget)
    {
        let (mine, best) = of.entry(&one.picture).or_insert((None, f64::NAN));
        if one.codec == own {
            *mine = Some(psnr(&one.figures));
        } else {
            *best = best.max(psnr(&one.figures));
        }
    }
    let mut order: Vec<(&Picture, f64, f64)> = Vec::new();
    for picture in &results.pictures {
        if let Some(&(Some(mine), best)) = of.get(picture.name.as_str()) {
            order.push((picture, mine, best));
        }
    }
    let has_others = order.iter().any(|(.., best)| !best.is_nan());
    if has_others {
        // The gap says nothing where no other codec has a file.
        order.retain(|(.., best)| !best.is_nan());
    }
    let rank = |mine: f64, best: f64| match has_others {
        // Both identical to the original.
        true if mine == best => 0.0,
        true => mine - best,
        false => mine,
    };
    order.sort_by(|a, b| rank(a.1, a.2).total_cmp(&rank(b.1, b.2)));
    let last = order.len();
    let at_an_end = |index: usize| index < ENDS || index + ENDS >= last;
    let ends = order
        .iter()
        .enumerate()
        .filter(|(index, _)| at_an_end(*index));
    let shown = ends.map(|(index, &(picture, mine, best))| Shown {
        picture,
        why: reason(index, last, rank(mine, best), has_others),
    });
    (shown.collect(), has_others)
}

/// The place in the order of `count` pictures, and what put it there.
fn reason(index: usize, count: usize, rank: f64, gap: bool) -> String {
    let place = match (index, count - 1 - index) {
        (0, 0) => "the only one".to_owned(),
        (0, _) => "the lowest".to_owned(),
        (_, 0) => "the highest".to_owned(),
        (low, high) if low <= high => format!("number {} from below", low + 1),
        (_, high) => format!("number {} from above", high + 1),
    };
    let value = match (gap, rank.is_finite()) {
        (_, false) if rank > 0.0 => "identical to the original".to_owned(),
        (_, false) => "another codec's is identical to the original".to_owned(),
        (true, true) if rank >= 0.0 => format!("{} dB above", number(rank, 2)),
        (true, true) => format!("{} dB below", number(-rank, 2)),
        (false, true) => format!("{} dB", number(rank, 2)),
    };
    format!("{place}: {value}")
}

/// One picture: its original, and a row of decodes for each budget.
fn compared(
    results: &Results,
    pictures: &dyn Pictures,
    codecs: &[&str],
    shown: &Shown,
) -> Result<String, CliError> {
    let Picture {
        name,
        width,
        height,
    } = shown.picture;
    let pixels = format!("{width}×{height}");
    let original = image(&pictures.original(name)?, &format!("original of {name}"))?;
    let mut out = format!(
        "<article><h3>{}</h3><p class=\"note\">{}, {pixels}</p>\n<div class=\"compare\"><figure>{original}<figcaption><b>original</b></figcaption></figure><div>\n",
        text(name),
        text(&shown.why)
    );
    for budget in few(&results.budgets) {
        let mut row = String::new();
        for codec in codecs {
            row.push_str(&decoded(
                results,
                pictures,
                [name.as_str(), *codec],
                budget,
            )?);
        }
        if !row.is_empty() {
            let budget = results.unit.count(budget);
            out.push_str(&format!(
                "<h4>{budget}</h4><div class=\"row\">{row}</div>\n"
            ));
        }
    }
    out.push_str("</div></div></article>\n");
    Ok(out)
}

/// A decode with its figures; empty where there is none.
fn decoded(
    results: &Results,
    pictures: &dyn Pictures,
    [name, codec]: [&str; 2],
    budget: u32,
) -> Result<String, CliError> {
    let mut all = results.measurements.iter();
    let Some(one) =
        all.find(|one| one.budget == budget && one.codec == codec && one.picture == name)
    else {
        return Ok(String::new());
    };
    let Some(picture) = pictures.decoded(name, codec, budget)? else {
        return Ok(String::new());
    };
    let alt = format!("{codec} at {} of {name}", results.unit.count(budget));
    let settings = if one.settings.is_empty() {
        String::new()
    } else {
        format!("<br/>{}", text(&one.settings))
    };
    Ok(format!(
        "<figure>{}<figcaption><b>{}</b><br/>{}<br/>{}{settings}</figcaption></figure>",
        image(&picture, &alt)?,
        text(codec),
        figures_of(&one.figures),
        values::count(one.bytes, "byte")
    ))
}

/// PSNR, and LPIPS where it was measured, a line each.
fn figures_of(figures: &Figures) -> String {
    let mut out = match figures.psnr {
        Some(psnr) => format!("PSNR {} dB", number(psnr, 2)),
        None => "identical".to_owned(),
    };
    if let Some(lpips) = figures.lpips {
        let decimals = FIGURES.iter().find(|figure| figure.key == "lpips");
        let decimals = decimals.map_or(4, |figure| figure.decimals);
        out.push_str(&format!("<br/>LPIPS {}", number(lpips, decimals)));
    }
    out
}

/// A picture inside of the page.
fn image(picture: &RgbImage, alt: &str) -> Result<String, CliError> {
    let small = scaled(picture);
    let mut bytes = Cursor::new(Vec::new());
    let encoder = WebPEncoder::new_lossless(&mut bytes);
    let (width, height) = small.dimensions();
    let written = small.write_with_encoder(encoder);
    written.map_err(|error| CliError::Write {
        name: "the report".to_owned(),
        source: std::io::Error::other(error),
    })?;
    Ok(format!(
        "<img alt=\"{}\" width=\"{width}\" height=\"{height}\" src=\"data:image/webp;base64,{}\"/>",
        text(alt),
        STANDARD.encode(bytes.into_inner())
    ))
}

/// The picture, with no side longer than [`SIDE`].
fn scaled(picture: &RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    if longest <= SIDE {
        return picture.clone();
    }
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(SIDE) / u64::from(longest);
        u32::try_from(scaled).unwrap_or(SIDE).max(1)
    };
    let filter = imageops::FilterType::CatmullRom;
    imageops::resize(picture, side(width), side(height), filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_budgets_are_spread_over_all() {
        assert_eq!(few(&[]), [0; 0]);
        assert_eq!(few(&[5, 9]), [5, 9]);
        assert_eq!(few(&[1, 2, 4, 8, 16, 32, 64, 128, 256]), [4, 16, 64]);
        assert_eq!(few(&[1, 2, 3, 4]), [2, 3, 4]);
    }

    #[test]
    fn pictures_are_scaled_down_only() {
        let of = |width, height| scaled(&RgbImage::new(width, height)).dimensions();
        assert_eq!(of(1600, 900), (256, 144));
        assert_eq!(of(200, 256), (200, 256));
        assert_eq!(of(1, 100_000), (1, 256));
    }

    #[test]
    fn places_are_said() {
        assert_eq!(reason(0, 1, 24.0, false), "the only one: 24.00 dB");
        assert_eq!(reason(0, 9, -1.5, true), "the lowest: 1.50 dB below");
        assert_eq!(
            reason(1, 9, 0.5, true),
            "number 2 from below: 0.50 dB above"
        );
        assert_eq!(
            reason(7, 9, 0.5, true),
            "number 2 from above: 0.50 dB above"
        );
        assert_eq!(
            reason(8, 9, f64::INFINITY, false),
            "the highest: identical to the original"
        );
        assert_eq!(
            reason(0, 2, f64::NEG_INFINITY, true),
            "the lowest: another codec's is identical to the original"
        );
    }
}
