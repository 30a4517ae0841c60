//! The `Host` of a request: there once, and whether a browser trusts what comes from there.

use std::net::{Ipv4Addr, Ipv6Addr};

use headers::{HeaderMapExt, Host};
use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Version};

use crate::error::Refusal;

/// Refuses a request that does not say once where it goes (RFC 9112, section 3.2); before HTTP/1.1 it need not say.
pub(crate) fn check(version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    // Not `headers::Host`: it takes the first of several, and user information with it.
    let mut hosts = headers.get_all(HOST).iter();
    let fits = match (hosts.next(), hosts.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => {
            let authority = Authority::try_from(host.as_bytes());
            // User information belongs in addresses only.
            host.is_empty() || authority.is_ok_and(|host| !host.as_str().contains('@'))
        }
        _ => false,
    };
    fits.then_some(()).ok_or(Refusal::Host)
}

/// Whether browsers take the page for one of a secure context: it came over TLS, as a proxy says, or from their own machine.
pub(crate) fn is_trusted(headers: &HeaderMap) -> bool {
    let proto = headers.get("x-forwarded-proto");
    // Of several proxies the first is the one that the browser talks to.
    let proto = proto.and_then(|proto| proto.to_str().ok()?.split(',').next());
    let tls = proto.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"));
    let host = headers.typed_get::<Host>();
    tls || host.is_some_and(|host| is_loopback(host.hostname()))
}

fn is_loopback(host: &str) -> bool {
    let six = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(six) = six {
        return six.parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback());
    }
    let name = host.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use hyper::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in fields {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn one_host() {
        let fits = |version, hosts: &[&'static str]| {
            let fields: Vec<_> = hosts.iter().map(|&host| ("host", host)).collect();
            check(version, &headers(&fields)).is_ok()
        };
        for host in [
            "",
            "x",
            "localhost:8080",
            "[::1]:80",
            "192.0.2.1",
            "a_b.example",
        ] {
            assert!(fits(Version::HTTP_11, &[host]), "{host}");
        }
        for host in ["a b", "user@x", "x/y", "[::1", "x:1:2"] {
            assert!(!fits(Version::HTTP_11, &[host]), "{host}");
            assert!(!fits(Version::HTTP_10, &[host]), "{host}");
        }
        assert!(!fits(Version::HTTP_11, &[]) && fits(Version::HTTP_10, &[]));
        assert!(!fits(Version::HTTP_11, &["x", "x"]) && !fits(Version::HTTP_10, &["x", "y"]));
    }

    #[test]
    fn trusted_places() {
        for host in [
            "localhost",
            "LocalHost:8080",
            "a.localhost",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:8080",
        ] {
            assert!(is_trusted(&headers(&[("host", host)])), "{host}");
        }
        for host in [
            "",
            "x",
            "localhost.example",
            "192.168.0.2:80",
            "[::2]",
            "127.0.0.1.example",
        ] {
            assert!(!is_trusted(&headers(&[("host", host)])), "{host}");
            let proxied = |proto| headers(&[("host", host), ("x-forwarded-proto", proto)]);
            assert!(is_trusted(&proxied("https, http")) && !is_trusted(&proxied("http")));
        }
        assert!(!is_trusted(&HeaderMap::new()));
    }
}
