//! The names of models, as files hold them.

use std::fmt;

use flextok_container::{Fingerprint, Header, Payload, TablesName};

/// What files name a model by, in the terms of its family.
///
/// ```
/// use flextok::ModelName;
/// use flextok::container::TablesName;
///
/// assert_eq!(ModelName::Coded(TablesName::BUILTIN).to_string(), "tables 1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelName {
    /// A network that makes token ids: the fingerprint of its weights.
    Ids(Fingerprint),
    /// A model whose payload is coded: its tables.
    Coded(TablesName),
}

impl ModelName {
    /// The model that a file names.
    #[must_use]
    pub fn of(header: &Header) -> Self {
        match header.payload() {
            Payload::Ids(ids) => Self::Ids(ids.model),
            Payload::Coded(coded) => Self::Coded(coded.tables),
        }
    }

    /// Where else the model may be found, to end a message.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Coded(TablesName::BUILTIN) => ": it is embedded in the program",
            Self::Coded(TablesName::Number(_)) => ": a newer flextok may carry it",
            _ => "",
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ids(fingerprint) => write!(formatter, "{fingerprint}"),
            Self::Coded(TablesName::Number(number)) => write!(formatter, "tables {number}"),
            Self::Coded(TablesName::Model(fingerprint)) => {
                write!(formatter, "tables {fingerprint}")
            }
        }
    }
}
