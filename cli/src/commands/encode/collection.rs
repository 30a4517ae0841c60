//! `flextok encode` of folders and tar shards: several pictures at once, within the memory of one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use flextok::container::EXTENSION;
use flextok::image::DynamicImage;
use flextok::picture::LoadedPicture;
use flextok::{CanvasChoice, Codec};
use indicatif::ProgressBar;

use super::{EncodeArgs, file, options};
use crate::archive::{self, Member};
use crate::batch::{self, NewFolder};
use crate::collection::shard::{Role, Shard, append, finish};
use crate::collection::{self, Collection, Input, Item, Kind, Loader};
use crate::context::{Context, Model};
use crate::exit::{CliError, Code};
use crate::output::{Growing, Output};
use crate::seen::Seen;
use crate::{links, message, values};

/// Most bytes of members of a shard that are in memory, but for the last picture.
const MEMBERS: u64 = 64 << 20;
/// Bytes of a file from which on its canvas may be as large as the picture.
const LARGE: u64 = 16 << 10;
/// Bytes that encoding takes at most for each that loading takes: 32 a pixel of which loading has 3.
const FACTOR: u64 = 12;

/// Whether there is a folder or a shard among the inputs.
pub(super) fn is_meant(inputs: &[PathBuf]) -> bool {
    inputs
        .iter()
        .any(|path| path.is_dir() || (collection::is_shard(path) && path.is_file()))
}

pub(super) fn run(
    args: &EncodeArgs,
    inputs: &[PathBuf],
    output: Option<&Path>,
    context: &Context,
) -> Result<ExitCode, CliError> {
    let Some(folder) = output.filter(|output| batch::is_folder(output)) else {
        let first = inputs
            .iter()
            .find(|path| path.is_dir() || collection::is_shard(path));
        let name = first.map_or_else(String::new, |path| message::name(path));
        let problem =
            "a folder or a tar shard needs a directory for its outputs; name it with -o DIR/";
        return Err(CliError::usage(name, problem));
    };
    let collection = collection::find(inputs, None, None, context)?;
    let outputs = |item| message::name(&output_of(folder, item));
    // What lies in one folder cannot be given in separate runs: there the second fails.
    collection.refuse_doubles(outputs, "output", |first, second| !first.is_beside(second))?;
    let model = context.model()?;
    refuse_options(args, &model)?;
    let new = NewFolder::make(folder)?;
    let bar = context.collection(Some(collection.items.len() as u64));
    bar.set_message("encoding");
    let mut encoding = Encoding {
        args,
        context,
        model: &model,
        collection: &collection,
        folder,
        loader: loader(args, &model, context),
        bar,
        sums: Sums::default(),
        taken: Seen::default(),
    };
    let start = Instant::now();
    encoding.all();
    encoding.end(start);
    drop(new);
    let first = encoding.sums.first;
    Ok(first.map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// Where the output of a file goes.
fn output_of(folder: &Path, item: &Item) -> PathBuf {
    let path = folder.join(item.relative());
    match item.kind {
        Kind::Shard => path,
        _ => path.with_extension(EXTENSION),
    }
}

/// Refuses options that would be refused of every picture.
fn refuse_options(args: &EncodeArgs, model: &Model) -> Result<(), CliError> {
    let (pixel, options) = (DynamicImage::new_rgb8(1, 1), options(args));
    let tried = match (model.codec.config(), args.target.0) {
        (Some(_), _) => model.codec.prepare(&pixel, &options).map(drop),
        (None, None) => model.codec.encode_file(&pixel, &options).map(drop),
        (None, Some(_)) => Ok(()),
    };
    match tried.map_err(|error| model.error(&model.name, error)) {
        Err(error) if error.code() == Code::Usage => Err(error),
        _ => Ok(()),
    }
}

/// A network takes as many at once as a pass through it would; a canvas as large as the picture takes more than the picture.
fn loader<'a>(args: &EncodeArgs, model: &Model, context: &'a Context) -> Loader<'a> {
    let cores = model.codec.threads().count();
    let workers = match model.codec.config() {
        Some(_) => cores.min(Codec::IMAGES_PER_PASS),
        None => cores,
    };
    let large = matches!(
        args.canvas,
        Some(CanvasChoice::Own | CanvasChoice::Blocks(_))
    ) || args
        .bytes
        .or(args.cut_at)
        .is_some_and(|bytes| bytes > LARGE)
        || args.target.0.is_some();
    Loader::new(context, workers, if large { FACTOR } else { 1 })
}

