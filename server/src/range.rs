//! Byte ranges of a request (RFC 9110, section 14).

use std::ops::Range;

// Not `headers::Range`: it is case-sensitive in the unit, drops ranges that are malformed or longer than the content
// instead of ignoring or clamping them, and does not tell an invalid field from one that cannot be satisfied.

/// Ranges answered in one response at most; a request for more gets the whole.
const MAX_RANGES: usize = 16;

/// What a `Range` field selects of a representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: the field is not one of byte ranges, malformed, or asks for more than it saves.
    Whole,
    /// These parts, none of them empty, in the order of the field.
    Parts(Vec<Range<u64>>),
    /// Nothing that is there.
    Unsatisfiable,
}

/// One range as written.
enum Spec {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

/// What `value` asks of a representation of `length` bytes.
pub(crate) fn parse(value: &[u8], length: u64) -> Selection {
    let Some(specs) = specs(value) else {
        return Selection::Whole;
    };
    if length == 0 && specs.iter().any(|spec| matches!(spec, Spec::Last(1..))) {
        // Satisfiable, but no `Content-Range` can say so.
        return Selection::Whole;
    }
    let parts: Vec<Range<u64>> = specs
        .iter()
        .map(|spec| spec.of(length))
        .filter(|part| !part.is_empty())
        .collect();
    let total = parts
        .iter()
        .fold(0_u64, |sum, part| sum.saturating_add(part.end - part.start));
    match parts.len() {
        0 => Selection::Unsatisfiable,
        1 => Selection::Parts(parts),
        // Overlapping parts are a way to make a server send much for little.
        2..=MAX_RANGES if total <= length => Selection::Parts(parts),
        _ => Selection::Whole,
    }
}

fn specs(value: &[u8]) -> Option<Vec<Spec>> {
    let text = std::str::from_utf8(value).ok()?;
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = Vec::new();
    for item in set.split(',') {
        let item = item.trim_matches([' ', '\t']);
        // Empty elements of a list are no elements.
        if !item.is_empty() {
            specs.push(Spec::parse(item)?);
        }
    }
    (!specs.is_empty()).then_some(specs)
}

impl Spec {
    fn parse(item: &str) -> Option<Self> {
        let (first, last) = item.split_once('-')?;
        match (first, last) {
            ("", last) => Some(Self::Last(number(last)?)),
            (first, "") => Some(Self::From(number(first)?)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// The bytes there are of it, possibly none.
    fn of(&self, length: u64) -> Range<u64> {
        match *self {
            Self::From(first) => first.min(length)..length,
            Self::Between(first, last) => first.min(length)..last.saturating_add(1).min(length),
            Self::Last(count) => length.saturating_sub(count)..length,
        }
    }
}

/// A number of any number of digits; beyond 64 bits it is as good as infinite.
fn number(digits: &str) -> Option<u64> {
    let are_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(value: &str, expected: &[Range<u64>]) {
        let selection = parse(value.as_bytes(), 100);
        assert_eq!(selection, Selection::Parts(expected.to_vec()), "{value}");
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn satisfiable() {
        parts("bytes=0-0", &[0..1]);
        parts("bytes=0-", &[0..100]);
        parts("bytes=0-99", &[0..100]);
        parts("bytes=90-100", &[90..100]);
        parts("BYTES=5-9", &[5..10]);
        parts("bytes=-1", &[99..100]);
        parts("bytes=-100", &[0..100]);
        parts("bytes=-101", &[0..100]);
        parts("bytes=99-99999999999999999999999", &[99..100]);
        parts("bytes=10-18446744073709551615", &[10..100]);
        parts("bytes=0-1, 3-4", &[0..2, 3..5]);
        parts("bytes= ,0-1 ,\t-2,", &[0..2, 98..100]);
        parts("bytes=50-51,0-1", &[50..52, 0..2]);
        // What is not there is left out.
        parts("bytes=0-1,200-300", &[0..2]);
    }

    #[test]
    fn unsatisfiable() {
        for value in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=99999999999999999999999-",
            "bytes=100-,200-",
        ] {
            assert_eq!(
                parse(value.as_bytes(), 100),
                Selection::Unsatisfiable,
                "{value}"
            );
        }
        assert_eq!(parse(b"bytes=0-", 0), Selection::Unsatisfiable);
        assert_eq!(parse(b"bytes=-5", 0), Selection::Whole);
    }

    #[test]
    fn ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes =0-1",
            "bytes=0 - 1",
            "items=0-1",
            "bytes=0-1,x",
            "bytes=0-1;2-3",
            // More than it saves.
            "bytes=0-60,40-99",
            "bytes=0-,0-",
        ] {
            assert_eq!(parse(value.as_bytes(), 100), Selection::Whole, "{value}");
        }
        assert_eq!(parse(b"bytes=\xff", 100), Selection::Whole);
        let many = |count: u64| {
            let items: Vec<String> = (0..count).map(|at| format!("{at}-{at}")).collect();
            parse(format!("bytes={}", items.join(",")).as_bytes(), 100)
        };
        assert!(matches!(many(16), Selection::Parts(parts) if parts.len() == 16));
        assert_eq!(many(17), Selection::Whole);
    }
}
