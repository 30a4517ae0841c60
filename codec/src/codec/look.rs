//! The look of a decoded picture: how much the learned decoder of a coded payload may trade squared error for sharpness.

use std::fmt;
use std::str::FromStr;

/// How a coded payload becomes a picture. It changes nothing in files.
///
/// ```
/// use flextok::Look;
///
/// assert_eq!("sharp".parse(), Ok(Look::SHARP));
/// assert_eq!("0.5".parse(), Ok(Look::default()));
/// assert!("1.5".parse::<Look>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Look {
    /// The coded digits alone, by the inverse transform: what squared errors on the canvas are known for without decoding.
    Plain,
    /// The learned decoder's, from 0, the least squared error ([`Look::FAITHFUL`]), to 1, sharp ([`Look::SHARP`]).
    Learned(f32),
}

impl Look {
    /// The learned decoder for the least squared error.
    pub const FAITHFUL: Self = Self::Learned(0.0);
    /// The learned decoder for sharpness: closer to the eye than faithful, by LPIPS, at some cost in squared error.
    pub const SHARP: Self = Self::Learned(1.0);
    /// What is allowed, for messages.
    pub(crate) const ALLOWED: &'static str =
        "plain, faithful, sharp, or a number from 0 (faithful) to 1 (sharp)";

    /// Whether it is one that a decoder was trained for.
    pub(crate) fn is_valid(self) -> bool {
        match self {
            Self::Plain => true,
            Self::Learned(look) => (0.0..=1.0).contains(&look),
        }
    }
}

impl Default for Look {
    /// Half of the way from faithful to sharp: a few hundredths of a dB for half of the gain in LPIPS.
    fn default() -> Self {
        Self::Learned(0.5)
    }
}

impl fmt::Display for Look {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Plain => formatter.write_str("plain"),
            Self::FAITHFUL => formatter.write_str("faithful"),
            Self::SHARP => formatter.write_str("sharp"),
            Self::Learned(look) => write!(formatter, "{look}"),
        }
    }
}

/// The text is not the name of a look, nor a number from 0 to 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a look; allowed: {}", Look::ALLOWED)]
pub struct ParseLookError {
    found: String,
}

impl FromStr for Look {
    type Err = ParseLookError;

    fn from_str(text: &str) -> Result<Self, ParseLookError> {
        let look = match text {
            "plain" => Some(Self::Plain),
            "faithful" => Some(Self::FAITHFUL),
            "sharp" => Some(Self::SHARP),
            _ => text.parse().ok().map(Self::Learned),
        };
        look.filter(|look| look.is_valid())
            .ok_or_else(|| ParseLookError {
                found: text.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_read_as_they_are_written() {
        for look in [
            Look::Plain,
            Look::FAITHFUL,
            Look::SHARP,
            Look::default(),
            Look::Learned(0.25),
        ] {
            assert_eq!(look.to_string().parse(), Ok(look));
        }
        for text in ["", "Plain", "-0.1", "1.01", "nan", "inf", "0,5", "pretty"] {
            let error = text.parse::<Look>().unwrap_err().to_string();
            assert!(error.contains("0 (faithful) to 1 (sharp)"), "{error}");
        }
    }
}
