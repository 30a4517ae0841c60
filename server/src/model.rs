//! The model's file, where one is given that is not the page's own.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Refusal;
use crate::folder::{Opened, Stored, Tags, fault};

/// The name of the model's file in a directory that stands for it.
const MODEL: &str = "model.safetensors";

/// The name beside the page of the model's file, or of the part that the page starts with.
pub(crate) const TABLES: &str = "tables.safetensors";

/// The name beside the page of the learned decoder, where that is a file of its own.
pub(crate) const DECODER: &str = "decoder.safetensors";

/// A file that stands anywhere, since whoever starts the server names it; links to it are followed, as stores of models
/// have them.
#[derive(Debug)]
pub(crate) struct ModelFile {
    path: PathBuf,
    tags: Tags,
}

impl ModelFile {
    /// The file at `path`, or in the directory there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = match path.is_dir() {
            true => path.join(MODEL),
            false => path.to_owned(),
        };
        let model = Self {
            path,
            tags: Tags::default(),
        };
        match model.opened()? {
            Some(_) => Ok(model),
            None => Err(io::Error::other("this is not a regular file")),
        }
    }

    /// What it holds now; it may have been replaced. Blocks.
    pub(crate) fn load(&self) -> Result<Stored, Refusal> {
        let opened = self.opened().map_err(|error| fault(&error))?;
        self.tags.load(opened.ok_or(Refusal::NotFound)?)
    }

    fn opened(&self) -> io::Result<Option<Opened>> {
        let mut options = File::options();
        options.read(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // A FIFO would wait for a writer.
            options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        }
        Opened::new(options.open(&self.path)?)
    }
}
