//! What `flextok eval` is made of: the set of pictures, files of each at each budget, other codecs, figures, and results.

mod again;
mod bootstrap;
mod export;
pub(crate) mod frechet;
mod halting;
mod journal;
mod meter;
mod own;
mod plan;
mod process;
pub(crate) mod report;
pub(crate) mod results;
mod rivals;
mod run;
mod seeds;
mod set;
mod table;

pub(crate) use again::Shown;
pub(crate) use export::Export;
pub(crate) use journal::Journal;
pub(crate) use meter::Meter;
pub(crate) use plan::{Budgets, Plan, Protocol, parse_until};
pub(crate) use rivals::{Rival, RivalError};
pub(crate) use run::Evaluation;
pub(crate) use set::pictures;
pub(crate) use table::table;
