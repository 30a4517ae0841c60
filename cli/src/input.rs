//! Inputs: image files, token files and arrays, from a path or standard input.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read, StdinLock};
use std::path::{Path, PathBuf};

use flextok::Limits;
use flextok::compute::inherited::Stream;
use flextok::container::{self, EXTENSION, Header, MAGIC, Payload, ReadError, State, TokenFile};
use flextok::image::RgbImage;
use flextok::info::count;
use flextok::picture::{self, LoadOptions, LoadedPicture, PictureError, load};

use crate::batch;
use crate::context::Context;
use crate::exit::{CliError, Code};
use crate::{message, values};

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    File(PathBuf),
}

/// A token file and the number of bytes it was read from.
#[derive(Debug)]
pub(crate) struct TokenInput {
    pub(crate) file: TokenFile,
    pub(crate) bytes: u64,
    /// What is wrong with the rest, if the file is damaged and its proven part is used.
    pub(crate) fault: Option<container::Error>,
}

/// What becomes of a damaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It is an error.
    Refuse,
    /// Its proven part is used.
    Salvage,
}

impl From<bool> for Damage {
    /// The option `--salvage`.
    fn from(salvage: bool) -> Self {
        if salvage { Self::Salvage } else { Self::Refuse }
    }
}

/// An input of either kind.
#[derive(Debug)]
pub(crate) enum Either {
    Tokens(TokenInput),
    Picture(LoadedPicture),
}

impl Source {
    /// `-` is standard input.
    pub(crate) fn new(path: &Path) -> Self {
        if path == Path::new("-") {
            Self::Stdin
        } else {
            Self::File(path.to_owned())
        }
    }

