//! `flextok completions`: completion scripts, generated from the definition of the command line.

use std::collections::BTreeSet;

use clap::builder::ValueHint;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::args;
use crate::exit::CliError;
use crate::output;

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    let mut definition = args::definition();
    clap_complete::generate(args.shell, &mut definition, "flextok", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if args.shell == Shell::Bash {
        script = inputs_first(&script, &definition);
    }
    output::print(&script)
}

/// The script for Bash without options in the place of an empty word, where people look for their files, which Bash offers
/// if nothing else is. Options still follow a dash.
fn inputs_first(script: &str, definition: &Command) -> String {
    let mut commands = BTreeSet::new();
    add_with_inputs("flextok", definition, &mut commands);
    let mut inside = false;
    let mut out = String::with_capacity(script.len());
    for line in script.lines() {
        let section = line.strip_prefix("        ");
        if let Some(section) = section.and_then(|rest| rest.strip_suffix(')')) {
            inside = match section.starts_with(' ') {
                true => inside,
                false => commands.contains(section),
            };
        }
        let line = match line.split_once(" || ${COMP_CWORD} -eq ") {
            Some((dash, _)) if inside => &format!("{dash} ]] ; then"),
            _ if inside
                && line == "            COMPREPLY=( $(compgen -W \"${opts}\" -- \"${cur}\") )" =>
            {
                continue;
            }
            _ => line,
        };
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Adds the commands that take names of files, as the script calls them.
fn add_with_inputs(name: &str, command: &Command, found: &mut BTreeSet<String>) {
    let takes_files = |arg: &clap::Arg| {
        matches!(
            arg.get_value_hint(),
            ValueHint::FilePath | ValueHint::DirPath
        )
    };
    if command.get_positionals().any(takes_files) {
        found.insert(name.to_owned());
    }
    for inner in command.get_subcommands() {
        let name = format!("{name}__subcmd__{}", inner.get_name());
        add_with_inputs(&name, inner, found);
    }
}
