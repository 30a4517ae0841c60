//! Rate–distortion plots as SVG, drawn by the page's style sheet: one colour, one dash and one marker for each codec.

mod histogram;
mod scale;

pub(super) use histogram::histogram;
use scale::{Linear, Log2, spread};

use super::figures::{self, Figure};
use super::markup::{number, text};
use crate::eval::results::{Mean, Results, Unit};

/// The drawing's size and the edges of its plane, in units of about a pixel.
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 310.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 262.0;

/// Room between two labels on one side of the plane.
const LINE: f64 = 15.0;

/// Most styles of lines that are told apart; further codecs begin anew.
const STYLES: usize = 6;

const DASHES: [&str; STYLES] = ["none", "8 5", "2 5", "12 4 2 4", "5 3", "16 6"];

/// About the width of a text in the style sheet's size.
fn width(text: &str) -> f64 {
    7.2 * text.chars().count() as f64
}

/// The class of a codec.
fn style(index: usize) -> String {
    format!("s{}", index % STYLES)
}

/// A codec's line in one plot.
struct Series<'a> {
    /// Position among all codecs, which gives its style.
    index: usize,
    name: &'a str,
    /// In the order of budgets.
    means: Vec<&'a Mean>,
}

/// The legend of all plots: a list of lines with markers.
pub(super) fn legend(results: &Results) -> String {
    let mut out = String::from("<ul class=\"legend\" aria-label=\"Codecs\">");
    for (index, name) in figures::measured(results).iter().enumerate() {
        let (class, mark) = (style(index), marker(index, 22.0, 8.0));
        let dash = DASHES[index % STYLES];
        out.push_str(&format!(
            "<li><svg class=\"{class}\" viewBox=\"0 0 44 16\" aria-hidden=\"true\"><path class=\"line\" stroke-dasharray=\"{dash}\" d=\"M2 8H42\"/>{mark}</svg>{}</li>",
            text(name)
        ));
    }
    out.push_str("</ul>\n");
    out
}

/// One plot: a figure over the budgets. `None` if there are no means of it.
pub(super) fn plot(results: &Results, figure: &Figure) -> Option<String> {
    let series = series(results, figure);
    let all = || series.iter().flat_map(|series| &series.means);
    let low = all()
        .map(|mean| mean.low.min(mean.mean))
        .fold(f64::INFINITY, f64::min);
    let high = all()
        .map(|mean| mean.high.max(mean.mean))
        .fold(f64::NEG_INFINITY, f64::max);
    if !(low.is_finite() && high.is_finite()) {
        return None;
    }
    let y = Linear::new(low, high, BOTTOM, TOP);
    let names = series.iter().map(|series| width(series.name));
    let right = WIDTH - 16.0 - names.fold(0.0, f64::max).min(120.0);
    let labels: Vec<String> = y
        .ticks()
        .iter()
        .map(|tick| number(*tick, y.decimals()))
        .collect();
    let left = 10.0 + labels.iter().map(|label| width(label)).fold(0.0, f64::max);
    let budgets: Vec<u32> = all().map(|mean| mean.budget).collect();
    // Markers at both ends are within the plane.
    let x = Log2::new(&budgets, left + 10.0, right - 8.0);
    let mut out = frame(results, figure, &y, &labels, [left, right]);
    out.push_str(&budget_ticks(results, &budgets, &x));
    for series in &series {
        out.push_str(&drawn(series, figure, results, (&x, &y)));
    }
    out.push_str(&names_of(&series, (&x, &y), right));
    out.push_str("</svg></figure>\n");
    Some(out)
}

fn series<'a>(results: &'a Results, figure: &Figure) -> Vec<Series<'a>> {
    let codecs = figures::measured(results).into_iter().enumerate();
    let series = codecs.map(|(index, name)| {
        let mut means: Vec<&Mean> = results
            .means
            .iter()
            .filter(|mean| mean.figure == figure.key && mean.codec == name)
            .filter(|mean| figures::is_finite(mean))
            .collect();
        means.sort_by_key(|mean| mean.budget);
        Series { index, name, means }
    });
    series.filter(|series| !series.means.is_empty()).collect()
}

/// The start of the drawing: its names, the grid, the axes' titles.
fn frame(
    results: &Results,
    figure: &Figure,
    y: &Linear,
    labels: &[String],
    [left, right]: [f64; 2],
) -> String {
    let (key, title, better) = (figure.key, text(&figure.title()), figure.better());
    let unit = results.unit.name();
    let mut out = format!(
        "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t-{key} d-{key}\">\
         <title id=\"t-{key}\">{title} over {unit}</title>\
         <desc id=\"d-{key}\">Lines of means with bands of 95 % intervals; {better}. The table of means has the numbers.</desc>\
         <text x=\"0\" y=\"13\"><tspan font-weight=\"600\">{title}</tspan><tspan class=\"axis\" dx=\"8\">{better}</tspan></text>\n"
    );
    for (tick, label) in y.ticks().iter().zip(labels) {
        let at = y.at(*tick);
        let class = if at == BOTTOM { "base" } else { "grid" };
        out.push_str(&format!(
            "<path class=\"{class}\" d=\"M{left:.1} {at:.1}H{right:.1}\"/><text class=\"tick\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>\n",
            left - 6.0,
            at + 4.0
        ));
    }
    let of = match results.unit {
        Unit::Bytes => "Budget (bytes of a file, logarithmic)",
        Unit::Tokens => "Budget (tokens, logarithmic)",
    };
    out.push_str(&format!(
        "<text class=\"axis\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{of}</text>\n",
        (left + right) / 2.0,
        BOTTOM + 40.0
    ));
    out
}

