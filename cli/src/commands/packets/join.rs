//! `flextok packets join`: the start of a file from what arrived of its packets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use flextok::container::packets::{
    Added, FileId, Joiner, MAX_PACKET_BYTES, MAX_PACKETS, Packet, map_bytes,
};
use flextok::{Error, LimitKind};

use crate::context::Context;
use crate::exit::CliError;
use crate::output::{self, Output};
use crate::platform::Identity;
use crate::{message, values};

/// Bytes of the longest line that can be a packet, with the end of the line.
const LONGEST_LINE: u64 = 2 * MAX_PACKET_BYTES as u64 + 2;

/// Files that an error lists.
const MOST_LISTED: usize = 8;

/// Join the packets of a file that arrived, in any order, up to the first one that is missing
///
/// Damaged packets and doubles are dropped. Exit code 0 if the first packet is there, with a note of what
/// is missing or damaged; 3 if nothing can be joined.
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// Packets, one in each file; directories of them; with --hex texts with a packet in each line, or -
    /// for standard input
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,

    /// Output file, or - for standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// The file to join, by its id of 4 hexadecimal digits; needed where packets of several arrived
    #[arg(long, value_name = "ID")]
    id: Option<FileId>,

    /// The inputs are lines of hexadecimal digits
    #[arg(long)]
    hex: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What arrived. Packets of equal bytes are kept once.
struct Arrivals {
    /// The packets of each file, with the order of their arrival.
    files: BTreeMap<FileId, BTreeMap<Vec<u8>, u64>>,
    doubles: BTreeMap<FileId, u64>,
    /// The files that were read.
    read: BTreeSet<Identity>,
    /// Packets that were damaged, and inputs or lines that are none.
    damaged: u64,
    /// Bytes of the file in all packets that are kept.
    bytes: u64,
    allowed: u64,
    count: u64,
}

/// What became of the packets of one file.
#[derive(serde::Serialize)]
struct Report {
    id: String,
    complete: bool,
    bytes: u64,
    packets: u64,
    packets_total: Option<u32>,
    first_missing: Option<u32>,
    damaged: u64,
    doubles: u64,
    contradicting: u64,
    other_files: Vec<OtherFile>,
    output: String,
}

#[derive(serde::Serialize)]
struct OtherFile {
    id: String,
    packets: u64,
}

pub(crate) fn run(args: &JoinArgs, context: &Context) -> Result<(), CliError> {
    let output = Output::new(&args.output, context.force)?;
    output.refuse_other_extensions()?;
    if args.json && args.output == Path::new("-") {
        let problem = "both the file and --json would go to standard output; name a file with -o";
        return Err(CliError::usage("--json", problem));
    }
    let name = name(&args.inputs);
    let mut arrivals = Arrivals::new(context.limits.container.max_file_bytes());
    for path in &args.inputs {
        arrivals.read(path, args.hex)?;
    }
    arrivals.keep(&output)?;
    let id = arrivals.choose(args.id, &name)?;
    let (file, report) = join(&arrivals, id, &name, output.name())?;
    output.write(&file)?;
    let parts = report.parts();
    context.wrote(&output, file.len(), &[parts]);
    if report.is_worth_a_note() {
        context.note(&format!("{name}: {}", report.text()));
    } else {
        context.detail(|| format!("{name}: {}", report.text()));
    }
    if args.json {
        output::print_json(&report)?;
    }
    Ok(())
}

/// The inputs in errors and notes.
fn name(inputs: &[PathBuf]) -> String {
    match inputs {
        [path] if path == Path::new("-") => "standard input".to_owned(),
        [path] => message::name(path),
        paths => format!("{} inputs", paths.len()),
    }
}

impl Arrivals {
    fn new(allowed: u64) -> Self {
        Self {
            files: BTreeMap::new(),
            doubles: BTreeMap::new(),
            read: BTreeSet::new(),
            damaged: 0,
            bytes: 0,
            allowed,
            count: 0,
        }
    }

