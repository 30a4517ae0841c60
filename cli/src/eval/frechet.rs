//! `flextok eval --frechet`: the Fréchet distance of two files of features.

use std::path::Path;

use flextok::metrics;
use flextok::npy::{self, NpyArray};
use serde::Serialize;

use crate::context::Context;
use crate::exit::CliError;
use crate::input::Source;
use crate::output;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    frechet: f64,
    /// Features of a row.
    features: usize,
    /// Rows of both files.
    rows: [usize; 2],
}

/// Prints the distance of the features in two `.npy` files [N, D].
pub(crate) fn run(a: &Path, b: &Path, json: bool, context: &Context) -> Result<(), CliError> {
    let sources = [Source::new(a), Source::new(b)];
    if sources == [Source::Stdin, Source::Stdin] {
        let problem = "cannot read both arrays from standard input";
        return Err(CliError::usage("--frechet", problem));
    }
    let [first, second] = [
        features(&sources[0], context)?,
        features(&sources[1], context)?,
    ];
    let distance = metrics::frechet(&first, &second).map_err(|source| CliError::Frechet {
        name: format!("{}, {}", sources[0].name(), sources[1].name()),
        source,
    })?;
    if json {
        return output::print_json(&Report {
            frechet: distance,
            features: first.shape[1],
            rows: [first.shape[0], second.shape[0]],
        });
    }
    output::print(&format!("{distance}\n"))
}

fn features(source: &Source, context: &Context) -> Result<NpyArray<f64>, CliError> {
    let bytes = source.bytes(context.limits.image_bytes)?;
    npy::read_f64(&bytes).map_err(|error| CliError::Npy {
        name: source.name(),
        source: error,
    })
}
