//! The command line as a whole: the commands, the options that all of them share, and usage errors
//! as one line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::ValueHint;
use clap::error::ErrorKind;
use clap::{
    Arg, ArgAction, Args, Command as Definition, CommandFactory, FromArgMatches, Parser, Subcommand,
};
use flextok::{Device, Precision};

#[cfg(feature = "serve")]
use crate::commands::serve::ServeArgs;
use crate::commands::{
    compare::CompareArgs, completions::CompletionsArgs, decode::DecodeArgs,
    detokenize::DetokenizeArgs, devices::DevicesArgs, encode::EncodeArgs, eval::EvalArgs,
    fit::FitArgs, info::InfoArgs, man::ManArgs, model::ModelArgs, pack::PackArgs,
    packets::PacketsArgs, preview::PreviewArgs, tokenize::TokenizeArgs, tokens::TokensArgs,
    truncate::TruncateArgs, verify::VerifyArgs,
};
use crate::exit::{Code, report};
use crate::platform::terminal;
use crate::{choices, hints, output, values};

/// The end of `--help` and of the man page.
const EXIT_CODES: &str = "\
Exit codes:
    0  success, also with a truncated file that could be used
    2  usage: an invalid option or value, an array (.npy) of the wrong type or shape
    3  not a flextok file, a corrupt one, or one that this version cannot decode; packets of which
       nothing can be joined; a damaged tar shard or file of tokens, or a row of it that cannot be used
    4  the model is missing, unusable, or not the one that made the file
    5  a limit was exceeded; see the --max-... options
    6  the input image cannot be decoded
    7  input or output failed: missing file, full disk, closed pipe or stream, existing output
       without --force, out of memory
    8  the device does not exist, cannot hold the model, or failed
   70  a bug in this program
  130  interrupted

`-` as IN is standard input, `-` as OUT is standard output. Each error is one line on standard error.";

/// Columns of help where nothing tells the width, as in clap.
const USUAL_WIDTH: usize = 100;

/// Heading of the options of [`LimitArgs`].
const LIMITS: &str = "Limits";

/// Compress pictures to a few hundred bytes of ordered tokens, cut them anywhere, and get a picture
/// back from any prefix.
#[derive(Debug, Parser)]
#[command(
    name = "flextok",
    version,
    after_help = EXIT_CODES,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Encode(EncodeArgs),
    Decode(DecodeArgs),
    Detokenize(DetokenizeArgs),
    Truncate(TruncateArgs),
    Fit(FitArgs),
    Packets(PacketsArgs),
    Info(InfoArgs),
    Verify(VerifyArgs),
    Preview(PreviewArgs),
    Compare(CompareArgs),
    Eval(EvalArgs),
    Model(ModelArgs),
    Tokenize(TokenizeArgs),
    Tokens(TokensArgs),
    Pack(PackArgs),
    Devices(DevicesArgs),
    #[cfg(feature = "serve")]
    Serve(ServeArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    /// Print the version
    Version,
}

/// Options of every command; [`definition`] makes them global.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Weights file (.safetensors), or directory with a model.safetensors, instead of the embedded
    /// model
    #[arg(long, value_name = "PATH")]
    pub(crate) model: Option<PathBuf>,

    /// Read the weights file into memory instead of mapping it
    #[arg(long)]
    pub(crate) no_mmap: bool,

    /// Number of compute threads; 0 means one per core. Does not affect results
    #[arg(long, value_name = "N", value_parser = values::whole::<u16>(0..=1024))]
    pub(crate) threads: Option<u16>,

    /// Device to compute on: auto (a GPU if one is available, else the CPU), cpu, gpu (the first
    /// device), gpu:N (device N listed by `flextok devices`)
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: Device,

    /// Element type of networks: auto means, on a GPU, f16 where the device supports it, and on the CPU f32 to encode
    /// and bf16 to decode; bf16 is for CPUs, and for GPUs by CUDA and ROCm; int8, for CPUs, is auto with a faster and
    /// coarser decoder
    #[arg(long, value_name = "TYPE", default_value = "auto", value_parser = choices::precision())]
    pub(crate) precision: Precision,

    /// Take the pixels of images as they are stored, without converting their colour profile to sRGB
    #[arg(long)]
    pub(crate) no_color_management: bool,

    /// Overwrite existing output files
    #[arg(short, long)]
    pub(crate) force: bool,

    /// Print errors only: no notes, no progress bar
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Report what was done on standard error
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// Bounds that a user may have to raise; [`definition`] shows them in `--help`, not in `-h`.
#[derive(Debug, Args)]
#[command(next_help_heading = LIMITS)]
pub(crate) struct LimitArgs {
    /// Maximum number of pixels in a picture [default: 134217728]
    #[arg(long, value_name = "N", value_parser = values::whole::<u64>(0..=u64::MAX))]
    pub(crate) max_pixels: Option<u64>,

