//! Element types of weights and activations, and the choice of one.

use std::str::FromStr;

/// Element type of weights and activations on a GPU. The CPU engine computes in single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// Half precision on a GPU that has it, else single precision.
    #[default]
    Auto,
    /// Single precision.
    F32,
    /// Half precision; sums, norms, the softmax and the latents stay in single precision. An error where the engine has
    /// no half precision.
    F16,
}

impl Precision {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::Auto, Self::F32, Self::F16];

    /// Its name, as `Display` writes it and `FromStr` reads it: `auto`, `f32` or `f16`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The text is not the [`Precision::name`] of a precision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a precision; allowed: {}", Precision::ALL.map(Precision::name).join(", "))]
pub struct ParsePrecisionError {
    found: String,
}

impl FromStr for Precision {
    type Err = ParsePrecisionError;

    fn from_str(text: &str) -> Result<Self, ParsePrecisionError> {
        let mut all = Self::ALL.into_iter();
        all.find(|precision| precision.name() == text)
            .ok_or_else(|| ParsePrecisionError {
                found: text.to_owned(),
            })
    }
}

/// Element type that an engine computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
}

impl Element {
    /// Bytes that one element takes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

impl std::fmt::Display for Element {
    /// The type's name, as `--precision` takes it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_are_read_as_they_are_written() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        let refusal = "f64".parse::<Precision>().expect_err("another type");
        assert_eq!(
            refusal.to_string(),
            "`f64` is not a precision; allowed: auto, f32, f16"
        );
    }
}