    /// Refuses to overwrite what was read: a packet is a file of another kind.
    fn keep(&self, output: &Output) -> Result<(), CliError> {
        match output.path().and_then(Identity::of) {
            Some(file) if self.read.contains(&file) => {
                let problem = "the output would overwrite a packet; choose another name with -o";
                Err(CliError::usage(output.name(), problem))
            }
            _ => Ok(()),
        }
    }

    /// Takes what is at a path; of a directory the files in the order of their names, hidden ones aside.
    fn read(&mut self, path: &Path, hex: bool) -> Result<(), CliError> {
        if path == Path::new("-") {
            if !hex {
                let problem = "a stream does not keep packets apart; add --hex and give lines";
                return Err(CliError::usage("standard input", problem));
            }
            return self.read_lines(io::stdin().lock(), path);
        }
        if !path.is_dir() {
            return self.read_file(path, hex);
        }
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(|error| failed(path, error))?;
        let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
        let entries = entries
            .iter()
            .filter(|entry| !is_hidden(&entry.file_name()));
        let mut paths: Vec<PathBuf> = entries.map(fs::DirEntry::path).collect();
        paths.sort();
        let mut files = paths.iter().filter(|path| path.is_file());
        files.try_for_each(|path| self.read_file(path, hex))
    }

    fn read_file(&mut self, path: &Path, hex: bool) -> Result<(), CliError> {
        let file = File::open(path).map_err(|error| failed(path, error))?;
        self.read.extend(Identity::of(path));
        if hex {
            return self.read_lines(file, path);
        }
        let mut bytes = Vec::new();
        // A byte more than a packet can have tells that it is none.
        let read = file
            .take(u64::from(MAX_PACKET_BYTES) + 1)
            .read_to_end(&mut bytes);
        read.map_err(|error| failed(path, error))?;
        self.take(bytes)
    }

    fn read_lines(&mut self, stream: impl Read, path: &Path) -> Result<(), CliError> {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            // Of a longer line each piece counts as damaged.
            let read = (&mut reader)
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line);
            if read.map_err(|error| failed(path, error))? == 0 {
                return Ok(());
            }
            match line.trim_ascii() {
                [] => {}
                digits => match bytes_of(digits) {
                    Some(bytes) => self.take(bytes)?,
                    None => self.damaged += 1,
                },
            }
        }
    }

    /// Takes a packet, or what came in the place of one.
    fn take(&mut self, bytes: Vec<u8>) -> Result<(), CliError> {
        let Ok(packet) = Packet::parse(&bytes) else {
            self.damaged += 1;
            return Ok(());
        };
        let (id, payload) = (packet.id(), packet.payload().len() as u64);
        let packets = self.files.entry(id).or_default();
        if packets.contains_key(&bytes) {
            *self.doubles.entry(id).or_default() += 1;
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(payload);
        if self.bytes > self.allowed {
            let error = Error::Limit {
                limit: LimitKind::PayloadBytes,
                actual: self.bytes,
                allowed: self.allowed,
            };
            return Err(CliError::codec("packets", error));
        }
        packets.insert(bytes, self.count);
        self.count += 1;
        Ok(())
    }

    /// The file to join: the one asked for, or the only one.
    fn choose(&self, wanted: Option<FileId>, name: &str) -> Result<FileId, CliError> {
        let mut ids = self.files.keys().copied();
        let problem = match (wanted, ids.next(), ids.next()) {
            (_, None, _) => format!("no packet arrived; {} damaged", self.damaged),
            (Some(id), ..) if self.files.contains_key(&id) => return Ok(id),
            (Some(id), ..) => format!("no packet of file {id} arrived, only {}", self.list()),
            (None, Some(id), None) => return Ok(id),
            (None, Some(_), Some(_)) => {
                let (count, list) = (self.files.len(), self.list());
                let problem =
                    format!("packets of {count} files arrived: {list}; choose one with --id");
                return Err(CliError::usage(name, problem));
            }
        };
        Err(CliError::packets(name, problem))
    }

    /// The files that arrived, in words.
    fn list(&self) -> String {
        let files = self.files.iter().take(MOST_LISTED).map(|(id, packets)| {
            format!("{id} ({})", values::count(packets.len() as u64, "packet"))
        });
        let mut list = files.collect::<Vec<_>>().join(", ");
        if self.files.len() > MOST_LISTED {
            list.push_str(", …");
        }
        list
    }
}