    /// Maximum size of an input image file in bytes [default: 536870912]
    #[arg(long, value_name = "N", value_parser = values::bytes)]
    pub(crate) max_input_bytes: Option<u64>,

    /// Maximum number of payload bytes in a .flxt file [default: 33554432]
    #[arg(long, value_name = "N", value_parser = values::bytes)]
    pub(crate) max_payload: Option<u64>,

    /// Maximum memory in bytes for loading an input image (file, pixels and working copies), and for a
    /// canvas of the embedded model, 24 or 32 bytes a pixel [default: 1073741824]
    #[arg(long, value_name = "N", value_parser = values::bytes)]
    pub(crate) max_memory: Option<u64>,

    /// Memory in bytes that the embedded model's learned decoder may take for its work: a larger canvas
    /// is decoded in tiles, to the same picture. About 50000000 is the least for large canvases, and ten
    /// times as slow [default: 268435456]
    #[arg(long, value_name = "N", value_parser = values::bytes)]
    pub(crate) max_tile_memory: Option<u64>,

    /// Maximum number of pixels in the canvas of a FlexTok model [default: 2097152]
    #[arg(long, value_name = "N", value_parser = values::whole::<u64>(0..=u64::MAX))]
    pub(crate) max_canvas_pixels: Option<u64>,

    /// Maximum number of sampling steps of a FlexTok model [default: 1000]
    #[arg(long, value_name = "N", value_parser = values::whole::<u32>(0..=u32::MAX.into()))]
    pub(crate) max_steps: Option<u32>,

    /// Maximum GPU memory in bytes for weights and tensors [default: all that the device has]
    #[arg(long, value_name = "N", value_parser = values::bytes)]
    pub(crate) max_device_memory: Option<u64>,
}

/// The definition of the command line, for parsing, completion scripts and manual pages. A negative number after an
/// option is its value, so that the error names the values that the option allows.
pub(crate) fn definition() -> Definition {
    fn negative(command: Definition) -> Definition {
        command.mut_args(|arg| {
            let takes_value = arg.get_action().takes_values() && !arg.is_positional();
            let size = arg
                .get_value_names()
                .is_some_and(|names| names[0].contains('x'));
            arg.allow_negative_numbers(takes_value && !size)
                .allow_hyphen_values(takes_value && size)
        })
    }
    let global = |arg: Arg| {
        let limit = arg.get_help_heading() == Some(LIMITS);
        arg.global(true).hide_short_help(limit)
    };
    fn inner(command: Definition) -> Definition {
        let command = command.mut_args(hinted);
        let pointer = "Exit codes and limits: flextok --help";
        let command = negative(command).after_help(pointer);
        command.mut_subcommands(inner)
    }
    let whole = match std::env::var("COLUMNS") {
        Ok(columns) if columns.trim().parse() == Ok(0) && !terminal::has_width() => {
            Cli::command().term_width(USUAL_WIDTH)
        }
        _ => Cli::command(),
    };
    negative(whole)
        .mut_args(|arg| global(hinted(arg)))
        .mut_subcommands(inner)
}

