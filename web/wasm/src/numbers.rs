//! JavaScript numbers to the integers that the library takes.

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

#[cfg(test)]
mod tests {
    use super::*;

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
