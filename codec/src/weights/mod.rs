//! A checkpoint: its config, and its tensors by name as views of the stored bytes.
//!
//! Weights are untrusted. The header is checked against the file before any view is made, and each tensor's shape against
//! what the network needs when it is loaded. Nothing is converted or copied until the network uses it.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod fingerprint;
mod finite;
mod header;
mod scan;
mod summary;
mod tensors;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub(crate) use finite::check_finite;
use flextok_compute::{DType, Storage, StorageError, Weight, WeightError};
pub use header::HeaderLimits;
use safetensors::Dtype;
pub use summary::{Parameters, StoredType};
pub(crate) use tensors::Tensors;

use crate::config::{Config, ConfigError, ModelConfig};

/// Name of the weights in a directory.
const WEIGHTS_FILE: &str = "model.safetensors";
/// Name of the config file next to weights without a config.
const CONFIG_FILE: &str = "config.json";

/// Why a checkpoint was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file could not be opened, mapped or read.
    #[error("{}: {source}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: StorageError,
    },
    /// The file is not a safetensors file, or its header exceeds the limits.
    #[error("not a usable safetensors file: {what}")]
    Header {
        /// What is wrong and what is allowed.
        what: String,
    },
    /// A tensor's byte range does not match its shape, its neighbours or the file.
    #[error("not a usable safetensors file: tensor {tensor:?}: {what}")]
    Layout {
        /// The tensor.
        tensor: String,
        /// What is wrong and what is allowed.
        what: String,
    },
    /// The config was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A tensor that the network needs is missing.
    #[error("tensor {tensor:?} of shape {expected:?} is missing")]
    Missing {
        /// The tensor.
        tensor: String,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor does not have the shape that the config implies.
    #[error("tensor {tensor:?} has shape {found:?}; the config requires {expected:?}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor that the network needs has an element type that cannot be used.
    #[error("tensor {tensor:?} has element type {found}; allowed: F32, F16, BF16")]
    ElementType {
        /// The tensor.
        tensor: String,
        /// Its element type as safetensors spells it.
        found: String,
    },
    /// A table has an element type other than whole numbers.
    #[error("tensor {tensor:?} has element type {found}; allowed: I32, I64")]
    IntegerType {
        /// The tensor.
        tensor: String,
        /// Its element type as safetensors spells it.
        found: String,
    },
    /// The tables of a model with a coded payload are unsound.
    #[error(transparent)]
    Tables(#[from] flextok_tokens::Error),
    /// A network was requested of a model that has none.
    #[error("the checkpoint holds a fixed transform and no FlexTok network; open a FlexTok model")]
    NoNetwork,
    /// A file that should hold the learned decoder of a model holds none, or another model's.
    #[error(
        "the file does not hold the learned decoder of {}; it is of {}",
        named(expected),
        named(found)
    )]
    OtherDecoder {
        /// Name of the model that the file is of; `None` if it has no name.
        found: Option<String>,
        /// Name of the model whose tables were opened.
        expected: Option<String>,
    },
    /// A tensor holds a NaN or an infinity.
    #[error("tensor {tensor:?} is NaN or infinite at element {index}")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// Index of the first such element in row-major order.
        index: usize,
    },
    /// A view of a tensor could not be made. The header's checks leave no case that leads here.
    #[error("tensor {tensor:?}: {source}")]
    View {
        /// The tensor.
        tensor: String,
        /// Why not.
        source: WeightError,
    },
}

/// A model's name in a message.
fn named(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or("a model without a name")
}

/// How a checkpoint is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Map the file, which is fast and shares memory, rather than read it. A mapped file must not be changed while it
    /// is in use.
    pub mmap: bool,
    /// Largest file in bytes that is read into memory where it is not mapped.
    pub max_read_bytes: u64,
    /// Largest header that is accepted.
    pub limits: HeaderLimits,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            mmap: true,
            max_read_bytes: 64 << 30,
            limits: HeaderLimits::default(),
        }
    }
}

/// A checkpoint with its config.
#[derive(Debug)]
pub struct Weights {
    tensors: Tensors,
    config: Config,
    fingerprint: OnceLock<[u8; 4]>,
}

impl Weights {
    /// Opens a safetensors file, or a directory that holds `model.safetensors`. The config is taken from the file's
    /// metadata, or if there is none from a `config.json` next to it.
    ///
    /// # Errors
    /// [`WeightsError`] for everything that makes the file, its header or its config unusable.
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, WeightsError> {
        let path = path.as_ref();
        let file = if path.is_dir() {
            path.join(WEIGHTS_FILE)
        } else {
            path.to_owned()
        };
        let refused = |source| WeightsError::Storage {
            path: file.clone(),
            source,
        };
        let storage = if options.mmap {
            Storage::map(&file).map_err(refused)?
        } else {
            check_start(&file, options)?;
            Storage::read(&file, options.max_read_bytes).map_err(refused)?
        };
        let header = header::read(storage.as_slice(), &options.limits)?;
        let config = match Config::from_metadata(&header.metadata)? {
            Some(config) => config,
            None => config_next_to(&file)?,
        };
        Ok(Self {
            tensors: Tensors { storage, header },
            config,
            fingerprint: OnceLock::new(),
        })
    }

    /// Opens a safetensors file that is part of the program.
    ///
    /// # Errors
    /// Those of [`Self::from_storage`].
    pub fn from_static(bytes: &'static [u8]) -> Result<Self, WeightsError> {
        Self::from_storage(Storage::from_static(bytes), None, &HeaderLimits::default())
    }

