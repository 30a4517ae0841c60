//! Conditional requests (RFC 9110, section 13): whether the client has what it asks for already.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use axum::http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};

/// What a representation can be recognised by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validators<'a> {
    /// The strong entity tag, with its quotes.
    pub(crate) tag: &'a str,
    /// When it was last changed, where that tells representations apart.
    pub(crate) modified: Option<SystemTime>,
}

/// How the conditions of a request turn out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proceed,
    NotModified,
    Failed,
}

impl Validators<'_> {
    /// Evaluates the conditions in the order of section 13.2.2.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(IF_MATCH) {
            if !self.listed(headers, IF_MATCH, false) {
                return Verdict::Failed;
            }
        } else if let Some((date, modified)) =
            date(headers, IF_UNMODIFIED_SINCE).zip(self.seconds())
            && modified > date
        {
            return Verdict::Failed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            if self.listed(headers, IF_NONE_MATCH, true) {
                return Verdict::NotModified;
            }
        } else if let Some((date, modified)) = date(headers, IF_MODIFIED_SINCE).zip(self.seconds())
            && modified <= date
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    /// Whether ranges may be answered: no `If-Range`, or one that names this very representation.
    pub(crate) fn allow_range(&self, headers: &HeaderMap, now: SystemTime) -> bool {
        let mut values = headers.get_all(IF_RANGE).iter();
        let Some(value) = values.next() else {
            return true;
        };
        let Ok(text) = value.to_str() else {
            return false;
        };
        let text = text.trim();
        if values.next().is_some() {
            return false;
        }
        if text.starts_with('"') || text.starts_with("W/") {
            return text == self.tag;
        }
        // A date is only as good as a tag if nothing can have changed within its second.
        let date = httpdate::parse_http_date(text).ok();
        let settled = seconds(now).checked_sub(2);
        match (date.map(seconds), self.seconds()) {
            (Some(date), Some(modified)) => date == modified && settled >= Some(modified),
            _ => false,
        }
    }

    fn seconds(&self) -> Option<u64> {
        self.modified.map(seconds)
    }

    /// Whether a list of tags has this one, or is `*`.
    fn listed(&self, headers: &HeaderMap, name: HeaderName, weak: bool) -> bool {
        headers.get_all(name).iter().any(|value| {
            let value = value.as_bytes().trim_ascii();
            value == b"*"
                || tags(value)
                    .any(|(is_weak, tag)| (weak || !is_weak) && tag == self.tag.as_bytes())
        })
    }
}

/// Dates in HTTP have whole seconds.
fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs()
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    let date = httpdate::parse_http_date(value.trim()).ok()?;
    values.next().is_none().then(|| seconds(date))
}

