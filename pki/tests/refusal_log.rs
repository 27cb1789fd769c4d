//! The reason of a rejection is in the server's log. This test has its own program, because tracing caches per
//! process.

#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test stops at what it did not expect")]

mod site;

use std::io;
use std::sync::{Arc, Mutex};

use pki::authority::Intermediate;
use pki::spiffe::PartyKind;
use pki::tls;
use site::pipe::shake;
use site::{Site, params};

/// The log, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_server_logs_why_it_refused_and_whom() {
    let site = Site::new("t");
    let server = site.identity(PartyKind::CommServer, "c");
    let server = Arc::new(tls::server_config(&server, &[PartyKind::Gateway]).unwrap());
    let gateway = site.identity(PartyKind::Gateway, "g");
    let call = |uri| {
        let mut client = tls::client_config(&gateway, PartyKind::CommServer).unwrap();
        client.client_auth_cert_resolver = site.odd(Intermediate::GatewayCa, &params(uri, false));
        assert!(shake(&Arc::new(client), &server).server.is_err());
    };
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        call("spiffe://u/gateway/g\u{7f}");
        call("spiffe://u/gateway/g");
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines.iter().all(|line| line.contains("WARN") && line.contains("client certificate rejected")),
        "{text}"
    );
    assert!(lines[0].contains("g\\u{7f}") && lines[0].contains("is not a SPIFFE ID"), "{text}");
    assert!(lines[1].contains("the trust domain is u: expected t"), "{text}");
    assert!(lines[1].contains("spiffe://u/gateway/g"), "{text}");
}
