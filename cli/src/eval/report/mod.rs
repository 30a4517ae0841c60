//! The report of an evaluation: one HTML file that needs no network and holds no script. It is well-formed XML too.

mod figures;
mod gallery;
mod markup;
mod plot;
mod tables;
#[cfg(test)]
mod tests;

use flextok::image::RgbImage;
use flextok::metrics::Metric;
use markup::text;

use super::results::Results;
use crate::exit::CliError;
use crate::values;

const STYLE: &str = include_str!("style.css");

/// Nothing is fetched or run, whatever might get past the escaping.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// Where the report gets its pictures from.
pub(crate) trait Pictures {
    /// The original, after the protocol's crop.
    fn original(&self, picture: &str) -> Result<RgbImage, CliError>;

    /// The decode of a codec at a budget; `None` if there is none.
    fn decoded(
        &self,
        picture: &str,
        codec: &str,
        budget: u32,
    ) -> Result<Option<RgbImage>, CliError>;
}

/// A part of the page.
struct Section {
    /// Its address within the page.
    id: &'static str,
    title: &'static str,
    html: String,
}

/// The whole page.
///
/// # Errors
/// What `pictures` cannot get, or a picture that cannot be encoded.
pub(crate) fn html(results: &Results, pictures: &dyn Pictures) -> Result<String, CliError> {
    let mut sections = vec![plots(results), means(results)];
    sections.extend(gallery::gallery(results, pictures)?.map(|html| Section {
        id: "pictures",
        title: "Worst and best pictures",
        html,
    }));
    sections.extend(uncertainty(results));
    sections.extend(halting(results));
    sections.extend([times(results), codecs(results)]);
    sections.extend(failures(results));

    let title = format!(
        "Rate and distortion of {}",
        values::count(results.pictures.len() as u64, "picture")
    );
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\"/>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
         <meta name=\"generator\" content=\"{}\"/>\
         <title>{title}</title>\n<style>\n{STYLE}</style></head>\n<body>\n<header><h1>{title}</h1>\n{}",
        text(POLICY),
        text(&results.program),
        facts(results)
    );
    out.push_str("<nav aria-label=\"Sections\"><ul>");
    for Section { id, title, .. } in &sections {
        out.push_str(&format!("<li><a href=\"#{id}\">{title}</a></li>"));
    }
    out.push_str("</ul></nav></header>\n<main>\n");
    for Section { id, title, html } in &sections {
        out.push_str(&format!(
            "<section aria-labelledby=\"{id}\"><h2 id=\"{id}\">{title}</h2>\n{html}</section>\n"
        ));
    }
    out.push_str("</main></body></html>\n");
    Ok(out)
}

/// What was measured with what.
fn facts(results: &Results) -> String {
    let budgets: Vec<String> = results.budgets.iter().map(u32::to_string).collect();
    let budgets = format!("{} {}", budgets.join(", "), results.unit.name());
    let mut out = String::from("<dl>");
    for (name, value) in [
        ("Model", &results.model),
        ("Program", &results.program),
        ("Pictures", &set(results)),
        ("Budgets", &budgets),
    ] {
        out.push_str(&format!("<dt>{name}</dt><dd>{}</dd>", text(value)));
    }
    out.push_str(&format!(
        "<dt>Command</dt><dd><pre tabindex=\"0\">{}</pre></dd></dl>\n",
        text(&results.command)
    ));
    out
}

/// How many pictures there are, and of which sizes.
fn set(results: &Results) -> String {
    let count = results.pictures.len();
    let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
    let by_area = || {
        results
            .pictures
            .iter()
            .map(|p| (area(p.width, p.height), p))
    };
    let ends = by_area()
        .min_by_key(|(area, _)| *area)
        .zip(by_area().max_by_key(|(area, _)| *area));
    let Some(((_, small), (_, large))) = ends else {
        return "none".to_owned();
    };
    let size = |p: &super::results::Picture| format!("{}×{}", p.width, p.height);
    let (small, large) = (size(small), size(large));
    let sizes = if small == large {
        small
    } else {
        format!("{small} to {large}")
    };
    let failed = match results.failures.len() {
        0 => String::new(),
        failed => format!("; {failed} could not be measured"),
    };
    format!("{count}, {sizes} pixels{failed}")
}

fn plots(results: &Results) -> Section {
    let drawn: Vec<String> = figures::present(results)
        .into_iter()
        .filter_map(|figure| plot::plot(results, figure))
        .collect();
    let html = if drawn.is_empty() {
        "<p>There are no means to draw: no codec has a file of every picture at any budget.</p>\n"
            .to_owned()
    } else {
        let missing = missing(results);
        format!(
            "<p>Means over the pictures; bands are 95 % bootstrap intervals. Point at a marker for its numbers.</p>\n{missing}{}<div class=\"plots\">\n{}</div>\n",
            plot::legend(results),
            drawn.concat()
        )
    };
    Section {
        id: "plots",
        title: "Rate and distortion",
        html,
    }
}

/// The line about codecs that were to be measured and are not there.
fn missing(results: &Results) -> String {
    let missing: Vec<String> = results
        .codecs
        .iter()
        .filter_map(|codec| codec.missing.as_ref().map(|why| (codec, why)))
        .map(|(codec, why)| format!("{} ({})", text(&codec.name), text(why)))
        .collect();
    if missing.is_empty() {
        return String::new();
    }
    let missing = missing.join(", ");
    format!("<p class=\"problem\">Not measured: {missing}.</p>\n")
}

fn means(results: &Results) -> Section {
    let table = tables::means(results);
    Section {
        id: "means",
        title: "Means",
        html: format!("{}{}", table.html(), table.markdown()),
    }
}

fn uncertainty(results: &Results) -> Option<Section> {
    if results.uncertainty.is_empty() {
        return None;
    }
    let table = tables::uncertainty(results);
    let html = format!(
        "<p>The same tokens decoded from different noise: how much of the error is the same for all decodes (bias²), and how much is chance (variance).</p>\n{}{}<details><summary>Each picture</summary>{}</details>\n",
        table.html(),
        table.markdown(),
        tables::uncertainty_of_pictures(results).html()
    );
    Some(Section {
        id: "uncertainty",
        title: "Uncertainty",
        html,
    })
}

fn halting(results: &Results) -> Option<Section> {
    let halting = results.halting.as_ref()?;
    let drawn = plot::histogram(halting, results.unit)?;
    let metric: Result<Metric, _> = halting.metric.parse();
    let metric = metric.map_or(halting.metric.as_str(), |metric| metric.label());
    let html = format!(
        "<p>The least budget at which a picture reaches {} {}.</p>\n{drawn}<details><summary>Each picture</summary>{}</details>\n",
        text(metric),
        halting.target,
        tables::halting(results, halting).html()
    );
    Some(Section {
        id: "halting",
        title: "Halting",
        html,
    })
}

fn times(results: &Results) -> Section {
    Section {
        id: "times",
        title: "Times",
        html: tables::times(results).html(),
    }
}

fn codecs(results: &Results) -> Section {
    Section {
        id: "codecs",
        title: "Codecs",
        html: tables::codecs(results).html(),
    }
}

fn failures(results: &Results) -> Option<Section> {
    (!results.failures.is_empty()).then(|| Section {
        id: "failures",
        title: "Failures",
        html: tables::failures(results).html(),
    })
}