/// The argument with what completion scripts offer for its value: files, directories, or nothing.
fn hinted(arg: Arg) -> Arg {
    // What clap makes of a `PathBuf`, and offers without regard to spaces.
    let paths = arg.get_value_hint() == ValueHint::AnyPath;
    let name = arg.get_value_names().and_then(|names| names.first());
    let hint = match (paths, name) {
        (true, Some(name)) if *name == "DIR" => ValueHint::DirPath,
        (true, _) => ValueHint::FilePath,
        (false, _) => ValueHint::Other,
    };
    if arg.get_action().takes_values() && arg.get_possible_values().is_empty() {
        return arg.value_hint(hint);
    }
    arg
}

/// What `--version` prints.
pub(crate) fn version() -> String {
    definition().render_version()
}

fn parse_from<I: IntoIterator<Item = S>, S: Into<OsString> + Clone>(
    arguments: I,
) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&definition().try_get_matches_from(arguments)?)
}

/// Parses the command line; help and errors are printed here.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let given = arguments.get(1..).unwrap_or_default();
    let definition = definition();
    let commands: Vec<&str> = definition
        .get_subcommands()
        .map(Definition::get_name)
        .collect();
    if let Some(hint) = hints::misread(given, &commands) {
        report(&hint);
        return Err(Code::Usage.into());
    }
    parse_from(&arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            match output::print(&error.render().to_string()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => error.report(),
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output::complain(&error.render().to_string());
            Code::Usage.into()
        }
        _ => {
            let hint = hints::refused(given, &commands, &error);
            report(&hint.unwrap_or_else(|| one_line(&error.render().to_string())));
            Code::Usage.into()
        }
    })
}

/// clap's message on one line, without the usage and the pointer to `--help`.
fn one_line(message: &str) -> String {
    let wanted = message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty());
    let mut text = String::new();
    for line in wanted {
        // clap's advice is a sentence of its own.
        let (joint, line) = match line.strip_prefix("tip: ") {
            Some(advice) => ("; ", advice),
            None => (" ", line),
        };
        if !text.is_empty() {
            text.push_str(joint);
        }
        text.push_str(line);
    }
    if let Some(rest) = text.strip_prefix("error: ") {
        text = rest.to_owned();
    }
    text.push_str("; see --help");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        definition().debug_assert();
    }

    #[test]
    fn usage_errors_are_one_line() {
        for arguments in [
            &["flextok", "encode", "a.png", "--tokens", "0"][..],
            &["flextok", "encode"],
            &["flextok", "decode", "a", "--stepz", "3"],
            &[
                "flextok", "truncate", "a", "-o", "b", "--tokens", "1", "--bytes", "2",
            ],
            &["flextok", "completions", "cmd.exe"],
            &["flextok", "frobnicate"],
            &["flextok", "packets", "split", "a", "--size", "8"],
            &["flextok", "packets", "join", "a", "-o", "b", "--id", "9f3"],
            &["flextok", "encode", "-dash.png"],
            &["flextok", "encode", "a", "--canvas", "-5x5"],
            &["flextok", "decode", "a", "--seed", "0x10"],
        ] {
            let error = parse_from(arguments).expect_err("a usage error");
            let line = one_line(&error.render().to_string());
            assert!(!line.contains('\n') && !line.contains("Usage"), "{line}");
            assert!(
                !line.contains("tip:") && !line.contains("digit found"),
                "{line}"
            );
            assert!(line.len() > 20 && !line.starts_with("error"), "{line}");
        }
    }

    #[test]
    fn tokens_name_the_allowed_range() {
        for k in ["0", "65537", "70000", "-1", "abc", "1.5"] {
            let error = parse_from(["flextok", "encode", "a.png", "--tokens", k]);
            let line = one_line(&error.expect_err("out of range").render().to_string());
            assert!(line.contains("from 1 to 65536"), "{line}");
        }
    }
}