fn failed(path: &Path, source: io::Error) -> CliError {
    CliError::Read {
        name: message::name(path),
        source,
    }
}

/// The bytes of hexadecimal digits, of upper or lower case.
fn bytes_of(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |&digit: &u8| char::from(digit).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    let pairs = pairs.iter().map(|[high, low]| {
        let value = digit(high)? << 4 | digit(low)?;
        u8::try_from(value).ok()
    });
    rest.is_empty().then(|| pairs.collect())?
}

/// Joins the packets of one file in the order of their arrival.
fn join(
    arrivals: &Arrivals,
    id: FileId,
    name: &str,
    output: String,
) -> Result<(Vec<u8>, Report), CliError> {
    let mut packets: Vec<(u64, Packet<'_>)> = Vec::new();
    for (bytes, &order) in arrivals.files.get(&id).into_iter().flatten() {
        packets.extend(Packet::parse(bytes).map(|packet| (order, packet)));
    }
    packets.sort_by_key(|&(order, _)| order);
    // What is joined is no more than what arrived. Packets far behind a gap find no room, and are only counted.
    let lengths = packets.iter().map(|(_, packet)| packet.payload().len());
    let (mut buffer, mut map) = (vec![0; lengths.sum()], vec![0; map_bytes(MAX_PACKETS)]);
    let mut joiner = Joiner::with_id(&mut buffer, &mut map, id);
    let mut arrived = 0;
    for (_, packet) in &packets {
        arrived += u64::from(matches!(joiner.add(packet), Ok(Added::New | Added::NoRoom)));
    }
    let (total, first_missing) = (joiner.total(), joiner.first_missing());
    if first_missing == Some(0) {
        let others = values::count(arrived, "other packet");
        let problem = format!(
            "packet 0, the first, is missing: nothing can be joined ({others} of file {id})"
        );
        return Err(CliError::packets(name, problem));
    }
    let file = joiner.finish();
    let file = file.map_err(|error| CliError::packets(name, error.to_string()))?;
    let others = arrivals.files.iter().filter(|&(&other, _)| other != id);
    let others = others.map(|(id, packets)| OtherFile {
        id: id.to_string(),
        packets: packets.len() as u64,
    });
    let report = Report {
        id: id.to_string(),
        complete: first_missing.is_none(),
        bytes: file.len() as u64,
        packets: arrived,
        packets_total: total,
        first_missing,
        damaged: arrivals.damaged,
        doubles: arrivals.doubles.get(&id).copied().unwrap_or(0),
        contradicting: packets.len() as u64 - arrived,
        other_files: others.collect(),
        output,
    };
    Ok((file.to_vec(), report))
}

impl Report {
    /// How much of the file there is, for people at a terminal.
    fn parts(&self) -> String {
        match self.first_missing {
            None => format!("complete, file {}", self.id),
            Some(first) => format!("up to missing packet {first}, file {}", self.id),
        }
    }

    fn is_worth_a_note(&self) -> bool {
        !self.complete || self.damaged + self.contradicting + self.others() > 0
    }

    /// Packets of other files.
    fn others(&self) -> u64 {
        self.other_files.iter().map(|file| file.packets).sum()
    }

    fn text(&self) -> String {
        let packets = match self.packets_total {
            Some(total) => format!(
                "{} of {} arrived",
                self.packets,
                values::count(total, "packet")
            ),
            None => {
                let packets = values::count(self.packets, "packet");
                format!("{packets} arrived, the last one of the file not among them")
            }
        };
        let bytes = values::count(self.bytes, "byte");
        let joined = match self.first_missing {
            Some(missing) => {
                format!("; joined are {bytes} up to packet {missing}, the first one missing")
            }
            None => format!("; all {bytes} are joined"),
        };
        let mut text = format!("file {}: {packets}{joined}", self.id);
        for (count, what) in [
            (self.damaged, "damaged"),
            (
                self.doubles,
                if self.doubles == 1 {
                    "double"
                } else {
                    "doubles"
                },
            ),
            (self.contradicting, "contradicting"),
            (self.others(), "of other files"),
        ] {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        text
    }
}
