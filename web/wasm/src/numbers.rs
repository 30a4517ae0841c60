//! JavaScript numbers to the integers that the library takes, and words that may be numbers.

use std::fmt;
use std::num::NonZeroU8;

use flextok::{CanvasChoice, Look};

use crate::failure::Failure;

/// Whole numbers beyond are not exact in a JavaScript number.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// A whole number from 0 to 2⁵³ − 1.
pub(crate) fn whole(name: &str, value: f64) -> Result<u64, Failure> {
    if (0.0..=MAX_SAFE).contains(&value) && value.fract() == 0.0 {
        return Ok(value as u64);
    }
    let allowed = "whole numbers from 0 to 9007199254740991";
    Err(Failure::usage(format!(
        "{name} {value} is not supported; allowed: {allowed}"
    )))
}

/// [`whole`] for a type that holds less; `allowed` is its range.
pub(crate) fn small<T: TryFrom<u64>>(
    name: &str,
    value: Option<f64>,
    largest: u64,
) -> Result<Option<T>, Failure> {
    let Some(value) = value else { return Ok(None) };
    let whole = whole(name, value)?;
    T::try_from(whole).map(Some).map_err(|_| {
        Failure::usage(format!(
            "{name} {whole} is not supported; allowed: at most {largest}"
        ))
    })
}

/// How much of a picture or of a file to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    /// What the model does by itself, or all that is there.
    All,
    /// Tokens, or units of payload.
    Count(u32),
    /// Bytes of the whole file.
    Bytes(u64),
}

impl Budget {
    /// A count, which goes by `name`, or bytes, not both.
    pub(crate) fn new(name: &str, count: Option<f64>, bytes: Option<f64>) -> Result<Self, Failure> {
        let bytes = bytes.map(|bytes| whole("bytes", bytes)).transpose()?;
        match (small(name, count, u32::MAX.into())?, bytes) {
            (None, None) => Ok(Self::All),
            (Some(count), None) => Ok(Self::Count(count)),
            (None, Some(bytes)) => Ok(Self::Bytes(bytes)),
            (Some(_), Some(_)) => Err(Failure::usage(format!(
                "{name} and bytes were both given; give only one of them"
            ))),
        }
    }
}

/// What is either a name or a number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    Text(String),
    Number(f64),
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Number(number) => write!(formatter, "{number}"),
        }
    }
}

impl Word {
    pub(crate) fn look(&self) -> Result<Look, Failure> {
        let look = self.to_string().parse();
        look.map_err(|error: flextok::ParseLookError| Failure::usage(error.to_string()))
    }

    pub(crate) fn canvas(&self) -> Result<CanvasChoice, Failure> {
        let text = self.to_string();
        if text == "own" {
            return Ok(CanvasChoice::Own);
        }
        let blocks: Result<NonZeroU8, _> = text.parse();
        blocks.map(CanvasChoice::Blocks).map_err(|_| {
            let allowed = "own, or 1 to 255 blocks along the long side";
            Failure::usage(format!(
                "canvas {text} is not supported; allowed: {allowed}"
            ))
        })
    }
}

/// A look as JavaScript has it: `plain`, or the number that it was.
pub(crate) fn number_of(look: Look) -> Option<f64> {
    match look {
        // By way of the text: 0.3 is to stay 0.3.
        Look::Learned(look) => look.to_string().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_names_or_numbers() {
        let look = |word: Word| word.look().map_err(|failure| failure.kind);
        for (text, expected) in [
            ("plain", Look::Plain),
            ("faithful", Look::FAITHFUL),
            ("sharp", Look::SHARP),
            ("0.5", Look::default()),
        ] {
            assert_eq!(look(Word::Text(text.to_owned())), Ok(expected));
        }
        assert_eq!(look(Word::Number(0.25)), Ok(Look::Learned(0.25)));
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(look(Word::Number(wrong)), Err("usage"), "{wrong}");
        }
        for wrong in ["", "Sharp", "balanced", "2"] {
            let failure = Word::Text(wrong.to_owned()).look().unwrap_err();
            assert_eq!(failure.kind, "usage");
            let allowed = "allowed: plain, faithful, sharp, or a number from 0";
            assert!(failure.message.contains(allowed), "{}", failure.message);
        }
        assert_eq!(number_of(Look::Plain), None);
        assert_eq!(number_of(Look::Learned(0.3)), Some(0.3));
        assert_eq!(number_of(Look::SHARP), Some(1.0));
    }

    #[test]
    fn canvases_are_own_or_blocks() {
        let own = Word::Text("own".to_owned());
        assert_eq!(own.canvas().unwrap(), CanvasChoice::Own);
        let blocks = NonZeroU8::new(12).unwrap();
        let found = Word::Number(12.0).canvas().unwrap();
        assert_eq!(found, CanvasChoice::Blocks(blocks));
        for wrong in [0.0, 1.5, 256.0, f64::NAN] {
            let failure = Word::Number(wrong).canvas().unwrap_err();
            assert_eq!(failure.kind, "usage");
            assert!(failure.message.contains("1 to 255"), "{}", failure.message);
        }
        assert!(Word::Text("auto".to_owned()).canvas().is_err());
    }

    #[test]
    fn only_whole_numbers_in_range_are_taken() {
        assert_eq!(whole("seed", 0.0).unwrap(), 0);
        assert_eq!(whole("seed", MAX_SAFE).unwrap(), 9_007_199_254_740_991);
        for wrong in [
            -1.0,
            0.5,
            f64::NAN,
            f64::INFINITY,
            -f64::INFINITY,
            MAX_SAFE + 1.0,
        ] {
            let failure = whole("seed", wrong).unwrap_err();
            assert_eq!(failure.kind, "usage");
            assert!(failure.message.starts_with("seed "), "{}", failure.message);
        }
        assert_eq!(
            small::<u16>("tokens", Some(65535.0), 65535).unwrap(),
            Some(65535)
        );
        assert_eq!(small::<u16>("tokens", None, 65535).unwrap(), None);
        let failure = small::<u16>("tokens", Some(65536.0), 65535).unwrap_err();
        assert!(failure.message.contains("at most 65535"));
    }

    #[test]
    fn budgets_are_counts_or_bytes() {
        let new = |count, bytes| Budget::new("units", count, bytes);
        assert_eq!(new(None, None).unwrap(), Budget::All);
        assert_eq!(new(Some(3.0), None).unwrap(), Budget::Count(3));
        assert_eq!(new(None, Some(3.0)).unwrap(), Budget::Bytes(3));
        assert!(new(Some(3.0), Some(3.0)).is_err());
        let failure = new(Some(1.5), None).unwrap_err();
        assert!(failure.message.starts_with("units 1.5 "));
    }
}
