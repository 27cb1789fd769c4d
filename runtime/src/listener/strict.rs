//! Request fields that must not be ambiguous: the target host (RFC 9112 §3.2, RFC 9113 §8.3.1) and the origin.

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{Version, header};

/// An ambiguous request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ambiguous {
    #[error("the request has no Host header: expected exactly one")]
    NoHost,
    #[error("the request has more than one Host header: expected exactly one")]
    ManyHosts,
    #[error("the Host header is not HOST or HOST:PORT")]
    BadHost,
    #[error("the Host header names another host than the request's target")]
    OtherHost,
    #[error("the request has more than one Origin header: expected at most one")]
    ManyOrigins,
}

/// Checks the fields that a request must have exactly once.
///
/// HTTP/1.0 requires no `Host` (RFC 9112 §3.2); a present one is checked.
pub(super) fn check(parts: &Parts) -> Result<(), Ambiguous> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Ambiguous::ManyHosts);
    }
    if parts.headers.get_all(header::ORIGIN).iter().count() > 1 {
        return Err(Ambiguous::ManyOrigins);
    }
    let target = parts.uri.authority();
    let Some(host) = host else {
        let needs_none =
            parts.version <= Version::HTTP_10 || (parts.version == Version::HTTP_2 && target.is_some());
        return if needs_none { Ok(()) } else { Err(Ambiguous::NoHost) };
    };
    let host: Authority = host.to_str().ok().and_then(|host| host.parse().ok()).ok_or(Ambiguous::BadHost)?;
    if host.as_str().contains('@') {
        return Err(Ambiguous::BadHost);
    }
    match target {
        Some(target) if *target != host => Err(Ambiguous::OtherHost),
        Some(_) | None => Ok(()),
    }
}

/// The target host of a request, without its port; `None` if there is none (HTTP/1.0).
pub(crate) fn host(parts: &Parts) -> Option<String> {
    let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority: Option<Authority> = named.and_then(|host| host.parse().ok());
    authority.as_ref().or(parts.uri.authority()).map(|authority| authority.host().to_ascii_lowercase())
}

/// Whether a host is this machine, by a name or address for which no foreign resolver answers (DNS rebinding):
/// `localhost`, the machine's own name, alone or in `.local`, and addresses.
pub(crate) fn is_this_machine(host: &str, listens: IpAddr, own_name: &str) -> bool {
    let own = |name: &str| !own_name.is_empty() && name.eq_ignore_ascii_case(own_name);
    if host == "localhost"
        || host.ends_with(".localhost")
        || own(host)
        || host.strip_suffix(".local").is_some_and(own)
    {
        return true;
    }
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok_and(|address| {
        let address = address.to_canonical();
        address.is_loopback() || address == listens.to_canonical() || listens.is_unspecified()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn parts(version: Version, target: &str, headers: &[(&'static str, &str)]) -> Parts {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_request_addresses_exactly_one_host() {
        let (h1, old, h2) = (Version::HTTP_11, Version::HTTP_10, Version::HTTP_2);
        type Case = (Version, &'static str, &'static [(&'static str, &'static str)], Result<(), Ambiguous>);
        let table: [Case; 16] = [
            (h1, "/", &[("host", "a.example:8443")], Ok(())),
            (h1, "/", &[("host", "[::1]:8443")], Ok(())),
            (h1, "/", &[], Err(Ambiguous::NoHost)),
            (h1, "/", &[("host", "a"), ("host", "a")], Err(Ambiguous::ManyHosts)),
            (h1, "/", &[("host", "")], Err(Ambiguous::BadHost)),
            (h1, "/", &[("host", "a b")], Err(Ambiguous::BadHost)),
            (h1, "/", &[("host", "me@a")], Err(Ambiguous::BadHost)),
            (h1, "https://a/", &[("host", "a")], Ok(())),
            (h1, "https://b/", &[("host", "a")], Err(Ambiguous::OtherHost)),
            (old, "/", &[], Ok(())),
            (old, "/", &[("host", "a"), ("host", "b")], Err(Ambiguous::ManyHosts)),
            (h2, "https://a/", &[], Ok(())),
            (h2, "https://A/", &[("host", "a")], Ok(())),
            (h2, "https://a/", &[("host", "b")], Err(Ambiguous::OtherHost)),
            (h2, "/", &[], Err(Ambiguous::NoHost)),
            (
                h1,
                "/",
                &[("host", "a"), ("origin", "https://a"), ("origin", "https://b")],
                Err(Ambiguous::ManyOrigins),
            ),
        ];
        for (version, target, headers, expected) in table {
            assert_eq!(check(&parts(version, target, headers)), expected, "{version:?} {target} {headers:?}");
        }
    }

    #[test]
    fn only_names_and_addresses_of_this_machine_reach_its_own_pages() {
        let (loopback, lan, any) = ("127.0.0.1", "192.0.2.7", "0.0.0.0");
        let table = [
            ("localhost", loopback, true),
            ("127.0.0.1", loopback, true),
            ("127.9.9.9", loopback, true),
            ("[::1]", loopback, true),
            ("192.0.2.7", loopback, false),
            ("192.0.2.7", lan, true),
            ("192.0.2.8", lan, false),
            ("192.0.2.8", any, true),
            ("rebound.example", loopback, false),
            ("rebound.example", any, false),
            ("127.0.0.1.example", loopback, false),
            ("localhost.example", any, false),
            ("gw-7", any, true),
            ("gw-7.local", any, true),
            ("gw-7.example", any, false),
            (".local", any, false),
        ];
        for (host, listens, expected) in table {
            assert_eq!(
                is_this_machine(host, listens.parse().unwrap(), "GW-7"),
                expected,
                "{host} at {listens}"
            );
        }
        let of = |headers| host(&parts(Version::HTTP_11, "/", headers));
        assert_eq!(of(&[("host", "LocalHost:80")]).as_deref(), Some("localhost"));
        assert_eq!(of(&[("host", "[::1]:80")]).as_deref(), Some("[::1]"));
        assert_eq!(of(&[]), None);
    }
}