/// The entity tags of a list: whether weak, and the tag with its quotes. Stops at what is none.
fn tags(mut list: &[u8]) -> impl Iterator<Item = (bool, &[u8])> {
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', rest @ ..] = list {
            list = rest;
        }
        let (weak, quoted) = match list {
            [b'W', b'/', rest @ ..] => (true, rest),
            _ => (false, list),
        };
        let [b'"', inside @ ..] = quoted else {
            return None;
        };
        let end = inside.iter().position(|&byte| byte == b'"')? + 2;
        let (tag, rest) = quoted.split_at_checked(end)?;
        list = rest;
        Some((weak, tag))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TAG: &str = "\"abc\"";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).expect("a value");
        let mut map = HeaderMap::new();
        for (name, text) in fields {
            map.append(name, value(text));
        }
        map
    }

    fn validators() -> Validators<'static> {
        let modified = httpdate::parse_http_date(THEN).expect("a date");
        Validators {
            tag: TAG,
            // Files have finer times than HTTP.
            modified: Some(modified + Duration::from_millis(700)),
        }
    }

    fn judge(fields: &[(HeaderName, &str)]) -> Verdict {
        validators().judge(&headers(fields))
    }

    #[test]
    fn tags_match() {
        for list in [
            "\"abc\"",
            "*",
            "\"x\", \"abc\"",
            "W/\"abc\"",
            "\"a,b\",W/\"abc\"",
            ",,\"abc\"",
        ] {
            assert_eq!(
                judge(&[(IF_NONE_MATCH, list)]),
                Verdict::NotModified,
                "{list}"
            );
        }
        for list in [
            "\"x\"",
            "abc",
            "\"abc",
            "\"ABC\"",
            "",
            "W/abc",
            "\"a\"b\"abc\"",
        ] {
            assert_eq!(judge(&[(IF_NONE_MATCH, list)]), Verdict::Proceed, "{list}");
        }
        let lines = [(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")];
        assert_eq!(judge(&lines), Verdict::NotModified);
        // Weak tags are no match for If-Match.
        assert_eq!(judge(&[(IF_MATCH, "W/\"abc\"")]), Verdict::Failed);
        assert_eq!(judge(&[(IF_MATCH, "\"x\", \"abc\"")]), Verdict::Proceed);
        assert_eq!(judge(&[(IF_MATCH, "*")]), Verdict::Proceed);
    }

    #[test]
    fn dates_match() {
        let since = |date| judge(&[(IF_MODIFIED_SINCE, date)]);
        assert_eq!(since(THEN), Verdict::NotModified);
        assert_eq!(since(LATER), Verdict::NotModified);
        assert_eq!(since(EARLIER), Verdict::Proceed);
        assert_eq!(since("yesterday"), Verdict::Proceed);
        // The two older forms.
        assert_eq!(
            since("Sunday, 06-Nov-94 08:49:37 GMT"),
            Verdict::NotModified
        );
        assert_eq!(since("Sun Nov  6 08:49:37 1994"), Verdict::NotModified);
        let unmodified = |date| judge(&[(IF_UNMODIFIED_SINCE, date)]);
        assert_eq!(unmodified(THEN), Verdict::Proceed);
        assert_eq!(unmodified(EARLIER), Verdict::Failed);
        assert_eq!(unmodified("yesterday"), Verdict::Proceed);
    }

    #[test]
    fn tags_go_before_dates() {
        let differs = [(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, LATER)];
        assert_eq!(judge(&differs), Verdict::Proceed);
        let same = [(IF_NONE_MATCH, TAG), (IF_MODIFIED_SINCE, EARLIER)];
        assert_eq!(judge(&same), Verdict::NotModified);
        let matches = [(IF_MATCH, TAG), (IF_UNMODIFIED_SINCE, EARLIER)];
        assert_eq!(judge(&matches), Verdict::Proceed);
        let failed = [(IF_MATCH, "\"x\""), (IF_NONE_MATCH, TAG)];
        assert_eq!(judge(&failed), Verdict::Failed);
    }

    #[test]
    fn without_a_date_dates_do_not_count() {
        let validators = Validators {
            tag: TAG,
            modified: None,
        };
        for name in [IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
            let verdict = validators.judge(&headers(&[(name, THEN)]));
            assert_eq!(verdict, Verdict::Proceed);
        }
        let now = SystemTime::now();
        assert!(!validators.allow_range(&headers(&[(IF_RANGE, THEN)]), now));
        assert!(validators.allow_range(&headers(&[(IF_RANGE, TAG)]), now));
    }

    #[test]
    fn ranges_of_another_representation() {
        let validators = validators();
        let long_after = SystemTime::now();
        let allowed = |value| validators.allow_range(&headers(&[(IF_RANGE, value)]), long_after);
        assert!(allowed(TAG) && allowed(THEN));
        for value in ["\"x\"", "W/\"abc\"", LATER, EARLIER, "abc", "*", ""] {
            assert!(!allowed(value), "{value}");
        }
        assert!(validators.allow_range(&HeaderMap::new(), long_after));
        // Changed within the last seconds, and perhaps once more within the same one.
        let just_then = validators.modified.expect("it has a date");
        assert!(!validators.allow_range(&headers(&[(IF_RANGE, THEN)]), just_then));
    }
}
