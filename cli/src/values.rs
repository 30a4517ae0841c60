//! Values of options: numbers, sizes and colours. Errors name the allowed values.

use std::ops::RangeInclusive;

use flextok::{CanvasChoice, Look, Size};

/// Red, green and blue. The name matters: clap would take a bare array for a list.
pub(crate) type Color = [u8; 3];

/// A whole number in a range.
pub(crate) fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let value = text.parse().ok().filter(|value| range.contains(value));
        value
            .and_then(|value: u64| T::try_from(value).ok())
            .ok_or_else(|| {
                let least = range.start();
                match range.end() {
                    &u64::MAX => format!("allowed: a whole number of at least {least}"),
                    most => format!("allowed: a whole number from {least} to {most}"),
                }
            })
    }
}

/// A number of bytes, with a unit or without. Units of thousands are left out: people mean either by `KB`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|symbol: char| !symbol.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => Some(1_u64),
        "k" | "kib" => Some(1 << 10),
        "m" | "mib" => Some(1 << 20),
        "g" | "gib" => Some(1 << 30),
        _ => None,
    };
    let number = number.parse::<u64>().ok().zip(factor);
    let bytes = number.and_then(|(number, factor)| number.checked_mul(factor));
    bytes.ok_or_else(|| {
        "allowed: a number of bytes, as 300, 300B, 1k, 1KiB (both 1024), 2M or 1G".to_owned()
    })
}

/// A number of bytes in a range.
pub(crate) fn bytes_within(
    range: RangeInclusive<u16>,
) -> impl Fn(&str) -> Result<u16, String> + Clone + Send + Sync + 'static {
    move |text| {
        let value = bytes(text).ok().and_then(|bytes| bytes.try_into().ok());
        value.filter(|value| range.contains(value)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            format!("allowed: a number of bytes from {least} to {most}")
        })
    }
}

/// A finite number; the model decides which are valid.
pub(crate) fn real(text: &str) -> Result<f32, String> {
    let value = text.parse::<f32>().ok().filter(|value| value.is_finite());
    value.ok_or_else(|| "allowed: a finite number, for example 7.5".to_owned())
}

/// A value of a metric.
pub(crate) fn quality(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
    value.ok_or_else(|| "allowed: a finite number, for example 17.5".to_owned())
}

/// A number with its noun, in the singular or plural.
pub(crate) fn count(number: impl Into<u64>, thing: &str) -> String {
    let number = number.into();
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A size as people write it.
pub(crate) fn pixels(size: Size) -> String {
    format!("{}×{}", size.width, size.height)
}

/// A size in pixels, as `WxH`.
pub(crate) fn size(text: &str) -> Result<Size, String> {
    pair(text).ok_or_else(|| "allowed: WxH in pixels, for example 256x192".to_owned())
}

/// A canvas: `own`, a number of blocks, or a size in pixels as `WxH`.
pub(crate) fn canvas(text: &str) -> Result<CanvasChoice, String> {
    if text == "own" {
        return Ok(CanvasChoice::Own);
    }
    let blocks = text.parse().ok().map(CanvasChoice::Blocks);
    let size = || pair(text).map(CanvasChoice::Pixels);
    blocks.or_else(size).ok_or_else(|| {
        "allowed: own, 1 to 255 blocks, or for FlexTok models WxH in pixels, for example 256x192".to_owned()
    })
}

/// The look of a coded payload. clap names the value itself.
pub(crate) fn look(text: &str) -> Result<Look, String> {
    let look = text.parse();
    look.map_err(|_| "allowed: plain, faithful, sharp, or a number from 0 to 1".to_owned())
}

/// One of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its number, from 0.
    pub(crate) index: u32,
    pub(crate) count: u32,
}

