//! The other direction: a running gateway against every bad server, each an `openssl s_server` where the communication
//! server ought to be.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use pki::spiffe::PartyKind;
use serde_json::json;
use tests::operator::plain_client;
use tests::site::{PATIENCE, Site, SiteSpec};
use tests::trust::{self, identity_with_lists, metric};
use tests::until::until;

use crate::certificates::{Made, Maker, server};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn s_server(at: SocketAddr, made: &Made, more: &[&str]) -> Result<Server> {
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", &at.to_string(), "-quiet", "-www", "-cipher", "ALL:@SECLEVEL=0"]);
    command.arg("-cert").arg(&made.chain).arg("-cert_chain").arg(&made.chain).arg("-key").arg(&made.key);
    command.args(more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Server(command.spawn()?))
}

type Row = (&'static str, Made, &'static [&'static str], &'static [&'static str]);

/// Name, certificate, other arguments, reasons.
fn table(maker: &Maker, site: &Site) -> Result<Vec<Row>> {
    let eku = "extendedKeyUsage=serverAuth,clientAuth\n";
    let own = "URI:spiffe://demo.example/comm-server/comm-odd";
    let usage: &[&str] = &["extended_key_usage"];
    let revoked = site.dir("revoked").join("identity");
    let make = |name: &str, wish| maker.make(&format!("s-{name}"), &wish);
    Ok(vec![
        ("self-signed", maker.self_signed("s-self", &server())?, &[], &["unknown_issuer"]),
        (
            "a namesake's",
            maker.strangers("s-namesake", "demo.example", PartyKind::CommServer)?,
            &[],
            &["bad_signature", "unknown_issuer"],
        ),
        (
            "a stranger's",
            maker.strangers("s-stranger", "other.example", PartyKind::CommServer)?,
            &[],
            &["unknown_issuer"],
        ),
        (
            "a gateway",
            maker.issued("s-gateway", PartyKind::Gateway, 0)?,
            &[],
            &["extended_key_usage", "name"],
        ),
        ("a global server", maker.issued("s-global", PartyKind::GlobalServer, 0)?, &[], &["kind"]),
        ("no EKU", make("no-eku", server().with(eku, ""))?, &[], usage),
        (
            "any EKU",
            make("any-eku", server().with(eku, "extendedKeyUsage=anyExtendedKeyUsage\n"))?,
            &[],
            usage,
        ),
        ("no SPIFFE ID", make("no-id", server().with(&format!("{own},"), ""))?, &[], &["name"]),
        ("another host", make("host", server().with("127.0.0.1", "127.0.0.9"))?, &[], &["name"]),
        (
            "another trust domain",
            make("domain", server().with("demo.example", "other.example"))?,
            &[],
            &["trust_domain"],
        ),
        (
            "keyCertSign",
            make("sign", server().with("digitalSignature", "digitalSignature,keyCertSign"))?,
            &[],
            &["authority_as_party"],
        ),
        (
            "critical",
            make("critical", server().and("1.3.6.1.4.1.99999.1=critical,ASN1:NULL"))?,
            &[],
            &["unknown_critical_extension"],
        ),
        ("expired", maker.issued("s-expired", PartyKind::CommServer, 100)?, &[], &["expired"]),
        ("not yet valid", maker.issued("s-early", PartyKind::CommServer, -2)?, &[], &["not_yet_valid"]),
        (
            "revoked",
            Made { chain: revoked.join("cert.pem"), key: revoked.join("key.pem") },
            &[],
            &["revoked"],
        ),
        (
            "RSA-1024",
            make("rsa", crate::certificates::Wish { key: "rsa:1024", ..server() })?,
            &[],
            &["weak_key", "weak_signature"],
        ),
        (
            "SHA-1",
            make("sha1", crate::certificates::Wish { digest: "-sha1", ..server() })?,
            &[],
            &["weak_signature"],
        ),
        (
            "TLS 1.2",
            maker.issued("s-old", PartyKind::CommServer, 0)?,
            &["-tls1_2"],
            &["refused_by_peer", "tls_version", "incompatible"],
        ),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_refuses_every_bad_server_and_says_why() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let at: SocketAddr = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut spec =
        SiteSpec { speedup: 9000, uplink_through: Some(at), ..SiteSpec::new(dir.path().to_owned()) };
    spec.gateway = json!({"identity": identity_with_lists(dir.path(), "gateway")});
    let mut site = Site::new(spec)?;
    site.make_trust_domain()?;
    site.issue("comm-server", "comm-revoked", &site.dir("revoked"))?;
    trust::revoke(&site, "comm-server/comm-revoked")?;
    let maker = Maker::new(&site, &dir.path().join("made"))?;
    let table = table(&maker, &site)?;
    site.start_gateway()?;
    let local = site.address("gateway.local")?;
    let mut wrong = Vec::new();
    for (name, made, more, reasons) in table {
        let counter = |reason: &str| format!("platen_gateway_tls_failures_total{{reason=\"{reason}\"}}");
        let mut before = Vec::new();
        for reason in reasons {
            before.push(metric(local, &counter(reason)).await?);
        }
        let _server = s_server(at, &made, more)?;
        let what = format!("{name} to be counted as {reasons:?}");
        let counted = until(&what, PATIENCE / 4, || async {
            for (reason, before) in reasons.iter().zip(&before) {
                if metric(local, &counter(reason)).await? > *before {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        })
        .await;
        let url = format!("http://{local}/status");
        let status: serde_json::Value = plain_client()?.get(url).send().await?.json().await?;
        let told = status["link"]["last_error"].as_str().with_context(|| format!("{name}: {status}"))?;
        match counted {
            Err(error) => wrong.push(format!("{error}, it tells: {told}")),
            Ok(()) if told.contains("TLS: ") => {}
            Ok(()) => wrong.push(format!("{name}: it tells no reason of TLS: {told}")),
        }
    }
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    site.stop()
}