/// What became of all.
#[derive(Debug, Default)]
struct Sums {
    encoded: u64,
    bytes: u64,
    failed: u64,
    /// Outputs that were there.
    left: u64,
    first: Option<Code>,
}

struct Encoding<'a> {
    args: &'a EncodeArgs,
    context: &'a Context,
    model: &'a Model,
    collection: &'a Collection,
    folder: &'a Path,
    loader: Loader<'a>,
    bar: ProgressBar,
    sums: Sums,
    /// The outputs so far.
    taken: Seen,
}

/// Members of a shard that follow each other, in memory.
#[derive(Default)]
struct Part {
    pieces: Vec<Piece>,
    /// The pictures among them.
    inputs: Vec<Input>,
    bytes: u64,
}

/// What becomes of a member.
enum Piece {
    /// As it is.
    Bytes(Vec<u8>),
    /// A picture that is left out.
    Failed(CliError),
    /// The file of the next picture, under this name.
    File { name: String, time: u64 },
}

impl Encoding<'_> {
    /// Works on everything; failures are reported and counted.
    fn all(&mut self) {
        let most = 4 * self.model.codec.threads().count().max(4);
        let collection = self.collection;
        let mut rest = collection.items.as_slice();
        while let Some(first) = rest.first() {
            let shard = first.kind == Kind::Shard;
            let count = match shard {
                true => 1,
                false => {
                    let is_file = |item: &&Item| item.kind != Kind::Shard;
                    rest.iter().take(most).take_while(is_file).count()
                }
            };
            let (items, behind) = rest.split_at(count);
            match shard {
                true => self.shard(first),
                false => self.files(items),
            }
            rest = behind;
            self.bar.inc(count as u64);
        }
    }

    fn end(&self, start: Instant) {
        self.bar.finish_and_clear();
        self.loader.sum_up();
        let sums = &self.sums;
        self.context.summary(sums.failed > 0, || {
            let seconds = start.elapsed().as_secs_f64();
            let pictures = values::count(sums.encoded, "picture");
            let bytes = values::count(sums.bytes, "byte");
            let rate = sums.encoded as f64 / seconds.max(1e-3);
            let left = match sums.left {
                0 => String::new(),
                left => format!("; {} there already", values::count(left, "output")),
            };
            let failed = match sums.failed {
                0 => String::new(),
                failed => format!("; {failed} failed"),
            };
            format!("encoded {pictures}, {bytes} written, in {seconds:.1} s, {rate:.1} pictures/s{left}{failed}")
        });
    }

    /// Counts what became of one.
    fn count(&mut self, result: Result<u64, CliError>) {
        match result {
            Ok(bytes) => {
                self.sums.encoded += 1;
                self.sums.bytes = self.sums.bytes.saturating_add(bytes);
            }
            Err(error) => {
                self.context.fail(&error);
                self.sums.failed += 1;
                self.sums.first.get_or_insert(error.code());
            }
        }
    }

    /// The output of a file, for which there is a directory; none if it is to be left as it is.
    fn output(&mut self, item: &Item) -> Result<Option<Output>, CliError> {
        let (path, input) = (output_of(self.folder, item), self.collection.path(item));
        item.check(message::name(&input))?;
        if !self.taken.insert(path.as_os_str().as_encoded_bytes()) {
            let path = message::name(&path);
            let problem = format!(
                "its output {path} is that of another picture of the folder; encode it alone, with another name"
            );
            return Err(CliError::usage(message::name(&input), problem));
        }
        if self.args.resume && path.exists() {
            return Ok(None);
        }
        if links::same_file(&path, &input) {
            let problem =
                "the output would overwrite the input itself; choose another directory with -o";
            return Err(CliError::usage(message::name(&path), problem));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| CliError::Write {
                name: message::name(folder),
                source,
            })?;
        }
        Output::new(&path, self.context.force).map(Some)
    }

    /// Pictures that are files.
    fn files(&mut self, items: &[Item]) {
        let outputs: Vec<_> = items.iter().map(|item| self.output(item)).collect();
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for (item, output) in items.iter().zip(&outputs) {
            if let Ok(Some(output)) = output {
                inputs.push(Input::File(self.collection.path(item)));
                targets.push(output);
            }
        }
        let done = self.loader.each(&inputs, |index, picture| {
            let bytes = self.encode(&inputs[index], &picture)?;
            targets[index].write(&bytes)?;
            Ok(bytes.len() as u64)
        });
        let mut done = done.into_iter();
        for output in outputs {
            match output {
                Ok(None) => self.sums.left += 1,
                Err(error) => self.count(Err(error)),
                Ok(Some(_)) => {
                    if let Some(result) = done.next() {
                        self.count(result);
                    }
                }
            }
        }
    }

    fn encode(&self, input: &Input, picture: &LoadedPicture) -> Result<Vec<u8>, CliError> {
        let encoded = file(
            self.args,
            picture,
            &input.name(),
            (self.model, self.context),
        )?;
        Ok(encoded.bytes)
    }

    /// A shard; of one that is damaged what stands before the damage.
    fn shard(&mut self, item: &Item) {
        match self.output(item) {
            Ok(Some(output)) => {
                if let Err(error) = self.copy(item, output) {
                    self.count(Err(error));
                }
            }
            Ok(None) => self.sums.left += 1,
            Err(error) => self.count(Err(error)),
        }
    }

    fn copy(&mut self, item: &Item, output: Output) -> Result<(), CliError> {
        let max_bytes = self.context.limits.image_bytes;
        let mut shard = Shard::open(&self.collection.path(item), &item.id(), max_bytes)?;
        let mut found = shard.next()?;
        let mut out = output.grow()?;
        let mut part = Part::default();
        let ended = loop {
            let Some((member, role)) = found else {
                break Ok(());
            };
            self.member(&mut shard, (&member, role), &mut part, &mut out)?;
            found = match shard.next() {
                Ok(found) => found,
                Err(error) => break Err(error),
            };
        };
        self.write(part, &mut out)?;
        finish(&mut out)?;
        out.publish()?;
        ended
    }

    /// Takes a member; what was taken is written when it is enough.
    fn member(
        &mut self,
        shard: &mut Shard,
        (member, role): (&Member, Role),
        part: &mut Part,
        out: &mut Growing,
    ) -> Result<(), CliError> {
        let most = 4 * self.model.codec.threads().count().max(4);
        if part.bytes + member.size > MEMBERS || part.inputs.len() == most {
            self.write(std::mem::take(part), out)?;
        }
        match role {
            Role::Refused { error, .. } => part.pieces.push(Piece::Failed(error)),
            Role::Other if member.size > MEMBERS => return shard.copy(member, out),
            Role::Other => {
                let mut bytes = Vec::new();
                shard.copy(member, &mut bytes)?;
                part.bytes += bytes.len() as u64;
                part.pieces.push(Piece::Bytes(bytes));
            }
            Role::Picture { .. } => {
                let input = match shard.picture(member) {
                    Ok(input) => input,
                    Err(error) => {
                        part.pieces.push(Piece::Failed(error));
                        return Ok(());
                    }
                };
                part.bytes += input.bytes() as u64;
                part.inputs.push(input);
                let name = String::from_utf8_lossy(&member.name);
                let key = archive::key(&name).map_or(&*name, |(key, _)| key);
                part.pieces.push(Piece::File {
                    name: format!("{key}.{EXTENSION}"),
                    time: member.time,
                });
            }
        }
        Ok(())
    }

    /// Encodes the pictures of a part of a shard and writes all of it, in its order.
    fn write(&mut self, part: Part, out: &mut Growing) -> Result<(), CliError> {
        let inputs = &part.inputs;
        let done = self.loader.each(inputs, |index, picture| {
            self.encode(&inputs[index], &picture)
        });
        let mut done = done.into_iter();
        for piece in part.pieces {
            match piece {
                Piece::Bytes(bytes) => out.put(&bytes)?,
                Piece::Failed(error) => self.count(Err(error)),
                Piece::File { name, time } => match done.next() {
                    Some(Ok(bytes)) => {
                        append(out, &name, time, &bytes)?;
                        self.count(Ok(bytes.len() as u64));
                    }
                    Some(Err(error)) => self.count(Err(error)),
                    None => {}
                },
            }
        }
        Ok(())
    }
}
