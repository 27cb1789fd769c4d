//! Errors as people read them.

use pki::spiffe::PartyKind;

/// An error with what it came from, on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Why TLS with a server failed, in words, if it was that; counted by the server's kind and the reason.
pub fn tls_failure(error: &(dyn std::error::Error + 'static), server: PartyKind) -> Option<String> {
    let tls = pki::tls::failure_in(error)?;
    let (server, reason) = (server.as_str(), pki::tls::label(tls));
    metrics::counter!("platen_tls_failures_total", "server" => server, "reason" => reason).increment(1);
    Some(pki::tls::reason(tls))
}
