//! Error messages for people.

use pki::spiffe::PartyKind;

/// An error with its sources, on one line. A source whose text the error already contains is not repeated.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// The innermost source of an error: for a failed connection, the one layer that names the cause.
#[must_use]
pub fn cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Why TLS with a server failed, or `None` if the error has another cause; counted by the server's kind and the reason.
pub fn tls_failure(error: &(dyn std::error::Error + 'static), server: PartyKind) -> Option<String> {
    let tls = pki::tls::tls_error_in(error)?;
    let (server, reason) = (server.as_str(), pki::tls::label(tls));
    metrics::counter!("platen_tls_failures_total", "server" => server, "reason" => reason).increment(1);
    Some(pki::tls::reason(tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] std::io::Error);

    #[test]
    fn a_cause_is_printed_once() {
        let io = || std::io::Error::other("disk full");
        assert_eq!(chain(&Outer("not written", io())), "not written: disk full");
        assert_eq!(chain(&Outer("not written: disk full", io())), "not written: disk full");
        assert_eq!(cause(&Outer("not written", io())), "disk full");
    }
}
