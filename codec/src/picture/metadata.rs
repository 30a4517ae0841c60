//! The facts worth keeping of an image file: colour profile name, capture time, title.

use image::metadata::Orientation;
use moxcms::{ColorProfile, ProfileText};

/// The largest offset from UTC that any place has had, in minutes.
const MOST_OFFSET: u16 = 16 * 60;
/// Most characters of a text that is kept.
const MAX_CHARS: usize = 200;

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
pub(super) fn orientation(exif: &[u8]) -> Option<Orientation> {
    let exif = read_exif(exif)?;
    let field = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY)?;
    Orientation::from_exif(field.value.get_uint(0)?.try_into().ok()?)
}

fn read_exif(block: &[u8]) -> Option<exif::Exif> {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    exif::Reader::new().read_raw(block.to_vec()).ok()
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

/// The `Title` among the uncompressed text chunks of a PNG file.
pub(super) fn png_title(png: &[u8]) -> Option<String> {
    super::decoders::png::chunks(png).find_map(|(kind, body)| match kind {
        b"tEXt" => latin1_title(body),
        b"iTXt" => utf8_title(body),
        _ => None,
    })
}

fn latin1_title(body: &[u8]) -> Option<String> {
    let text = body.strip_prefix(b"Title\0")?;
    let text: String = text
        .iter()
        .take(4 * MAX_CHARS)
        .map(|&b| char::from(b))
        .collect();
    clean(&text)
}

fn utf8_title(body: &[u8]) -> Option<String> {
    // Compression flag and method, then language and translated keyword, each ended by a zero.
    let rest = body.strip_prefix(b"Title\0")?.strip_prefix(b"\0\0")?;
    let text = rest.splitn(3, |&b| b == 0).nth(2)?;
    clean(std::str::from_utf8(text).ok()?)
}

/// One line without control characters and surrounding space, of bounded length.
fn clean(text: &str) -> Option<String> {
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

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut chunk = (body.len() as u32).to_be_bytes().to_vec();
        chunk.extend(kind);
        chunk.extend(body);
        chunk.extend([0; 4]);
        chunk
    }

    fn png(chunks: &[Vec<u8>]) -> Vec<u8> {
        [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
    }

    #[test]
    fn titles_of_both_chunk_types() {
        let author = chunk(b"tEXt", b"Author\0Nobody");
        let latin = png(&[author.clone(), chunk(b"tEXt", b"Title\0Caf\xe9\n ")]);
        assert_eq!(png_title(&latin).as_deref(), Some("Café"));
        let utf8 = chunk(b"iTXt", "Title\0\0\0de\0Titel\0Straße".as_bytes());
        assert_eq!(png_title(&png(&[utf8])).as_deref(), Some("Straße"));
        let compressed = chunk(b"iTXt", b"Title\0\x01\0\0\0zzz");
        assert_eq!(png_title(&png(&[author, compressed])), None);
        assert_eq!(png_title(&png(&[chunk(b"tEXt", b"Title\0 \t")])), None);
    }

    #[test]
    fn broken_chunks_are_no_title() {
        let whole = png(&[chunk(b"tEXt", b"Author\0x"), chunk(b"tEXt", b"Title\0abc")]);
        for cut in 0..whole.len() - 4 {
            assert_eq!(png_title(&whole[..cut]), None, "{cut}");
        }
        let mut long = whole.clone();
        long[8..12].fill(0xff);
        assert_eq!(png_title(&long), None);
        assert_eq!(
            png_title(&png(&[chunk(
                b"tEXt",
                &[b"Title\0".as_slice(), &[b'a'; 999]].concat()
            )]))
            .map(|title| title.len()),
            Some(MAX_CHARS)
        );
    }

    #[test]
    fn damaged_blocks_have_no_facts() {
        assert_eq!(profile_name(b""), None);
        assert_eq!(profile_name(&[0; 400]), None);
        assert_eq!(capture_time(b"Exif\0\0"), None);
        assert_eq!(capture_time(b"MM\0*\0\0\0\x08\xff\xff"), None);
    }
}
