//! Content negotiation: how much of a token file an answer holds, by the query or by client hints.

use hyper::HeaderMap;
use percent_encoding::percent_decode_str;

use crate::error::{QueryError, Refusal};

/// Client hints that choose an answer, as `Vary` and `Accept-CH` name them.
pub(crate) const VARY: &str = "Save-Data, ECT, Downlink";
pub(crate) const ACCEPT_CH: &str = "ECT, Downlink, Save-Data";

/// The size that a query asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    /// At most so many tokens per canvas.
    Tokens(u32),
    /// A file of at most so many bytes.
    Bytes(u64),
}

impl Budget {
    /// Reads `tokens=K` or `bytes=N`, percent-encoded or not, and ignores other parameters.
    pub(crate) fn from_query(query: Option<&str>) -> Result<Option<Self>, Refusal> {
        let mut budget = None;
        for pair in query.unwrap_or_default().split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            // What is not UTF-8 is neither a name nor a number.
            let [key, value] =
                [key, value].map(|part| percent_decode_str(part).decode_utf8_lossy());
            let value = match &*key {
                "tokens" => {
                    let tokens = count("tokens", &value)?;
                    Self::Tokens(tokens.try_into().unwrap_or(u32::MAX))
                }
                "bytes" => Self::Bytes(count("bytes", &value)?),
                _ => continue,
            };
            if budget.is_some() {
                return Err(QueryError::Twice.into());
            }
            budget = Some(value);
        }
        Ok(budget)
    }
}

/// A whole number of at least 1; beyond 64 bits it is treated as unlimited.
fn count(option: &'static str, value: &str) -> Result<u64, QueryError> {
    let are_digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = are_digits.then(|| value.parse().unwrap_or(u64::MAX));
    let number = number.filter(|&number| number > 0);
    number.ok_or(QueryError::NotACount { option })
}

/// What suits a link: tokens per canvas of a file of tokens, bytes of a coded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Allowance {
    pub(crate) tokens: u32,
    /// Bytes of the whole file.
    pub(crate) bytes: u64,
}

impl Allowance {
    const LEAST: Self = Self {
        tokens: 4,
        bytes: 64,
    };
    const LITTLE: Self = Self {
        tokens: 16,
        bytes: 256,
    };
    const SOME: Self = Self {
        tokens: 64,
        bytes: 1024,
    };

    /// What suits the client's link according to its hints; `None` if there is no reason to send less than all.
    ///
    /// | hint | tokens | bytes |
    /// |---|---|---|
    /// | `ECT: slow-2g`, `Downlink` below 0.05 Mbit/s | 4 | 64 |
    /// | `ECT: 2g`, `Downlink` below 0.07 Mbit/s, `Save-Data: on` | 16 | 256 |
    /// | `ECT: 3g`, `Downlink` below 0.7 Mbit/s | 64 | 1024 |
    ///
    /// The smallest counts. The bounds of `Downlink` are those by which browsers tell these types of
    /// connections apart.
    pub(crate) fn hinted(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let save = text("save-data").and_then(|value| {
            let on = value.split(';').next().unwrap_or_default();
            on.trim().eq_ignore_ascii_case("on").then_some(Self::LITTLE)
        });
        let kind = text("ect").and_then(|value| match value.trim().trim_matches('"') {
            "slow-2g" => Some(Self::LEAST),
            "2g" => Some(Self::LITTLE),
            "3g" => Some(Self::SOME),
            _ => None,
        });
        let rate = text("downlink").and_then(|value| {
            let rate: f64 = value.trim().parse().ok()?;
            match rate {
                0.0..0.05 => Some(Self::LEAST),
                0.05..0.07 => Some(Self::LITTLE),
                0.07..0.7 => Some(Self::SOME),
                _ => None,
            }
        });
        [save, kind, rate].into_iter().flatten().min()
    }
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
        assert_eq!(budget("tokens=70000"), Ok(Some(Budget::Tokens(70_000))));
        assert_eq!(budget("tokens=%35"), Ok(Some(Budget::Tokens(5))));
        assert_eq!(budget("%62ytes=1%30"), Ok(Some(Budget::Bytes(10))));
        assert_eq!(
            budget("tokens=4294967296"),
            Ok(Some(Budget::Tokens(u32::MAX)))
        );
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
            "tokens=%2531",
            "tokens=%ff",
            "tokens=%3",
            "bytes=0",
            "bytes=1e3",
            "bytes= 1",
        ] {
            let option = match query.starts_with('t') {
                true => "tokens",
                false => "bytes",
            };
            let refusal = Refusal::Query(QueryError::NotACount { option });
            assert_eq!(budget(query), Err(refusal), "{query}");
        }
        for query in ["tokens=1&bytes=30", "tokens=1&tokens=1", "bytes=9&bytes=9"] {
            let refusal = Refusal::Query(QueryError::Twice);
            assert_eq!(budget(query), Err(refusal), "{query}");
        }
    }

    fn hinted(fields: &[(&'static str, &'static str)]) -> Option<Allowance> {
        let field = |&(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        };
        Allowance::hinted(&fields.iter().map(field).collect())
    }

    #[test]
    fn hints() {
        for (name, value, expected) in [
            ("save-data", "on", Some(Allowance::LITTLE)),
            ("save-data", "On", Some(Allowance::LITTLE)),
            ("save-data", "on; x=1", Some(Allowance::LITTLE)),
            ("save-data", "off", None),
            ("ect", "slow-2g", Some(Allowance::LEAST)),
            ("ect", "2g", Some(Allowance::LITTLE)),
            ("ect", "\"3g\"", Some(Allowance::SOME)),
            ("ect", "4g", None),
            ("ect", "5g", None),
            ("downlink", "0", Some(Allowance::LEAST)),
            ("downlink", "0.049", Some(Allowance::LEAST)),
            ("downlink", "0.05", Some(Allowance::LITTLE)),
            ("downlink", "0.4", Some(Allowance::SOME)),
            ("downlink", "0.7", None),
            ("downlink", "10", None),
            ("downlink", "-1", None),
            ("downlink", "NaN", None),
            ("downlink", "inf", None),
            ("downlink", "fast", None),
            ("rtt", "3000", None),
        ] {
            assert_eq!(hinted(&[(name, value)]), expected, "{name}: {value}");
        }
        assert_eq!(hinted(&[]), None);
        assert_eq!(
            hinted(&[("save-data", "on"), ("ect", "slow-2g")]),
            Some(Allowance::LEAST)
        );
        assert_eq!(
            hinted(&[("save-data", "on"), ("ect", "3g")]),
            Some(Allowance::LITTLE)
        );
        assert_eq!(
            hinted(&[("ect", "4g"), ("downlink", "0.5")]),
            Some(Allowance::SOME)
        );
    }
}