    /// Opens a safetensors file from memory. `config` is the text of a `config.json`, used if the metadata hold no
    /// config.
    ///
    /// # Errors
    /// [`WeightsError`] for everything that makes the header or the config unusable.
    pub fn from_storage(
        storage: Storage,
        config: Option<&[u8]>,
        limits: &HeaderLimits,
    ) -> Result<Self, WeightsError> {
        let header = header::read(storage.as_slice(), limits)?;
        let config = match (Config::from_metadata(&header.metadata)?, config) {
            (Some(config), _) => config,
            (None, Some(text)) => Config::from_json(text)?,
            (None, None) => return Err(ConfigError::absent().into()),
        };
        Ok(Self {
            tensors: Tensors { storage, header },
            config,
            fingerprint: OnceLock::new(),
        })
    }

    /// The checkpoint's config.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The config of a network.
    ///
    /// # Errors
    /// [`WeightsError::NoNetwork`] if the checkpoint is one of a model with a coded payload.
    pub fn network(&self) -> Result<&ModelConfig, WeightsError> {
        match &self.config {
            Config::Network(config) => Ok(config),
            Config::Coded(_) => Err(WeightsError::NoNetwork),
        }
    }

    /// The whole numbers of the tensor `name`, which has to have `count` of them.
    pub(crate) fn integers(&self, name: &str, count: usize) -> Result<Vec<i64>, WeightsError> {
        let expected = vec![count];
        let Some(entry) = self.tensors.header.tensors.get(name) else {
            let tensor = name.to_owned();
            return Err(WeightsError::Missing { tensor, expected });
        };
        if entry.elements() != count {
            return Err(WeightsError::Shape {
                tensor: name.to_owned(),
                found: entry.shape.clone(),
                expected,
            });
        }
        let bytes = self.tensors.storage.as_slice().get(entry.range.clone());
        let bytes = bytes.unwrap_or_default();
        match entry.dtype {
            Dtype::I32 => {
                let (numbers, _) = bytes.as_chunks();
                Ok(numbers
                    .iter()
                    .map(|&n| i32::from_le_bytes(n).into())
                    .collect())
            }
            Dtype::I64 => {
                let (numbers, _) = bytes.as_chunks();
                Ok(numbers.iter().map(|&n| i64::from_le_bytes(n)).collect())
            }
            found => Err(WeightsError::IntegerType {
                tensor: name.to_owned(),
                found: found.to_string(),
            }),
        }
    }

    /// The tensor `name`, which has to have the shape `expected`.
    ///
    /// # Errors
    /// [`WeightsError::Missing`], [`WeightsError::Shape`], [`WeightsError::ElementType`] or [`WeightsError::NotFinite`],
    /// naming the tensor.
    pub fn tensor(&self, name: &str, expected: &[usize]) -> Result<Weight, WeightsError> {
        self.tensors.get(name, expected)
    }

    /// Releases the pages of a mapped file; they are read again on the next access. For use after an engine has made its
    /// own copy of the tensors.
    pub(crate) fn release_pages(&self) {
        self.tensors.storage.release_pages();
    }

    /// The shape of the tensor `name`, if it exists.
    #[doc(hidden)]
    #[must_use]
    pub fn try_shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors
            .header
            .tensors
            .get(name)
            .map(|entry| entry.shape.as_slice())
    }

    /// Whether there is a tensor `name`.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.header.tensors.contains_key(name)
    }

    /// The names of all tensors, in ascending byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.header.tensors.keys().map(String::as_str)
    }

    /// The fingerprint that token files carry: a CRC32 over all tensors' names, types, shapes and a sample of their
    /// bytes, little-endian. Computed on first use.
    pub fn fingerprint(&self) -> [u8; 4] {
        *self.fingerprint.get_or_init(|| {
            fingerprint::fingerprint(&self.tensors.storage, &self.tensors.header.tensors)
        })
    }

    /// Whether the weights are a mapped file.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        self.tensors.storage.is_mapped()
    }

    /// Size of the whole file in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.tensors.storage.as_slice().len()
    }
}

/// The element type as the engines know it; `None` for types that no network is stored in.
fn float_type(stored: Dtype) -> Option<DType> {
    match stored {
        Dtype::F32 => Some(DType::F32),
        Dtype::F16 => Some(DType::F16),
        Dtype::BF16 => Some(DType::BF16),
        _ => None,
    }
}

/// Checks the header and config of `file`, so that a file that is not a checkpoint is refused before all of it is read.
fn check_start(file: &Path, options: &OpenOptions) -> Result<(), WeightsError> {
    let start = |bytes| {
        Storage::read_start(file, bytes).map_err(|source| WeightsError::Storage {
            path: file.to_owned(),
            source,
        })
    };
    let limits = &options.limits;
    let (bytes, total) = start(header::LENGTH_BYTES.saturating_add(header::SHOWN_BYTES))?;
    let (bytes, total) = start(header::start_len(bytes.as_slice(), total, limits)?)?;
    let header = header::read_start(bytes.as_slice(), total, limits)?;
    if Config::from_metadata(&header.metadata)?.is_none() {
        config_next_to(file)?;
    }
    Ok(())
}

/// Reads the config next to the weights file `file`.
fn config_next_to(file: &Path) -> Result<Config, WeightsError> {
    let path = file.with_file_name(CONFIG_FILE);
    let allowed = crate::literal::MAX_BYTES as u64;
    match Storage::read(&path, allowed) {
        Ok(text) => Ok(Config::from_json(text.as_slice())?),
        Err(StorageError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(ConfigError::absent().into())
        }
        Err(source) => Err(WeightsError::Storage { path, source }),
    }
}
