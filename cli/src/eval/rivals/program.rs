//! A rival's programs on this machine: whether they are there, and one encode or decode by them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flextok::image::RgbImage;
use flextok::picture::save::{self, SaveFormat};
use flextok::picture::{self, LoadOptions, load};
use flextok::{Size, Threads};

use super::{Recipe, Rival};
use crate::eval::process::{self, ProcessError};
use crate::exit::CliError;
use crate::{interrupt, message};

/// A rival whose programs are there.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    pub(crate) rival: Rival,
    /// Its programs with their versions.
    pub(crate) version: String,
    workplace: Arc<Workplace>,
}

/// A rival, or why it cannot be measured.
type Found = Result<Installed, String>;

/// Where programs find and leave their files.
#[derive(Debug)]
struct Workplace {
    folder: tempfile::TempDir,
    _guard: interrupt::Guard,
    /// Directories made in it so far.
    rooms: AtomicU64,
}

/// A directory for one run of a program after the other.
struct Room(PathBuf);

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Why there is no file, or no picture of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RivalError {
    /// A program did not do its work.
    #[error("{program}: {source}")]
    Program {
        program: &'static str,
        source: ProcessError,
    },
    /// The picture could not be made, written or read.
    #[error("{0}")]
    Picture(#[from] flextok::picture::PictureError),
    /// The decoder wrote another picture than was encoded.
    #[error("{program}: wrote {found} pixels for {expected}")]
    Size {
        program: &'static str,
        found: Size,
        expected: Size,
    },
}

/// A file that a rival made.
pub(crate) struct Made {
    pub(crate) file: Vec<u8>,
    pub(crate) time: Duration,
}

/// One picture, shrunk, in front of a rival's encoder.
pub(crate) struct Bench<'a> {
    installed: &'a Installed,
    room: Room,
    size: Size,
}

impl Installed {
    /// Looks for the programs of rivals; for one of which they are not all there, says why.
    pub(crate) fn find(rivals: &[Rival]) -> Result<Vec<(Rival, Found)>, CliError> {
        let (folder, guard) = interrupt::guarded_folder().map_err(|source| CliError::Write {
            name: message::name(&std::env::temp_dir()),
            source,
        })?;
        let workplace = Arc::new(Workplace {
            folder,
            _guard: guard,
            rooms: AtomicU64::new(0),
        });
        let found = rivals.iter().map(|&rival| {
            let version = version(rival, workplace.folder.path());
            let installed = version.map(|version| Self {
                rival,
                version,
                workplace: Arc::clone(&workplace),
            });
            (rival, installed)
        });
        Ok(found.collect())
    }

    /// Shrinks a picture as a recipe says and gives it to the encoder.
    pub(crate) fn bench(
        &self,
        original: &RgbImage,
        recipe: Recipe,
        threads: &Threads,
    ) -> Result<Bench<'_>, RivalError> {
        let size = recipe.shrunk(original.dimensions().into());
        // Rows before columns, each rounded to 8 bits, as other programs resize.
        let narrow = Size::new(size.width, original.height());
        let narrow = picture::restore(original, narrow, threads)?;
        let shrunk = picture::restore(&narrow, size, threads)?;
        let bench = Bench {
            installed: self,
            room: self.workplace.room(),
            size,
        };
        let [input, ..] = bench.paths();
        let format = SaveFormat::from_path(&input)?;
        let bytes = save::encode(&shrunk, format)?;
        let written = fs::create_dir(&bench.room.0).and_then(|()| fs::write(input, bytes));
        written.map_err(|error| self.failed(0, error.into()))?;
        Ok(bench)
    }

    /// The picture of a file that it made by a recipe, enlarged to `size` by Lanczos, and the time of the decoder.
    pub(crate) fn decode(
        &self,
        file: &[u8],
        recipe: Recipe,
        size: Size,
        threads: &Threads,
    ) -> Result<(RgbImage, Duration), RivalError> {
        let bench = Bench {
            installed: self,
            room: self.workplace.room(),
            size: recipe.shrunk(size),
        };
        let [_, path, _] = bench.paths();
        let written = fs::create_dir(&bench.room.0).and_then(|()| fs::write(path, file));
        written.map_err(|error| self.failed(1, error.into()))?;
        bench.decode(size, threads)
    }

    fn failed(&self, which: usize, source: ProcessError) -> RivalError {
        RivalError::Program {
            program: self.rival.programs()[which],
            source,
        }
    }
}

impl Workplace {
    fn room(&self) -> Room {
        let number = self.rooms.fetch_add(1, Ordering::Relaxed);
        Room(self.folder.path().join(number.to_string()))
    }
}

impl Bench<'_> {
    fn paths(&self) -> [PathBuf; 3] {
        self.installed
            .rival
            .files()
            .map(|name| self.room.0.join(name))
    }

    /// The file of a setting, and the time of the encoder.
    pub(crate) fn encode(&self, setting: u32) -> Result<Made, RivalError> {
        let rival = self.installed.rival;
        let paths = self.paths();
        let [_, file, _] = &paths;
        let args = rival.encode(setting, self.size, paths.each_ref().map(PathBuf::as_path));
        let [encoder, _] = rival.programs();
        let made =
            process::run(encoder, &args, &self.room.0).and_then(|time| Ok((time, fs::read(file)?)));
        let (time, file) = made.map_err(|source| self.installed.failed(0, source))?;
        Ok(Made { file, time })
    }

    /// The picture of the file that lies here, enlarged to `size`.
    fn decode(&self, size: Size, threads: &Threads) -> Result<(RgbImage, Duration), RivalError> {
        let rival = self.installed.rival;
        let paths = self.paths();
        let [.., out] = &paths;
        let args = rival.decode(paths.each_ref().map(PathBuf::as_path));
        let [_, decoder] = rival.programs();
        let time = process::run(decoder, &args, &self.room.0)
            .map_err(|source| self.installed.failed(1, source))?;
        let options = LoadOptions {
            color_management: false,
            ..LoadOptions::default()
        };
        let picture = load::open(out, &options)?.image.into_rgb8();
        let found = Size::from(picture.dimensions());
        if found != self.size {
            return Err(RivalError::Size {
                program: decoder,
                found,
                expected: self.size,
            });
        }
        Ok((picture::restore(&picture, size, threads)?, time))
    }
}

/// The versions of both programs, or which of them is not there.
fn version(rival: Rival, folder: &Path) -> Result<String, String> {
    let versions = rival.programs().map(|program| {
        let version = process::version(program, &[rival.version_argument().into()], folder);
        version
            .map(|version| format!("{program} {version}"))
            .map_err(|error| {
                let package = rival.package();
                format!("{program}: {error} (Debian's package {package} has it)")
            })
    });
    let [encoder, decoder] = versions;
    Ok(format!("{}, {}", encoder?, decoder?))
}
