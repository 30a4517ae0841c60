//! The pictures of an evaluation: which files they are, and one of them loaded as it is measured.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use flextok::image::RgbImage;
use flextok::{Size, Threads, picture};

use super::plan::{Plan, Protocol};
use crate::collection;
use crate::context::Context;
use crate::exit::CliError;
use crate::input::Source;
use crate::message;

/// Side of the pictures of FlexTok's protocol, in pixels.
const PROTOCOL_SIDE: u32 = 256;

/// A picture, loaded as it is measured.
pub(crate) struct Subject {
    /// Its file, as it was named.
    pub(crate) name: String,
    /// CRC-32 of its file.
    pub(crate) crc32: u32,
    /// What decodes are measured against.
    pub(crate) original: RgbImage,
    /// The seed of its decodes, where the options give none.
    pub(crate) seed: Option<u64>,
}

/// The files that arguments name: of a directory those with the extension of a picture that are not hidden, by name.
pub(crate) fn pictures(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut paths = Vec::new();
    for argument in arguments {
        if Source::new(argument) == Source::Stdin {
            let problem = "pictures are read more than once; name files or a directory";
            return Err(CliError::usage(Source::Stdin.name(), problem));
        }
        if argument.is_dir() {
            paths.extend(in_folder(argument)?);
        } else {
            paths.push(argument.clone());
        }
    }
    let mut seen = BTreeSet::new();
    match paths.iter().find(|path| !seen.insert(*path)) {
        Some(path) => Err(CliError::usage(
            message::name(path),
            "is given twice; name each picture once",
        )),
        None => Ok(paths),
    }
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let name = || message::name(folder);
    let entries = fs::read_dir(folder).and_then(|entries| {
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<Result<Vec<_>, _>>()
    });
    let mut paths = entries.map_err(|source| CliError::Read {
        name: name(),
        source,
    })?;
    paths.retain(|path| collection::is_picture(path) && path.is_file());
    paths.sort();
    if paths.is_empty() {
        return Err(CliError::usage(
            name(),
            "has no file that is named like a picture",
        ));
    }
    Ok(paths)
}

impl Subject {
    /// Reads and prepares a picture.
    pub(crate) fn load(path: &Path, plan: &Plan, context: &Context) -> Result<Self, CliError> {
        let source = Source::new(path);
        let crc32 = checksum(path, context)?;
        let rgb = source.rgb(context, plan.background)?;
        let rgb = match plan.protocol {
            None => rgb,
            Some(Protocol::Flextok) => centre(&rgb, &source, plan.threads())?,
        };
        let seed = plan
            .protocol
            .map(|_| seed_of(path.file_name().unwrap_or_default()));
        Ok(Self {
            name: source.name(),
            crc32,
            original: rgb,
            seed,
        })
    }

    pub(crate) fn size(&self) -> Size {
        self.original.dimensions().into()
    }
}

/// CRC-32 of a picture's file.
pub(crate) fn checksum(path: &Path, context: &Context) -> Result<u32, CliError> {
    let bytes = Source::new(path).bytes(context.limits.image_bytes)?;
    Ok(crc32fast::hash(&bytes))
}

/// The picture with its shorter side scaled to the protocol's, and its centre.
fn centre(rgb: &RgbImage, source: &Source, threads: &Threads) -> Result<RgbImage, CliError> {
    let size = Size::new(PROTOCOL_SIDE, PROTOCOL_SIDE);
    let cropped = picture::published_crop(rgb, size, threads);
    let cropped = cropped.map_err(|error| CliError::codec(source.name(), error))?;
    Ok(cropped.picture)
}

/// The seed of the noise that the protocol gives a picture: the CRC-32 of its file's name.
fn seed_of(name: &OsStr) -> u64 {
    crc32fast::hash(name.as_encoded_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_the_crc_32_of_the_name() {
        // zlib.crc32 of Python.
        assert_eq!(seed_of(OsStr::new("chelsea.png")), 3_966_663_779);
        assert_eq!(seed_of(OsStr::new("123456789")), 0xcbf4_3926);
    }

    #[test]
    fn a_directory_gives_its_pictures_by_name() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for name in ["b.png", "a.JPG", ".hidden.png", "notes.md", "c.jxl"] {
            fs::write(folder.path().join(name), b"x").expect("writable");
        }
        fs::create_dir(folder.path().join("d.png")).expect("writable");
        let found = pictures(&[folder.path().to_owned()]).expect("a directory");
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["a.JPG", "b.png", "c.jxl"]);
        let twice = [folder.path().join("b.png"), folder.path().to_owned()];
        let refused = pictures(&twice).expect_err("twice");
        assert!(refused.to_string().contains("b.png: is given twice"));
        assert!(pictures(&["-".into()]).is_err());
    }
}
