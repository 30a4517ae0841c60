//! Content negotiation: how much of a token file an answer holds, by the query or by client hints.

use hyper::HeaderMap;

use crate::error::Refusal;

/// Client hints that choose an answer, as `Vary` and `Accept-CH` name them.
pub(crate) const VARY: &str = "Save-Data, ECT, Downlink";
pub(crate) const ACCEPT_CH: &str = "ECT, Downlink, Save-Data";

/// The size that a query asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    /// At most so many tokens per canvas.
    Tokens(u16),
    /// A file of at most so many bytes.
    Bytes(u64),
}

impl Budget {
    /// Reads `tokens=K` or `bytes=N` and ignores other parameters.
    pub(crate) fn from_query(query: Option<&str>) -> Result<Option<Self>, Refusal> {
        let mut budget = None;
        for pair in query.unwrap_or_default().split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = match key {
                "tokens" => Self::Tokens(count(key, value)?.try_into().unwrap_or(u16::MAX)),
                "bytes" => Self::Bytes(count(key, value)?),
                _ => continue,
            };
            if budget.is_some() {
                let problem = "the query sets the size twice; allowed: tokens=K or bytes=N, once";
                return Err(Refusal::Query(problem.to_owned()));
            }
            budget = Some(value);
        }
        Ok(budget)
    }
}

/// A whole number of at least 1; beyond 64 bits it is treated as unlimited.
fn count(key: &str, value: &str) -> Result<u64, Refusal> {
    let are_digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = are_digits.then(|| value.parse().unwrap_or(u64::MAX));
    number.filter(|&number| number > 0).ok_or_else(|| {
        let problem = format!("{key} must be a whole number; allowed: {key}=1 and above");
        Refusal::Query(problem)
    })
}

/// The most tokens that suit the client's link according to its hints; `None` if there is no reason to send fewer
/// than all.
///
/// | hint | tokens |
/// |---|---|
/// | `ECT: slow-2g`, `Downlink` below 0.05 Mbit/s | 4 |
/// | `ECT: 2g`, `Downlink` below 0.07 Mbit/s, `Save-Data: on` | 16 |
/// | `ECT: 3g`, `Downlink` below 0.7 Mbit/s | 64 |
///
/// The smallest counts. The bounds of `Downlink` are those by which browsers tell these types of
/// connections apart; the numbers of tokens are layers with a checkpoint.
pub(crate) fn hinted_tokens(headers: &HeaderMap) -> Option<u16> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let save = text("save-data").and_then(|value| {
        let on = value.split(';').next().unwrap_or_default();
        on.trim().eq_ignore_ascii_case("on").then_some(16)
    });
    let kind = text("ect").and_then(|value| match value.trim().trim_matches('"') {
        "slow-2g" => Some(4),
        "2g" => Some(16),
        "3g" => Some(64),
        _ => None,
    });
    let rate = text("downlink").and_then(|value| {
        let rate: f64 = value.trim().parse().ok()?;
        match rate {
            0.0..0.05 => Some(4),
            0.05..0.07 => Some(16),
            0.07..0.7 => Some(64),
            _ => None,
        }
    });
    [save, kind, rate].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn queries() {
        let budget = |query| Budget::from_query(Some(query));
        assert_eq!(Budget::from_query(None), Ok(None));
        for query in ["", "v=3", "tokens2=x", "Tokens=0", "&&"] {
            assert_eq!(budget(query), Ok(None), "{query}");
        }
        assert_eq!(budget("tokens=16"), Ok(Some(Budget::Tokens(16))));
        assert_eq!(budget("v=3&tokens=0016"), Ok(Some(Budget::Tokens(16))));
        assert_eq!(budget("tokens=70000"), Ok(Some(Budget::Tokens(u16::MAX))));
        assert_eq!(budget("bytes=300&x"), Ok(Some(Budget::Bytes(300))));
        assert_eq!(
            budget("bytes=99999999999999999999"),
            Ok(Some(Budget::Bytes(u64::MAX)))
        );
        for query in [
            "tokens=0",
            "tokens=",
            "tokens",
            "tokens=-1",
            "tokens=+1",
            "tokens=1.5",
            "tokens=abc",
            "tokens=%31",
            "bytes=0",
            "bytes=1e3",
            "bytes= 1",
        ] {
            let refusal = budget(query).expect_err(query);
            let says = matches!(&refusal, Refusal::Query(text) if text.contains("=1 and above"));
            assert!(says, "{query}: {refusal:?}");
        }
        for query in ["tokens=1&bytes=30", "tokens=1&tokens=1", "bytes=9&bytes=9"] {
            let refusal = budget(query).expect_err(query);
            let says = matches!(&refusal, Refusal::Query(text) if text.contains("once"));
            assert!(says, "{query}: {refusal:?}");
        }
    }

    fn tokens(fields: &[(&'static str, &'static str)]) -> Option<u16> {
        let field = |&(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        };
        hinted_tokens(&fields.iter().map(field).collect())
    }

    #[test]
    fn hints() {
        for (name, value, expected) in [
            ("save-data", "on", Some(16)),
            ("save-data", "On", Some(16)),
            ("save-data", "on; x=1", Some(16)),
            ("save-data", "off", None),
            ("ect", "slow-2g", Some(4)),
            ("ect", "2g", Some(16)),
            ("ect", "\"3g\"", Some(64)),
            ("ect", "4g", None),
            ("ect", "5g", None),
            ("downlink", "0", Some(4)),
            ("downlink", "0.049", Some(4)),
            ("downlink", "0.05", Some(16)),
            ("downlink", "0.4", Some(64)),
            ("downlink", "0.7", None),
            ("downlink", "10", None),
            ("downlink", "-1", None),
            ("downlink", "NaN", None),
            ("downlink", "inf", None),
            ("downlink", "fast", None),
            ("rtt", "3000", None),
        ] {
            assert_eq!(tokens(&[(name, value)]), expected, "{name}: {value}");
        }
        assert_eq!(tokens(&[]), None);
        assert_eq!(tokens(&[("save-data", "on"), ("ect", "slow-2g")]), Some(4));
        assert_eq!(tokens(&[("save-data", "on"), ("ect", "3g")]), Some(16));
        assert_eq!(tokens(&[("ect", "4g"), ("downlink", "0.5")]), Some(64));
    }
}
