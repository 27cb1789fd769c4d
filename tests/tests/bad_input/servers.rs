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

use crate::certificates::{Made, Maker, Wish, server};

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
    let mut rows = of_authorities(maker)?;
    rows.extend(of_names(maker)?);
    rows.extend(of_time_and_strength(maker, site)?);
    Ok(rows)
}

fn of_authorities(maker: &Maker) -> Result<Vec<Row>> {
    let strangers = |name: &str, domain| maker.strangers(name, domain, PartyKind::CommServer);
    let either: &[&str] = &["bad_signature", "unknown_issuer"];
    Ok(vec![
        ("self-signed", maker.self_signed("s-self", &server())?, &[], &["unknown_issuer"]),
        ("a namesake's", strangers("s-namesake", "demo.example")?, &[], either),
        ("a stranger's", strangers("s-stranger", "other.example")?, &[], &["unknown_issuer"]),
    ])
}

fn of_names(maker: &Maker) -> Result<Vec<Row>> {
    let eku = "extendedKeyUsage=serverAuth,clientAuth\n";
    let any = "extendedKeyUsage=anyExtendedKeyUsage\n";
    let own = "URI:spiffe://demo.example/comm-server/comm-odd,";
    let signs = "digitalSignature,keyCertSign";
    let usage: &[&str] = &["extended_key_usage"];
    let make = |name: &str, wish| maker.make(&format!("s-{name}"), &wish);
    let issued = |name: &str, profile| maker.issued(name, profile, 0);
    let critical = server().and("1.3.6.1.4.1.99999.1=critical,ASN1:NULL");
    Ok(vec![
        ("a gateway", issued("s-gateway", PartyKind::Gateway)?, &[], &["extended_key_usage", "name"]),
        ("a global server", issued("s-global", PartyKind::GlobalServer)?, &[], &["kind"]),
        ("no EKU", make("no-eku", server().with(eku, ""))?, &[], usage),
        ("any EKU", make("any-eku", server().with(eku, any))?, &[], usage),
        ("no SPIFFE ID", make("no-id", server().with(own, ""))?, &[], &["name"]),
        ("another host", make("host", server().with("127.0.0.1", "127.0.0.9"))?, &[], &["name"]),
        (
            "another trust domain",
            make("domain", server().with("demo.example", "other.example"))?,
            &[],
            &["trust_domain"],
        ),
        (
            "keyCertSign",
            make("sign", server().with("digitalSignature", signs))?,
            &[],
            &["authority_as_party"],
        ),
        ("critical", make("critical", critical)?, &[], &["unknown_critical_extension"]),
    ])
}

fn of_time_and_strength(maker: &Maker, site: &Site) -> Result<Vec<Row>> {
    let revoked = site.dir("revoked").join("identity");
    let revoked = Made { chain: revoked.join("cert.pem"), key: revoked.join("key.pem") };
    let issued = |name: &str, days| maker.issued(name, PartyKind::CommServer, days);
    let rsa = maker.make("s-rsa", &Wish { key: "rsa:1024", ..server() })?;
    let sha1 = maker.make("s-sha1", &Wish { digest: "-sha1", ..server() })?;
    let version: &[&str] = &["refused_by_peer", "tls_version", "incompatible"];
    Ok(vec![
        ("expired", issued("s-expired", 100)?, &[], &["expired"]),
        ("not yet valid", issued("s-early", -2)?, &[], &["not_yet_valid"]),
        ("revoked", revoked, &[], &["revoked"]),
        ("RSA-1024", rsa, &[], &["weak_key", "weak_signature"]),
        ("SHA-1", sha1, &[], &["weak_signature"]),
        ("TLS 1.2", issued("s-old", 0)?, &["-tls1_2"], version),
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
