//! Element types of weights and activations, and the choice of one.

use std::str::FromStr;

/// Element type of weights and activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// On a GPU half precision if it has that, else single precision. On a CPU single precision to encode, so that tokens
    /// are those of the published networks, and bf16 to decode, on every processor.
    #[default]
    Auto,
    /// Single precision.
    F32,
    /// Half precision; sums, norms, the softmax and the latents stay in single precision. An error where the engine has
    /// no half precision, such as the CPU.
    F16,
    /// The upper half of single precision, in the products of linear layers and attention; all else, and the convolutions
    /// on a CPU, stay in single precision. An error where a GPU has no bf16.
    BF16,
    /// As [`Precision::Auto`] on a CPU, with 8-bit integers in the MLPs of the decoder: coarser, and faster where the
    /// processor has AVX2. An error on a GPU.
    Int8,
}

impl Precision {
    /// All choices.
    pub const ALL: [Self; 5] = [Self::Auto, Self::F32, Self::F16, Self::BF16, Self::Int8];

    /// Its name, as `Display` writes it and `FromStr` reads it: `auto`, `f32`, `f16`, `bf16` or `int8`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::Int8 => "int8",
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

/// Element type that a GPU engine computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    BF16,
}

impl Element {
    /// Bytes that one element takes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }
}

impl From<Element> for Precision {
    fn from(element: Element) -> Self {
        match element {
            Element::F32 => Self::F32,
            Element::F16 => Self::F16,
            Element::BF16 => Self::BF16,
        }
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
            "`f64` is not a precision; allowed: auto, f32, f16, bf16, int8"
        );
    }
}
