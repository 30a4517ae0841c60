//! The whole-program tests: one test program, since each would link all of the library. A file alone is
//! `cargo test --release --test program arguments::`.

mod arguments;
mod arrays;
mod damage;
mod detokenize;
mod devices;
mod encode_folders;
mod eval;
mod eval_report;
mod eval_runs;
mod faults;
mod fit;
mod hints;
mod looks;
mod models;
mod odd_inputs;
mod outputs;
mod packets;
mod precision;
mod prefixes;
mod refusals;
mod round_trip;
mod samples;
mod serve;
mod several;
mod shell;
mod targets;
mod terminal;
mod tokenize;
mod tokenize_restart;
mod usage;
