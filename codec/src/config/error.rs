//! Why a config was refused: the path, the value found there and what is allowed.

use crate::literal::LiteralError;

/// Why a checkpoint's config was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no config in the weights' metadata, nor in a file next to them.
    #[error(
        "no config: expected the metadata of the published layout (keys {allowed}), the metadata key `config`, \
         or a config.json next to the weights"
    )]
    Absent {
        /// The metadata keys of the published layout.
        allowed: String,
    },
    /// The model is a FlexTok network, which this build cannot run.
    #[error(
        "not a model with a coded payload, and this build runs no FlexTok networks; build it with the feature `networks`"
    )]
    NoNetworks,
    /// The text is neither JSON nor a Python literal.
    #[error("config text {name}: {source}")]
    Syntax {
        /// Name of the text: a metadata key or file name.
        name: String,
        /// What is wrong with it.
        source: LiteralError,
    },
    /// An unknown key.
    #[error("unknown config key {path}; allowed: {allowed}")]
    UnknownKey {
        /// Dotted path of the key.
        path: String,
        /// The keys that are allowed there.
        allowed: String,
    },
    /// A required key is missing.
    #[error("config key {path} is missing; allowed: {allowed}")]
    Missing {
        /// Dotted path of the key.
        path: String,
        /// The values it may have.
        allowed: String,
    },
    /// A value that is not supported.
    #[error("config value {path} = {found} is not supported; allowed: {allowed}")]
    Value {
        /// Dotted path of the key.
        path: String,
        /// The value found, shortened where long.
        found: String,
        /// The values it may have.
        allowed: String,
    },
    /// An unknown module; modules are only ever looked up in a fixed list.
    #[error("unknown config module {path} = {found}; allowed: {allowed}")]
    UnknownModule {
        /// Dotted path of the module's name.
        path: String,
        /// The name found.
        found: String,
        /// The names that are allowed there.
        allowed: String,
    },
    /// Modules are connected or ordered in a way that this program does not compute.
    #[error("config wiring {path} = {found} holds {holds}; supported: {allowed}")]
    Wiring {
        /// Dotted path of the key that names what is read.
        path: String,
        /// The name that is read.
        found: String,
        /// What was last written under that name.
        holds: String,
        /// What must be read there.
        allowed: String,
    },
}

impl ConfigError {
    /// There is no config at all.
    pub(crate) fn absent() -> Self {
        Self::Absent {
            allowed: super::published::keys(),
        }
    }
}
