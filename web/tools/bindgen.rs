//! `flextok-bindgen MODULE.wasm DIRECTORY`: writes `flextok.js`, its types and `flextok_bg.wasm`.
//!
//! With `FLEXTOK_WEB_NAMES` set, functions keep their names, for profilers.

use std::path::PathBuf;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(module), Some(directory), None) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: flextok-bindgen MODULE.wasm DIRECTORY");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    let made = bindgen
        .input_path(&module)
        .out_name("flextok")
        .typescript(true)
        .remove_producers_section(true)
        .remove_name_section(std::env::var_os("FLEXTOK_WEB_NAMES").is_none())
        .web(true)
        .and_then(|bindgen| bindgen.generate(&directory));
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", module.display());
            ExitCode::FAILURE
        }
    }
}
