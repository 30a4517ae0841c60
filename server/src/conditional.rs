//! Conditional requests (RFC 9110, section 13): whether the client has what it asks for already.

use std::time::{Duration, SystemTime};

use headers::{
    ETag, Header, HeaderMapExt, IfMatch, IfModifiedSince, IfNoneMatch, IfUnmodifiedSince,
    LastModified,
};
use hyper::HeaderMap;
use hyper::header::IF_RANGE;

/// What a client can recognise a representation by.
#[derive(Debug, Clone)]
pub(crate) struct Validators {
    /// A strong entity tag.
    pub(crate) tag: ETag,
    /// When it was last changed, at or after 1970, where that tells representations apart.
    pub(crate) modified: Option<SystemTime>,
}

/// The outcome of a request's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proceed,
    NotModified,
    Failed,
}

impl Validators {
    /// Evaluates the conditions in the order of section 13.2.2.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Verdict {
        let passes = match headers.typed_get::<IfMatch>() {
            Some(tags) => tags.precondition_passes(&self.tag),
            None => {
                let since = headers.typed_get::<IfUnmodifiedSince>().zip(self.modified);
                since.is_none_or(|(since, modified)| since.precondition_passes(modified))
            }
        };
        if !passes {
            return Verdict::Failed;
        }
        let is_modified = match headers.typed_get::<IfNoneMatch>() {
            Some(tags) => tags.precondition_passes(&self.tag),
            None => {
                let since = headers.typed_get::<IfModifiedSince>().zip(self.modified);
                since.is_none_or(|(since, modified)| since.is_modified(modified))
            }
        };
        match is_modified {
            true => Verdict::Proceed,
            false => Verdict::NotModified,
        }
    }

    /// Whether ranges may be answered: there is no `If-Range`, or it names this very representation.
    pub(crate) fn allow_range(&self, headers: &HeaderMap, now: SystemTime) -> bool {
        // Not `headers::IfRange`: it also accepts dates later than the file's, which section 13.1.5 forbids, dates
        // whose second is not over, and a second field.
        let field = headers.get_all(IF_RANGE);
        if field.iter().next().is_none() {
            return true;
        }
        if let Ok(tag) = ETag::decode(&mut field.iter()) {
            return tag == self.tag;
        }
        let date = LastModified::decode(&mut field.iter()).ok();
        let modified = self.modified.map(LastModified::from);
        // A date is only as good as a tag if the file cannot have changed again within that second.
        let settled = now.checked_sub(Duration::from_secs(2));
        date.is_some() && date == modified && modified <= settled.map(LastModified::from)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{
        HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
    };

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

    fn validators() -> Validators {
        let modified = httpdate::parse_http_date(THEN).expect("a date");
        Validators {
            tag: TAG.parse().expect("a tag"),
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
            tag: TAG.parse().expect("a tag"),
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
