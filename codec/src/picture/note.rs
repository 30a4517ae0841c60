//! What a caller should know about a picture that was read all the same.

use std::fmt;

/// Something about an image file that its pixels do not show. Its text is for people, without the name of the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoadNote {
    /// The colour profile cannot be read.
    ProfileDamaged,
    /// The colour profile is of a kind that is not converted.
    ProfileUnsupported,
    /// Only the first frame of an animation, or the first page of a document, was read.
    FirstOf(Parts),
    /// Some pixels are not opaque.
    Transparent,
    /// The compressed data of a JPEG go on where its last block has ended.
    SurplusData {
        /// How many.
        bytes: u64,
    },
    /// What should follow the picture is not there; the picture is.
    EndMissing,
}

/// What a file may have several of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Parts {
    /// Of an animation.
    Frames,
    /// Of a document.
    Pages,
}

impl fmt::Display for LoadNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProfileDamaged => f.write_str("its colour profile is damaged; taken as sRGB"),
            Self::ProfileUnsupported => {
                f.write_str("its colour profile is of a kind that is not converted; taken as sRGB")
            }
            Self::FirstOf(Parts::Frames) => f.write_str("animated; only the first frame is used"),
            Self::FirstOf(Parts::Pages) => f.write_str("of several pages only the first is used"),
            Self::Transparent => f.write_str("transparent parts show the background"),
            Self::EndMissing => f.write_str("the file ends early; the picture is all there"),
            Self::SurplusData { bytes } => write!(
                f,
                "{bytes} bytes of its data belong to no block; it may be damaged"
            ),
        }
    }
}