impl Default for Part {
    /// The whole.
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

/// A part, as `I/N`.
pub(crate) fn part(text: &str) -> Result<Part, String> {
    let numbers = text.split_once('/').and_then(|(index, count)| {
        let (index, count) = (index.parse().ok()?, count.parse().ok()?);
        (index < count).then_some(Part { index, count })
    });
    numbers.ok_or_else(|| "allowed: I/N, with I from 0 to N - 1, as 0/8 to 7/8".to_owned())
}

/// Columns and rows, as `CxR`.
pub(crate) fn grid(text: &str) -> Result<Size, String> {
    pair(text).ok_or_else(|| "allowed: CxR, columns and rows of at least 1, as in 3x2".to_owned())
}

fn pair(text: &str) -> Option<Size> {
    let (width, height) = text.split_once(['x', 'X', '×'])?;
    let side = |side: &str| side.parse::<u32>().ok().filter(|&side| side > 0);
    Some(Size::new(side(width)?, side(height)?))
}

/// A colour: `RRGGBB` in hexadecimal digits, or a name.
pub(crate) fn color(text: &str) -> Result<Color, String> {
    match text.to_ascii_lowercase().as_str() {
        "white" => return Ok([255; 3]),
        "black" => return Ok([0; 3]),
        "gray" | "grey" => return Ok([128; 3]),
        _ => {}
    }
    let digits = text.strip_prefix('#').unwrap_or(text);
    let is_hex = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u32::from_str_radix(digits, 16) {
        Ok(value) if is_hex => {
            let [_, red, green, blue] = value.to_be_bytes();
            Ok([red, green, blue])
        }
        _ => Err(format!(
            "\"{text}\" is not a colour; allowed: RRGGBB in hexadecimal digits, white, black, gray"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("256x192"), Ok(Size::new(256, 192)));
        assert_eq!(size("1×2"), Ok(Size::new(1, 2)));
        for text in [
            "",
            "x",
            "256",
            "0x5",
            "5x0",
            "-1x5",
            "1x2x3",
            "4294967296x1",
            "1.5x2",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn canvases() {
        let blocks = std::num::NonZeroU8::new(12).expect("not zero");
        assert_eq!(canvas("own"), Ok(CanvasChoice::Own));
        assert_eq!(canvas("12"), Ok(CanvasChoice::Blocks(blocks)));
        assert_eq!(canvas("64x32"), Ok(CanvasChoice::Pixels(Size::new(64, 32))));
        for text in ["", "0", "256", "Own", "-1", "1.5", "64x", "auto"] {
            assert!(canvas(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parts() {
        let part_of = |index, count| Ok(Part { index, count });
        assert_eq!(part("0/1"), part_of(0, 1));
        assert_eq!(part("7/8"), part_of(7, 8));
        for text in [
            "",
            "1",
            "8/8",
            "1/0",
            "0/0",
            "-1/2",
            "1/2/3",
            "0/4294967296",
            "a/b",
        ] {
            assert!(part(text).is_err(), "{text}");
        }
    }

    #[test]
    fn looks() {
        assert_eq!(look("plain"), Ok(Look::Plain));
        assert_eq!(look("0.5"), Ok(Look::default()));
        for text in ["", "2", "-1", "nan", "soft"] {
            let refusal = look(text).expect_err(text);
            assert!(refusal.starts_with("allowed: plain, faithful"), "{refusal}");
        }
    }

    #[test]
    fn numbers() {
        let tokens = whole::<u16>(1..=256);
        assert_eq!((tokens("1"), tokens("256")), (Ok(1), Ok(256)));
        for text in ["", "0", "257", "-1", "1.5", "abc", "99999999999999999999"] {
            let refusal = tokens(text).expect_err(text);
            assert_eq!(refusal, "allowed: a whole number from 1 to 256");
        }
        assert_eq!(
            whole::<u64>(0..=u64::MAX)(&u64::MAX.to_string()),
            Ok(u64::MAX)
        );
        assert_eq!(quality("-12.5"), Ok(-12.5));
        for text in ["", "abc", "inf", "NaN", "-infinity", "1e999"] {
            assert!(quality(text).is_err(), "{text}");
        }
        assert_eq!(real("-1e3"), Ok(-1000.0));
        for text in ["", "abc", "inf", "NaN", "1e39"] {
            let refusal = real(text).expect_err(text);
            assert_eq!(refusal, "allowed: a finite number, for example 7.5");
        }
        assert_eq!(
            (count(1_u32, "step"), count(2_u32, "step")),
            ("1 step".into(), "2 steps".into())
        );
        assert_eq!(size(&pixels(Size::new(3, 2))), Ok(Size::new(3, 2)));
    }

    #[test]
    fn numbers_of_bytes() {
        for (text, number) in [
            ("300", 300),
            ("300B", 300),
            ("0", 0),
            ("1k", 1024),
            ("1K", 1024),
            ("1KiB", 1024),
            ("3M", 3 << 20),
            ("2gib", 2 << 30),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(bytes(text), Ok(number), "{text}");
        }
        for text in [
            "",
            "k",
            "1KB",
            "1.5k",
            "-1",
            "+1",
            "1 k",
            "18446744073709551615k",
            "1é",
        ] {
            let refusal = bytes(text).expect_err(text);
            assert!(refusal.contains("1KiB (both 1024)"), "{refusal}");
        }
    }

    #[test]
    fn colors() {
        assert_eq!(color("ff8000"), Ok([255, 128, 0]));
        assert_eq!(color("#0A0b0C"), Ok([10, 11, 12]));
        assert_eq!(color("White"), Ok([255; 3]));
        for text in ["", "fff", "+f8000", "ff80000", "pinkish", "#", "é0000"] {
            assert!(color(text).is_err(), "{text}");
        }
    }
}