    /// Its name in errors, notes and results; what prints it as text escapes it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => message::name(path),
        }
    }

    /// The output next to this input, with another extension; standard output for standard input.
    /// A directory has none and is refused with `code`.
    pub(crate) fn default_output(&self, extension: &str, code: Code) -> Result<PathBuf, CliError> {
        match self {
            Self::Stdin => Ok("-".into()),
            Self::File(path) if path.is_dir() => Err(directory(self.name(), "a file", code)),
            Self::File(path) => {
                let output = path.with_extension(extension);
                if output == *path {
                    let problem =
                        "the output would overwrite the input itself; choose another name with -o";
                    return Err(CliError::usage(self.name(), problem));
                }
                Ok(output)
            }
        }
    }

    /// The output in a directory, of the input's name with another extension.
    pub(crate) fn output_in(
        &self,
        folder: &Path,
        extension: &str,
        code: Code,
    ) -> Result<PathBuf, CliError> {
        match self {
            Self::Stdin => Err(CliError::Output {
                name: message::name(folder),
                problem: "is a directory, and standard input has no name; name a file with -o",
            }),
            Self::File(path) => match path.file_name() {
                Some(name) if !path.is_dir() => {
                    Ok(folder.join(Path::new(name).with_extension(extension)))
                }
                _ => Err(directory(self.name(), "a file", code)),
            },
        }
    }

    /// Reads and decodes an image.
    pub(crate) fn picture(&self, context: &Context) -> Result<LoadedPicture, CliError> {
        self.picture_within(context, &context.loading)
    }

    fn picture_within(
        &self,
        context: &Context,
        options: &LoadOptions,
    ) -> Result<LoadedPicture, CliError> {
        let loaded = match self {
            Self::Stdin => load::read(stdin()?, "-", options),
            Self::File(path) => load::open(path, options),
        };
        self.noted(context, loaded)
    }

    /// Says what is to be known of an image that was read from here.
    fn noted(
        &self,
        context: &Context,
        loaded: Result<LoadedPicture, PictureError>,
    ) -> Result<LoadedPicture, CliError> {
        let loaded = loaded.map_err(|error| picture_error(self.name(), error))?;
        for note in &loaded.notes {
            context.note(&format!("{}: {note}", self.name()));
        }
        Ok(loaded)
    }

    /// Reads and decodes an image as 8-bit RGB on a background.
    pub(crate) fn rgb(&self, context: &Context, background: [u8; 3]) -> Result<RgbImage, CliError> {
        self.flat(self.picture(context)?, &context.loading, background)
    }

    /// An image that was read from here as 8-bit RGB on a background.
    pub(crate) fn flat(
        &self,
        loaded: LoadedPicture,
        options: &LoadOptions,
        background: [u8; 3],
    ) -> Result<RgbImage, CliError> {
        picture::try_into_rgb(loaded.image, background, options.max_memory)
            .map_err(|error| CliError::codec(self.name(), error))
    }

    /// Reads a token file, cut or complete.
    pub(crate) fn tokens(&self, limits: &Limits) -> Result<TokenInput, CliError> {
        match self {
            Self::Stdin => read_tokens(stdin()?, self.name(), limits),
            Self::File(path) => {
                let file = open(path)?;
                read_tokens(file, self.name(), limits)
            }
        }
    }

    /// Reads a token file that may be damaged.
    pub(crate) fn tokens_of(
        &self,
        limits: &Limits,
        damage: Damage,
    ) -> Result<TokenInput, CliError> {
        if damage == Damage::Refuse {
            return self.tokens(limits);
        }
        let bytes = self.whole(limits)?;
        let salvage = TokenFile::salvage(&bytes, &limits.container)
            .map_err(|error| CliError::codec(self.name(), error))?;
        Ok(TokenInput {
            file: salvage.file,
            bytes: bytes.len() as u64,
            fault: salvage.fault,
        })
    }

    /// Reads a token file, cut or complete; gives its bytes as well.
    pub(crate) fn token_bytes(&self, limits: &Limits) -> Result<(Vec<u8>, TokenInput), CliError> {
        let bytes = self.whole(limits)?;
        let input = read_tokens(&*bytes, self.name(), limits)?;
        Ok((bytes, input))
    }

    /// All bytes of what should be a token file.
    fn whole(&self, limits: &Limits) -> Result<Vec<u8>, CliError> {
        let most = limits.container.max_file_bytes();
        match self {
            Self::Stdin => read_all(stdin()?, &self.name(), most),
            Self::File(path) => read_all(open(path)?, &self.name(), most),
        }
    }

    /// Reads a token file or, within `loading`, an image, whichever it is.
    pub(crate) fn either(
        &self,
        context: &Context,
        loading: &LoadOptions,
    ) -> Result<Either, CliError> {
        let limits = &context.limits;
        if let Self::File(path) = self
            && (path.is_file() || path.is_dir() || !path.exists())
        {
            if is_token_file(path) {
                return self.tokens(limits).map(Either::Tokens);
            }
            return self.picture_within(context, loading).map(Either::Picture);
        }
        // A pipe can be read only once.
        let bytes = self.bytes(limits.image_bytes)?;
        if bytes.starts_with(&MAGIC) {
            return read_tokens(&*bytes, self.name(), limits).map(Either::Tokens);
        }
        self.noted(context, load::decode_bytes(&bytes, loading))
            .map(Either::Picture)
    }

    /// All bytes, at most `max`.
    pub(crate) fn bytes(&self, max: u64) -> Result<Vec<u8>, CliError> {
        match self {
            Self::Stdin => read_all(stdin()?, &self.name(), max),
            Self::File(path) => {
                let file = File::open(path).map_err(|source| CliError::Read {
                    name: self.name(),
                    source,
                })?;
                read_all(file, &self.name(), max)
            }
        }
    }
}

impl TokenInput {
    /// The note about a truncated or damaged file.
    pub(crate) fn shortfall(&self, name: &str) -> Option<String> {
        if let Some(fault) = &self.fault {
            return Some(format!("{name}: {fault}; only what is proven is used"));
        }
        let State::Truncated { have, total } = self.file.state() else {
            return None;
        };
        let rest = if have == total {
            "; a checksum or metadata is missing"
        } else {
            ""
        };
        let present = present(self.file.header(), have, total);
        Some(format!("{name} is truncated: {present}{rest}"))
    }

