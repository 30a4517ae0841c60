//! The facts worth keeping of an image file: colour profile name, capture time, title.

use image::metadata::Orientation;
use moxcms::{ColorProfile, ProfileText};

/// The largest offset from UTC that any place has had, in minutes.
const MOST_OFFSET: u16 = 16 * 60;
/// Most characters of a text that is kept.
pub(super) const MAX_CHARS: usize = 200;

/// The description of an ICC profile, in English where it has several languages.
pub(super) fn profile_name(icc: &[u8]) -> Option<String> {
    let name = match ColorProfile::new_from_slice(icc).ok()?.description? {
        ProfileText::PlainString(text) => text,
        ProfileText::Localizable(texts) => {
            let english = texts.iter().position(|text| text.language == "en");
            texts.into_iter().nth(english.unwrap_or(0))?.value
        }
        ProfileText::Description(text) => text.ascii_string,
    };
    clean(&name)
}

/// The orientation in an EXIF block, whatever type of whole number it has; with or without the prefix that belongs to JPEG.
/// Numbers other than 1 to 8 are none.
pub(super) fn orientation(exif: &[u8]) -> Option<Orientation> {
    let exif = read_exif(exif)?;
    let field = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY)?;
    let number = match &field.value {
        exif::Value::SByte(numbers) => i64::from(*numbers.first()?),
        exif::Value::SShort(numbers) => i64::from(*numbers.first()?),
        exif::Value::SLong(numbers) => i64::from(*numbers.first()?),
        other => i64::from(other.get_uint(0)?),
    };
    Orientation::from_exif(number.try_into().ok()?)
}

/// The fields that can be read: damage to one, or to another directory, leaves the rest.
fn read_exif(block: &[u8]) -> Option<exif::Exif> {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let read = exif::Reader::new()
        .continue_on_error(true)
        .read_raw(block.to_vec());
    read.or_else(|error| error.distill_partial_result(|_| {}))
        .ok()
}

/// `DateTimeOriginal` of an EXIF block as `YYYY-MM-DDThh:mm:ss`, followed by `±hh:mm` if the block
/// names a possible offset from UTC.
pub(super) fn capture_time(exif: &[u8]) -> Option<String> {
    let exif = read_exif(exif)?;
    let ascii = |tag| match &exif.get_field(tag, exif::In::PRIMARY)?.value {
        exif::Value::Ascii(lines) => lines.first(),
        _ => None,
    };
    let mut time = exif::DateTime::from_ascii(ascii(exif::Tag::DateTimeOriginal)?).ok()?;
    if let Some(offset) = ascii(exif::Tag::OffsetTimeOriginal) {
        // An unreadable offset leaves the local time.
        let _ = time.parse_offset(offset);
    }
    let leap = time.year.is_multiple_of(4)
        && (!time.year.is_multiple_of(100) || time.year.is_multiple_of(400));
    let days = match time.month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let plausible = (1..=12).contains(&time.month)
        && (1..=days).contains(&time.day)
        && time.hour < 24
        && time.minute < 60
        && time.second <= 60;
    if !plausible {
        return None;
    }
    let offset = time
        .offset
        .filter(|minutes| minutes.unsigned_abs() <= MOST_OFFSET);
    let offset = offset.map_or(String::new(), |minutes| {
        let sign = if minutes < 0 { '-' } else { '+' };
        let minutes = minutes.unsigned_abs();
        format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    });
    Some(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{offset}",
        time.year, time.month, time.day, time.hour, time.minute, time.second
    ))
}

/// One line without control characters and surrounding space, of bounded length.
pub(super) fn clean(text: &str) -> Option<String> {
    let printable: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_CHARS)
        .collect();
    let trimmed = printable.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_blocks_have_no_facts() {
        assert_eq!(profile_name(b""), None);
        assert_eq!(profile_name(&[0; 400]), None);
        assert_eq!(capture_time(b"Exif\0\0"), None);
        assert_eq!(capture_time(b"MM\0*\0\0\0\x08\xff\xff"), None);
    }
}
