//! Options that take one of a few names of the library: clap lists them in `--help` and in its refusals.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use flextok::Precision;
use flextok::metrics::Metric;

/// One of the metrics, which `--help` lists.
pub(crate) fn metric() -> impl TypedValueParser<Value = Metric> {
    PossibleValuesParser::new(Metric::ALL.map(Metric::name)).try_map(|name| name.parse::<Metric>())
}

/// One of the precisions, which `--help` lists.
pub(crate) fn precision() -> impl TypedValueParser<Value = Precision> {
    PossibleValuesParser::new(Precision::ALL.map(Precision::name))
        .try_map(|name| name.parse::<Precision>())
}