    /// The note about a truncated or damaged file of which `kept` bytes of payload go into another one.
    pub(crate) fn shortfall_kept(&self, name: &str, kept: u64) -> Option<String> {
        let mut note = self.shortfall(name)?;
        let proven = self.file.proven_bytes();
        if kept > proven {
            let header = self.file.header();
            let (kept, proven) = (amount(header, kept), count(header, proven));
            note.push_str(&format!(
                "; of the {kept} kept, only {proven} were proven by a checksum"
            ));
        }
        Some(note)
    }
}

/// A part of the payload, in words.
pub(crate) fn amount(header: &Header, payload: u64) -> String {
    match header.payload() {
        Payload::Ids(_) => values::count(count(header, payload), "token"),
        Payload::Coded(_) => format!("{} of payload", values::count(payload, "byte")),
    }
}

/// How much of a file's payload there is, in words.
pub(crate) fn present(header: &Header, have: u64, total: u64) -> String {
    format!("{} of {}", count(header, have), amount(header, total))
}

/// The error of loading a picture.
pub(crate) fn picture_error(name: String, error: PictureError) -> CliError {
    match error {
        PictureError::Directory { .. } => directory(name, "an image file", Code::Image),
        error => CliError::codec(name, error),
    }
}

fn directory(name: String, needed: &'static str, code: Code) -> CliError {
    CliError::Directory { name, needed, code }
}

/// Standard input, unless it is closed, which would read like an empty file.
pub(crate) fn stdin() -> Result<StdinLock<'static>, CliError> {
    if Stream::Input.was_closed() {
        return Err(CliError::Read {
            name: Source::Stdin.name(),
            source: io::Error::new(ErrorKind::NotConnected, "it is closed"),
        });
    }
    Ok(io::stdin().lock())
}

fn open(path: &Path) -> Result<File, CliError> {
    let name = || message::name(path);
    let failed = |source| CliError::Read {
        name: name(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(directory(name(), "a .flxt file", Code::Corrupt));
    }
    Ok(file)
}

fn read_tokens(stream: impl Read, name: String, limits: &Limits) -> Result<TokenInput, CliError> {
    let mut counting = Counting { stream, bytes: 0 };
    match TokenFile::read_from(&mut counting, &limits.container) {
        Ok(file) => Ok(TokenInput {
            file,
            bytes: counting.bytes,
            fault: None,
        }),
        Err(ReadError::Io(source)) => Err(CliError::Read { name, source }),
        Err(ReadError::Format(error)) => Err(CliError::codec(name, error)),
        Err(other) => Err(CliError::Read {
            name,
            source: io::Error::other(other),
        }),
    }
}

fn read_all(stream: impl Read, name: &str, max: u64) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = stream.take(max.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|source| CliError::Read {
        name: name.to_owned(),
        source,
    })?;
    if bytes.len() as u64 > max {
        return Err(CliError::TooManyBytes {
            name: name.to_owned(),
            max,
        });
    }
    Ok(bytes)
}

/// Whether a file is a token file by its name or its first bytes.
pub(crate) fn is_token_file(path: &Path) -> bool {
    batch::has_extension(path, EXTENSION) || (path.is_file() && starts_with_magic(path))
}

/// False for a file that cannot be read: the reader that runs next reports why.
fn starts_with_magic(path: &Path) -> bool {
    let mut start = Cursor::new([0; MAGIC.len()]);
    let read =
        File::open(path).and_then(|file| io::copy(&mut file.take(MAGIC.len() as u64), &mut start));
    read.is_ok() && start.into_inner() == MAGIC
}

struct Counting<R> {
    stream: R,
    bytes: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.bytes = self.bytes.saturating_add(count as u64);
        Ok(count)
    }
}
