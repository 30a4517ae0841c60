//! Files beneath one directory: opened without leaving it, identified by a hash of their content.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use sha2::{Digest, Sha256};

use crate::body::{Content, Source};
use crate::error::Refusal;
use crate::name::Name;

/// Files up to this size are held in memory while they are sent; larger ones are read piece by piece.
pub(crate) const HELD: u64 = 64 << 10;

/// Number of large files whose tags are cached.
const REMEMBERED: usize = 1024;

/// A directory. The operating system resolves names beneath it, so that neither `..` nor a symbolic link leads out, even
/// if the tree changes concurrently.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: Dir,
    tags: Tags,
}

/// Content tags by the metadata that change with a file, so that large files are not read for each request.
#[derive(Debug, Default)]
pub(crate) struct Tags(Mutex<HashMap<Identity, Tag>>);

/// The first half of the content's SHA-256.
pub(crate) type Tag = [u8; 16];

/// Distinguishes versions of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Identity {
    file: (u64, u64),
    length: u64,
    modified: Option<SystemTime>,
    changed: (i64, i64),
}

/// An open regular file.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) length: u64,
    pub(crate) modified: Option<SystemTime>,
    identity: Identity,
}

/// The content of a file when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) content: Content,
    pub(crate) length: u64,
    pub(crate) tag: Tag,
    pub(crate) modified: Option<SystemTime>,
}

impl Folder {
    /// Opens the directory; it stays the same one even if another directory takes its path.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        // One that may not be read can be opened all the same.
        drop(dir.entries()?);
        Ok(Self {
            dir,
            tags: Tags::default(),
        })
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Opens a regular file. Anything else, and a name that leads out of the directory, is not found.
    pub(crate) fn file(&self, name: &Name) -> Result<Opened, Refusal> {
        let file = self.dir.open_with(name.as_str(), &options());
        let file = file.map_err(|error| refusal(&error))?.into_std();
        let opened = Opened::new(file).map_err(|error| refusal(&error))?;
        opened.ok_or(Refusal::NotFound)
    }

    pub(crate) fn load(&self, opened: Opened) -> Result<Stored, Refusal> {
        self.tags.load(opened)
    }
}

impl Tags {
    /// Reads a small file, or looks up or computes the tag of a large one.
    pub(crate) fn load(&self, mut opened: Opened) -> Result<Stored, Refusal> {
        let modified = opened.modified;
        if opened.length <= HELD {
            let bytes = opened.read(HELD)?;
            return Ok(Stored {
                tag: tag(&bytes),
                length: bytes.len() as u64,
                content: Content::Memory(bytes.into()),
                modified,
            });
        }
        let remembered = self.lock().get(&opened.identity).copied();
        let tag = match remembered {
            Some(tag) => tag,
            None => {
                let tag = opened.tag()?;
                self.remember(opened.identity, tag);
                tag
            }
        };
        Ok(Stored {
            tag,
            length: opened.length,
            content: Content::File(Arc::new(Source {
                file: opened.file,
                length: opened.length,
                modified,
            })),
            modified,
        })
    }

    /// Caches the tag, except of a file that changed so recently that another change might leave its metadata the same.
    fn remember(&self, identity: Identity, tag: Tag) {
        let settled = identity.modified.is_some_and(|modified| {
            let age = SystemTime::now().duration_since(modified);
            age.is_ok_and(|age| age > Duration::from_secs(2))
        });
        if settled {
            let mut tags = self.lock();
            if tags.len() >= REMEMBERED {
                tags.clear();
            }
            tags.insert(identity, tag);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Identity, Tag>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    /// `None` if it is not a regular file.
    pub(crate) fn new(file: File) -> io::Result<Option<Self>> {
        let metadata = file.metadata()?;
        let (length, modified) = (metadata.len(), metadata.modified().ok());
        let identity = Identity {
            file: number(&metadata),
            length,
            modified,
            changed: changed(&metadata),
        };
        Ok(metadata.is_file().then_some(Self {
            file,
            length,
            modified,
            identity,
        }))
    }

    /// The content, up to `most` bytes; its length may have changed since the file was opened.
    pub(crate) fn read(&mut self, most: u64) -> Result<Vec<u8>, Refusal> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.length.min(HELD)).unwrap_or(0));
        let read = (&self.file).take(most).read_to_end(&mut bytes);
        read.map_err(|error| fault(&error))?;
        Ok(bytes)
    }

    fn tag(&mut self) -> Result<Tag, Refusal> {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        let mut left = self.length;
        while left > 0 {
            let most = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let place = buffer.get_mut(..most).unwrap_or_default();
            match self.file.read(place) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(buffer.get(..count).unwrap_or_default());
                    left = left.saturating_sub(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(&error)),
            }
        }
        self.file.rewind().map_err(|error| fault(&error))?;
        Ok(half(hasher))
    }
}

impl Stored {
    /// Content that is embedded in the program.
    pub(crate) fn of_static(bytes: &'static [u8]) -> Self {
        Self {
            tag: tag(bytes),
            length: bytes.len() as u64,
            content: Content::Memory(Bytes::from_static(bytes)),
            modified: None,
        }
    }
}

/// The tag of these bytes.
pub(crate) fn tag(bytes: &[u8]) -> Tag {
    half(Sha256::new_with_prefix(bytes))
}

fn half(hasher: Sha256) -> Tag {
    let digest = hasher.finalize();
    let mut tag = Tag::default();
    tag.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    tag
}

/// Opens for reading, without waiting for a writer if the name is a FIFO's.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt;
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    options
}

/// Reports a file that cannot be opened as not found, unless the fault is the server's own.
fn refusal(error: &io::Error) -> Refusal {
    match error.raw_os_error() {
        #[cfg(unix)]
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => Refusal::Busy,
        _ => Refusal::NotFound,
    }
}

pub(crate) fn fault(error: &io::Error) -> Refusal {
    Refusal::Fault(format!("the stored file cannot be read: {}", error.kind()))
}

#[cfg(unix)]
fn number(metadata: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(unix)]
fn changed(metadata: &std::fs::Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.ctime(), metadata.ctime_nsec())
}

/// The creation time instead of an inode number, which this platform does not provide in stable Rust.
#[cfg(not(unix))]
fn number(metadata: &std::fs::Metadata) -> (u64, u64) {
    let created = metadata.created().ok();
    let since = created.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or((0, 0), |since| {
        (since.as_secs(), since.subsec_nanos().into())
    })
}

#[cfg(not(unix))]
fn changed(_metadata: &std::fs::Metadata) -> (i64, i64) {
    (0, 0)
}
