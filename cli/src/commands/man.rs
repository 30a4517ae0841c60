//! `flextok man`: manual pages, generated from the definition of the command line.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use crate::args;
use crate::context::Context;
use crate::exit::CliError;
use crate::message;
use crate::output::{self, Output};

/// Print the manual page, or write the pages of all commands to a directory
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Directory for flextok.1, flextok-encode.1 and so on; created if it does not exist
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs, context: &Context) -> Result<(), CliError> {
    let mut command = args::definition();
    command.build();
    let Some(directory) = &args.output else {
        let page = render(&command, Path::new("standard output"))?;
        return output::print(&String::from_utf8_lossy(&page));
    };
    let failed = |source| CliError::Write {
        name: message::name(directory),
        source,
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut pages = Vec::new();
    for command in with_subcommands(&command) {
        let path = directory.join(Man::new(command.clone()).get_filename());
        pages.push((Output::new(&path, context.force)?, render(command, &path)?));
    }
    pages
        .iter()
        .try_for_each(|(output, page)| output.write(page))
}

/// A command and all below it, but for the help on help, which is clap's own, with nothing in it.
fn with_subcommands(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands();
    let below = below.filter(|command| command.get_name() != "help");
    let below = below.flat_map(with_subcommands);
    std::iter::once(command).chain(below).collect()
}

fn render(command: &Command, path: &Path) -> Result<Vec<u8>, CliError> {
    let mut page = Vec::new();
    let rendered = Man::new(command.clone()).render(&mut page);
    rendered.map_err(|source| CliError::Write {
        name: message::name(path),
        source,
    })?;
    Ok(page)
}