/// The budgets beneath the plane, as many as there is room for.
fn budget_ticks(results: &Results, drawn: &[u32], x: &Log2) -> String {
    let mut out = String::new();
    let mut free = f64::NEG_INFINITY;
    for &budget in results
        .budgets
        .iter()
        .filter(|budget| drawn.contains(budget))
    {
        let (at, label) = (x.at(budget), budget.to_string());
        out.push_str(&format!("<path class=\"base\" d=\"M{at:.1} {BOTTOM}v5\"/>"));
        let half = width(&label) / 2.0;
        if at - half >= free {
            out.push_str(&format!(
                "<text class=\"tick\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{label}</text>\n",
                BOTTOM + 19.0
            ));
            free = at + half + 8.0;
        }
    }
    out
}

/// The band, the line, and a marker with its numbers for each budget.
fn drawn(series: &Series, figure: &Figure, results: &Results, (x, y): (&Log2, &Linear)) -> String {
    let point = |mean: &Mean, value: f64| format!("{:.1} {:.1}", x.at(mean.budget), y.at(value));
    let upper = series.means.iter().map(|mean| point(mean, mean.high));
    let lower = series.means.iter().rev().map(|mean| point(mean, mean.low));
    let band: Vec<String> = upper.chain(lower).collect();
    let line: Vec<String> = series
        .means
        .iter()
        .map(|mean| point(mean, mean.mean))
        .collect();
    let mut out = format!("<g class=\"{}\">", style(series.index));
    if let [one] = series.means.as_slice() {
        // A band of one budget is a bar.
        let (at, top, bottom) = (x.at(one.budget), y.at(one.high), y.at(one.low));
        out.push_str(&format!(
            "<rect class=\"band\" x=\"{:.1}\" y=\"{top:.1}\" width=\"14\" height=\"{:.1}\"/>",
            at - 7.0,
            bottom - top
        ));
    } else {
        out.push_str(&format!(
            "<path class=\"band\" d=\"M{}Z\"/><path class=\"line\" stroke-dasharray=\"{}\" d=\"M{}\"/>",
            band.join("L"),
            DASHES[series.index % STYLES],
            line.join("L")
        ));
    }
    for mean in &series.means {
        let (at, up) = (x.at(mean.budget), y.at(mean.mean));
        out.push_str(&format!(
            "<g><title>{}</title>{}<circle class=\"hit\" cx=\"{at:.1}\" cy=\"{up:.1}\" r=\"11\"/></g>",
            text(&said(series.name, mean, figure, results)),
            marker(series.index, at, up)
        ));
    }
    out.push_str("</g>\n");
    out
}

/// The numbers of a marker in words.
fn said(name: &str, mean: &Mean, figure: &Figure, results: &Results) -> String {
    format!(
        "{name}, {}: {} {}, 95 % interval {} to {}, {}",
        results.unit.count(mean.budget),
        figure.label,
        figure.value(mean.mean),
        number(mean.low, figure.decimals),
        figure.value(mean.high),
        crate::values::count(mean.count as u64, "picture")
    )
}

/// The names of the lines at the right edge, with a leader to the end of a line that is elsewhere.
fn names_of(series: &[Series], (x, y): (&Log2, &Linear), right: f64) -> String {
    let ends: Vec<(f64, f64)> = series
        .iter()
        .filter_map(|series| series.means.last())
        .map(|mean| (x.at(mean.budget), y.at(mean.mean)))
        .collect();
    let heights: Vec<f64> = ends.iter().map(|end| end.1).collect();
    let places = spread(&heights, LINE, TOP, BOTTOM);
    let mut out = String::new();
    for ((series, (end, height)), place) in series.iter().zip(ends).zip(places) {
        out.push_str(&format!("<g class=\"{}\">", style(series.index)));
        if (place - height).abs() > 4.0 || right - end > 12.0 {
            out.push_str(&format!(
                "<path class=\"leader\" d=\"M{:.1} {height:.1}L{:.1} {place:.1}\"/>",
                end + 6.0,
                right + 3.0
            ));
        }
        out.push_str(&format!(
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>\n",
            right + 6.0,
            place + 4.5,
            text(&shortened(series.name))
        ));
    }
    out
}

/// A name that fits beside the plane.
fn shortened(name: &str) -> String {
    if name.chars().count() <= 16 {
        return name.to_owned();
    }
    name.chars().take(15).chain(['…']).collect()
}

/// The marker of a codec at a position.
fn marker(index: usize, x: f64, y: f64) -> String {
    let path = match index % STYLES {
        0 => return format!("<circle class=\"mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>"),
        1 => "m-4 -4h8v8h-8z",
        2 => "m0 -5.5l5 9h-10z",
        3 => "m0 -5.8l5.2 5.8l-5.2 5.8l-5.2 -5.8z",
        4 => "m0 5.5l5 -9h-10z",
        _ => "m-1.6 -5h3.2v3.4h3.4v3.2h-3.4v3.4h-3.2v-3.4h-3.4v-3.2h3.4z",
    };
    format!("<path class=\"mark\" d=\"M{x:.1} {y:.1}{path}\"/>")
}
