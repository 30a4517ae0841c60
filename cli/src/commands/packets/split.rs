//! `flextok packets split`: the packets of a file, as files or as lines of hexadecimal digits.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use flextok::container::packets::{
    FileId, MAX_PACKET_BYTES, MAX_PACKETS, MIN_PACKET_BYTES, Packet, Packets,
};

use crate::context::Context;
use crate::exit::CliError;
use crate::input::Source;
use crate::output::{self, Output, Prepared};
use crate::{message, values};

/// Split a .flxt file, complete or truncated, into packets of at most N bytes
///
/// The packets are written to files that are named by the file's id and by the order of sending, as
/// 9f3c-000.pkt, or as lines of hexadecimal digits with --hex.
#[derive(Debug, Args)]
pub(crate) struct SplitArgs {
    /// A .flxt file, or - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Bytes of a packet at most: 140 for SMS, 200 for LoRa, 340 and 270 for Iridium SBD
    #[arg(long, value_name = "N", value_parser = values::bytes_within(MIN_PACKET_BYTES..=MAX_PACKET_BYTES))]
    size: u16,

    /// Directory for the packets, created if it does not exist; with --hex a file [default with --hex:
    /// standard output]
    #[arg(short, long, value_name = "DIR", required_unless_present = "hex")]
    output: Option<PathBuf>,

    /// Send the first K packets again after all others
    #[arg(long, value_name = "K", default_value = "0", value_parser = values::whole::<u32>(0..=MAX_PACKETS.into()))]
    repeat_first: u32,

    /// Write a line of hexadecimal digits for each packet
    #[arg(long)]
    hex: bool,
}

pub(crate) fn run(args: &SplitArgs, context: &Context) -> Result<(), CliError> {
    let source = Source::new(&args.input);
    let (bytes, input) = source.token_bytes(&context.limits)?;
    let packets = Packets::new(&bytes, args.size.into())
        .map_err(|error| CliError::usage("--size", error.to_string()))?;
    let (id, total, all) = (packets.id(), packets.total(), packets.total_bytes());
    let again = usize::try_from(args.repeat_first).unwrap_or(usize::MAX);
    let sent = packets.clone().chain(packets.take(again));
    let sent: Vec<Vec<u8>> = sent.map(|packet| packet_bytes(&packet)).collect();
    let target = if args.hex {
        write_lines(&sent, args, &source, context)?
    } else {
        let directory = args.output.as_deref().unwrap_or(Path::new("-"));
        write_files(&sent, id, directory, context)?;
        message::name(directory)
    };
    if let Some(note) = input.shortfall(&source.name()) {
        context.note(&note);
    }
    let count = values::count(sent.len() as u64, "packet");
    context.result(&format!("{target}: {count}, {all} bytes, file {id}"));
    context.detail(|| {
        let (from, count) = (source.name(), values::count(total, "packet"));
        let again = sent.len() as u64 - u64::from(total);
        format!("{from}: file {id}, {count}, {all} bytes, {again} sent again, in {target}")
    });
    Ok(())
}

fn packet_bytes(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.byte_len()];
    // The buffer has room by its length.
    let _ = packet.write(&mut bytes);
    bytes
}

/// Writes a line for each packet; gives the name of the output.
fn write_lines(
    sent: &[Vec<u8>],
    args: &SplitArgs,
    source: &Source,
    context: &Context,
) -> Result<String, CliError> {
    let mut text = String::new();
    for bytes in sent {
        text.extend(bytes.iter().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    match args.output.as_deref() {
        Some(path) if path != Path::new("-") => {
            let output = Output::new(path, context.force)?;
            output.keep(source)?;
            output.write(text.as_bytes())?;
            Ok(output.name())
        }
        _ => output::print(&text).map(|()| "standard output".to_owned()),
    }
}

/// Writes all packets to files of a directory, or none.
fn write_files(
    sent: &[Vec<u8>],
    id: FileId,
    directory: &Path,
    context: &Context,
) -> Result<(), CliError> {
    if directory == Path::new("-") {
        let problem =
            "a stream does not keep packets apart; add --hex for lines, or name a directory";
        return Err(CliError::usage("standard output", problem));
    }
    let is_new = !directory.is_dir();
    if is_new {
        fs::create_dir(directory).map_err(|source| CliError::Write {
            name: message::name(directory),
            source,
        })?;
    }
    let written = publish(sent, id, directory, context);
    if is_new && written.is_err() {
        // If it is not empty, it stays.
        let _ = fs::remove_dir(directory);
    }
    written
}

fn publish(
    sent: &[Vec<u8>],
    id: FileId,
    directory: &Path,
    context: &Context,
) -> Result<(), CliError> {
    let width = sent.len().saturating_sub(1).to_string().len().max(3);
    let output = |index| {
        let path = directory.join(format!("{id}-{index:0width$}.pkt"));
        Output::new(&path, context.force)
    };
    let outputs = (0..sent.len()).map(output).collect::<Result<Vec<_>, _>>()?;
    let written = outputs.iter().zip(sent);
    let written = written.map(|(output, bytes)| output.prepare(bytes));
    let written = written.collect::<Result<Vec<_>, _>>()?;
    written.into_iter().try_for_each(Prepared::publish)
}
