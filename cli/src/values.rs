//! Values of options that need more than a number: sizes and colours.

/// Red, green and blue. The name matters: clap would take a bare array for a list.
pub(crate) type Color = [u8; 3];

/// A size in pixels or a grid, as `WxH`.
pub(crate) fn size(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("\"{text}\" is not a size; allowed: WxH, for example 256x192");
    let (width, height) = text.split_once(['x', 'X', '×']).ok_or_else(wrong)?;
    let side = |side: &str| match side.parse::<u32>() {
        Ok(side) if side > 0 => Ok(side),
        _ => Err(wrong()),
    };
    Ok((side(width)?, side(height)?))
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
        assert_eq!(size("256x192"), Ok((256, 192)));
        assert_eq!(size("1×2"), Ok((1, 2)));
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
    fn colors() {
        assert_eq!(color("ff8000"), Ok([255, 128, 0]));
        assert_eq!(color("#0A0b0C"), Ok([10, 11, 12]));
        assert_eq!(color("White"), Ok([255; 3]));
        for text in ["", "fff", "+f8000", "ff80000", "pinkish", "#", "é0000"] {
            assert!(color(text).is_err(), "{text}");
        }
    }
}
