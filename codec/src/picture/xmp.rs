//! The orientation in an XMP packet (ISO 16684-1), for files whose EXIF block has none.

use std::borrow::Cow;

use image::metadata::Orientation;
use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

/// The longest packet that is read, in bytes. A JPEG segment holds 64 KiB; thumbnails and histories make some longer.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// The deepest nesting that is followed, above what any property needs.
const MOST_DEPTH: usize = 64;

const TIFF: ResolveResult<'static> =
    ResolveResult::Bound(Namespace("http://ns.adobe.com/tiff/1.0/"));
const RDF: ResolveResult<'static> =
    ResolveResult::Bound(Namespace("http://www.w3.org/1999/02/22-rdf-syntax-ns#"));

/// `tiff:Orientation` of the picture that the packet describes, as an attribute or as an element. What stands deeper
/// belongs to other pictures, such as those that it was made of.
pub(super) fn orientation(packet: &[u8]) -> Option<Orientation> {
    if packet.len() > MOST_BYTES {
        return None;
    }
    let text = text(packet);
    let mut reader = NsReader::from_str(&text);
    let mut depth = 0;
    let mut rdf = None; // the depth of the elements inside `rdf:RDF`
    let mut value: Option<String> = None;
    loop {
        // What cannot be read ends the search.
        match reader.read_event().ok()? {
            Event::Start(start) => {
                depth += 1;
                if depth > MOST_DEPTH {
                    return None;
                }
                if rdf.is_none() && is(&reader, &start, &RDF, "RDF") {
                    rdf = Some(depth + 1);
                } else if rdf == Some(depth) {
                    if let Some(found) = attribute(&reader, &start) {
                        return parse(&found);
                    }
                } else if rdf == Some(depth - 1) && is(&reader, &start, &TIFF, "Orientation") {
                    value = Some(String::new());
                }
            }
            Event::Empty(start) if rdf == Some(depth + 1) => {
                if let Some(found) = attribute(&reader, &start) {
                    return parse(&found);
                }
            }
            Event::Text(text) => {
                if let Some(value) = &mut value {
                    value.push_str(&text);
                }
            }
            Event::End(_) => {
                if let Some(value) = value {
                    return parse(&value);
                }
                depth = depth.checked_sub(1)?;
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

/// Whether an element has this name.
fn is(
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
    space: &ResolveResult<'_>,
    name: &str,
) -> bool {
    let (found, local) = reader.resolver().resolve_element(start.name());
    found == *space && local.as_ref() == name
}

/// The value of the attribute `tiff:Orientation`.
fn attribute<'a>(reader: &NsReader<&[u8]>, start: &'a BytesStart<'_>) -> Option<Cow<'a, str>> {
    let mut attributes = start.attributes();
    // Comparing each name with all before it takes long where there are many.
    let mut readable = attributes.with_checks(false).flatten();
    let found = readable.find(|attribute| {
        let (space, local) = reader.resolver().resolve_attribute(attribute.key);
        space == TIFF && local.as_ref() == "Orientation"
    })?;
    Some(found.value)
}

fn parse(value: &str) -> Option<Orientation> {
    Orientation::from_exif(value.trim().parse().ok()?)
}

/// The text of a packet, in UTF-8 or UTF-16 by its first bytes. Damaged letters hide nothing else.
fn text(packet: &[u8]) -> Cow<'_, str> {
    let number: fn([u8; 2]) -> u16 = match packet {
        [0xfe, 0xff, ..] | [0, b'<', ..] => u16::from_be_bytes,
        [0xff, 0xfe, ..] | [b'<', 0, ..] => u16::from_le_bytes,
        _ => {
            let packet = packet.strip_prefix(b"\xef\xbb\xbf").unwrap_or(packet);
            return String::from_utf8_lossy(packet);
        }
    };
    let (pairs, _) = packet.as_chunks::<2>();
    let units = pairs.iter().map(|&pair| number(pair));
    let letters =
        char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER));
    letters
        .skip_while(|&letter| letter == '\u{feff}')
        .collect::<String>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(description: &str) -> String {
        format!(
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
             <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">{description}</rdf:RDF></x:xmpmeta>\
             <?xpacket end=\"w\"?>"
        )
    }

    const SPACE: &str = "http://ns.adobe.com/tiff/1.0/";

    fn found(description: &str) -> Option<u8> {
        orientation(packet(description).as_bytes()).map(Orientation::to_exif)
    }

    #[test]
    fn attributes_and_elements_with_any_prefix() {
        for value in 1..=8 {
            for (prefix, quote) in [("tiff", '"'), ("t", '\'')] {
                let attribute = format!(
                    "<rdf:Description rdf:about='' xmlns:{prefix}='{SPACE}' {prefix}:Orientation={quote}{value}{quote}/>"
                );
                assert_eq!(found(&attribute), Some(value), "{attribute}");
                let open = attribute.replace("/>", "><a/></rdf:Description>");
                assert_eq!(found(&open), Some(value), "{open}");
                let element = format!(
                    "<rdf:Description xmlns:{prefix}='{SPACE}'><{prefix}:Make>x</{prefix}:Make>\
                     <{prefix}:Orientation> {value}\n</{prefix}:Orientation></rdf:Description>"
                );
                assert_eq!(found(&element), Some(value), "{element}");
            }
            let second = format!(
                "<rdf:Description a='1'/><rdf:Description xmlns='{SPACE}'><Orientation>{value}</Orientation></rdf:Description>"
            );
            assert_eq!(found(&second), Some(value));
        }
    }

    #[test]
    fn other_names_and_values_are_none() {
        let with = |space: &str, name: &str, value: &str| {
            found(&format!(
                "<rdf:Description xmlns:tiff='{space}' tiff:{name}='{value}'/>"
            ))
        };
        assert_eq!(with(SPACE, "Orientation", "6"), Some(6));
        for value in ["0", "9", "256", "-1", "", "six", "&#54;&unknown;"] {
            assert_eq!(with(SPACE, "Orientation", value), None, "{value}");
        }
        assert_eq!(
            with("http://ns.adobe.com/exif/1.0/", "Orientation", "6"),
            None
        );
        assert_eq!(with(SPACE, "orientation", "6"), None);
        // Of a picture that went into this one.
        let inside = format!(
            "<rdf:Description xmlns:tiff='{SPACE}'><a><b tiff:Orientation='6'/></a></rdf:Description>"
        );
        assert_eq!(found(&inside), None);
        // Without the namespaces of RDF the packet describes nothing.
        let bare = format!("<a><b xmlns:tiff='{SPACE}' tiff:Orientation='6'/></a>");
        assert_eq!(orientation(bare.as_bytes()), None);
    }

    #[test]
    fn both_byte_orders_and_damaged_letters() {
        let packet = packet(&format!(
            "<rdf:Description a='Stra\u{df}e' xmlns:tiff='{SPACE}' tiff:Orientation='8'/>"
        ));
        let with_mark = format!("\u{feff}{packet}");
        for text in [&packet, &with_mark] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            for bytes in [text.as_bytes(), &little, &big] {
                assert_eq!(orientation(bytes), Some(Orientation::Rotate270));
            }
        }
        let mut latin = packet.into_bytes();
        let at = latin.iter().position(|&byte| byte == 0xc3).unwrap();
        latin[at] = 0xff;
        assert_eq!(orientation(&latin), Some(Orientation::Rotate270));
    }

    #[test]
    fn hostile_packets_end() {
        let start = packet("");
        let start = &start[..start.find("</rdf:RDF>").unwrap()];
        let deep = [start, &"<a>".repeat(100_000)].concat();
        let spaces: String = (0..40_000).map(|n| format!(" xmlns:a{n}='b'")).collect();
        let many = format!("{start}<rdf:Description{spaces}/>");
        let attributes: String = (0..60_000).map(|n| format!(" a{n}='b'")).collect();
        let wide = format!("{start}<rdf:Description{attributes}/>");
        let doctype = "<!DOCTYPE a [<!ENTITY b 'cccccccc'><!ENTITY d '&b;&b;&b;&b;'>]><a>&d;</a>";
        let long = " ".repeat(MOST_BYTES + 1);
        for packet in [&deep, &many, &wide, doctype, &long, "", "<", "\u{feff}"] {
            assert_eq!(orientation(packet.as_bytes()), None);
        }
        let whole = packet(&format!(
            "<rdf:Description xmlns:tiff='{SPACE}'><tiff:Orientation>6</tiff:Orientation></rdf:Description>"
        ));
        for cut in 0..whole.len() {
            orientation(&whole.as_bytes()[..cut]);
        }
    }
}
