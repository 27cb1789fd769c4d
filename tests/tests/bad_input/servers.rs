//! The other direction: the programs that open connections, against every bad server, each an `openssl
//! s_server` at the address of the communication server or the global server.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Result, ensure};
use pki::spiffe::PartyKind;
use serde_json::{Value, json};
use tests::operator::plain_client;
use tests::site::{PATIENCE, Site, SiteSpec};
use tests::trust::{self, identity_with_lists, metric};
use tests::until::until;

use crate::certificates::{Made, Maker, Wish, forever, purposes, server};

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

/// A bad server: its name, certificate, other arguments, and the reasons that may be reported.
type Row = (&'static str, Made, &'static [&'static str], &'static [&'static str]);

/// Bad servers at the address of one of `kind`.
fn table(maker: &Maker, site: &Site, kind: PartyKind) -> Result<Vec<Row>> {
    let mut rows = of_authorities(maker, kind)?;
    rows.extend(of_names(maker, kind)?);
    rows.extend(of_time_and_strength(maker, site, kind)?);
    Ok(rows)
}

fn of_authorities(maker: &Maker, kind: PartyKind) -> Result<Vec<Row>> {
    let strangers = |name: &str, domain| maker.strangers(name, domain, kind);
    let either: &[&str] = &["bad_signature", "unknown_issuer"];
    Ok(vec![
        ("self-signed", maker.self_signed("s-self", &server(kind))?, &[], &["unknown_issuer"]),
        ("a namesake's", strangers("s-namesake", "demo.example")?, &[], either),
        ("a stranger's", strangers("s-stranger", "other.example")?, &[], &["unknown_issuer"]),
    ])
}

fn of_names(maker: &Maker, kind: PartyKind) -> Result<Vec<Row>> {
    let eku = format!("extendedKeyUsage={}\n", purposes(kind));
    let eku = eku.as_str();
    // More than a global server has, less than a communication server.
    let other = if kind == PartyKind::GlobalServer { "serverAuth,clientAuth" } else { "serverAuth" };
    let other = format!("extendedKeyUsage={other}\n");
    let any = "extendedKeyUsage=anyExtendedKeyUsage\n";
    let own = format!("URI:spiffe://demo.example/{kind}/odd,");
    let another = if kind == PartyKind::CommServer { PartyKind::GlobalServer } else { PartyKind::CommServer };
    let signs = "digitalSignature,keyCertSign";
    let usage: &[&str] = &["extended_key_usage"];
    let make = |name: &str, wish| maker.make(&format!("s-{name}"), &wish);
    let issued = |name: &str, profile| maker.issued(name, profile, 0);
    let critical = server(kind).and("1.3.6.1.4.1.99999.1=critical,ASN1:NULL");
    Ok(vec![
        ("a gateway", issued("s-gateway", PartyKind::Gateway)?, &[], &["extended_key_usage", "name"]),
        ("another kind of server", issued("s-other", another)?, &[], &["kind"]),
        ("no EKU", make("no-eku", server(kind).with(eku, ""))?, &[], usage),
        ("EKU of another kind", make("other-eku", server(kind).with(eku, &other))?, &[], usage),
        ("any EKU", make("any-eku", server(kind).with(eku, any))?, &[], usage),
        ("no SPIFFE ID", make("no-id", server(kind).with(&own, ""))?, &[], &["name"]),
        ("another host", make("host", server(kind).with("127.0.0.1", "127.0.0.9"))?, &[], &["name"]),
        (
            "another trust domain",
            make("domain", server(kind).with("demo.example", "other.example"))?,
            &[],
            &["trust_domain"],
        ),
        (
            "keyCertSign",
            make("sign", server(kind).with("digitalSignature", signs))?,
            &[],
            &["authority_as_party"],
        ),
        ("critical", make("critical", critical)?, &[], &["unknown_critical_extension"]),
    ])
}

fn of_time_and_strength(maker: &Maker, site: &Site, kind: PartyKind) -> Result<Vec<Row>> {
    let revoked = site.dir("revoked").join("identity");
    let revoked = Made { chain: revoked.join("cert.pem"), key: revoked.join("key.pem") };
    let issued = |name: &str, days| maker.issued(name, kind, days);
    let rsa = maker.make("s-rsa", &Wish { key: "rsa:1024", ..server(kind) })?;
    let sha1 = maker.make("s-sha1", &Wish { digest: "-sha1", ..server(kind) })?;
    let e3 = maker.make("s-e3", &Wish { key: "rsa:2048 e=3", ..server(kind) })?;
    let y9999 = maker.make("s-y9999", &Wish { days: &forever(), ..server(kind) })?;
    let zero = maker.make("s-zero", &Wish { serial: "0", ..server(kind) })?;
    let version: &[&str] = &["refused_by_peer", "tls_version", "incompatible"];
    Ok(vec![
        ("expired", issued("s-expired", 100)?, &[], &["expired"]),
        ("not yet valid", issued("s-early", -2)?, &[], &["not_yet_valid"]),
        ("revoked", revoked, &[], &["revoked"]),
        ("RSA-1024", rsa, &[], &["weak_key", "weak_signature"]),
        ("RSA with exponent 3", e3, &[], &["weak_key"]),
        ("year 9999", y9999, &[], &["lifetime"]),
        ("serial number 0", zero, &[], &["serial"]),
        ("SHA-1", sha1, &[], &["weak_signature"]),
        ("TLS 1.2", issued("s-old", 0)?, &["-tls1_2"], version),
    ])
}

/// Makes a running program connect to every bad server at `at`; `ask` triggers it and returns what the
/// program reports.
async fn refused_all(
    table: Vec<Row>,
    kind: PartyKind,
    at: SocketAddr,
    local: SocketAddr,
    ask: impl AsyncFn() -> Result<String>,
) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, made, more, reasons) in table {
        let count = async |reason: &str| {
            // (Labels in the order of their names.)
            let counter = format!("platen_tls_failures_total{{server=\"{kind}\",reason=\"{reason}\"}}");
            metric(local, &counter).await
        };
        let mut before = Vec::new();
        for reason in reasons {
            before.push(count(reason).await?);
        }
        let _server = s_server(at, &made, more)?;
        let what = format!("{name} to be counted as {reasons:?}");
        let counted = until(&what, PATIENCE / 4, || async {
            let told = ask().await?;
            for (reason, before) in reasons.iter().zip(&before) {
                if count(reason).await? > *before && told.contains("TLS: ") {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        })
        .await;
        if let Err(error) = counted {
            wrong.push(format!("{error}, it tells: {}", ask().await?));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_rejects_every_bad_server_with_the_reason() -> Result<()> {
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
    let table = table(&maker, &site, PartyKind::CommServer)?;
    site.start_gateway()?;
    let local = site.address("gateway.local")?;
    let client = plain_client()?;
    // The gateway polls on its own.
    refused_all(table, PartyKind::CommServer, at, local, async || {
        let status: Value = client.get(format!("http://{local}/status")).send().await?.json().await?;
        Ok(status["link"]["last_error"].as_str().unwrap_or_default().to_owned())
    })
    .await?;
    site.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_communication_server_rejects_every_bad_global_server_with_the_reason() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let at: SocketAddr = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut spec = SiteSpec::new(dir.path().to_owned());
    spec.comm_server = json!({
        "identity": identity_with_lists(dir.path(), "comm-server"),
        "global_server": {"url": format!("https://{at}")},
    });
    let mut site = Site::new(spec)?;
    site.make_trust_domain()?;
    site.issue("global-server", "global-revoked", &site.dir("revoked"))?;
    trust::revoke(&site, "global-server/global-revoked")?;
    let maker = Maker::new(&site, &dir.path().join("made"))?;
    let table = table(&maker, &site, PartyKind::GlobalServer)?;
    site.start_comm_server()?;
    let operator = site.first_log_in().await?;
    insert_device(&site)?;
    let wanted = json!({"vendor": "ricoh", "model": "IM C4500", "version": "9.9"});
    refused_all(table, PartyKind::GlobalServer, at, site.address("comm.local")?, async || {
        // A roll-out for which there are devices reads the list of images afresh, whatever is cached.
        ensure!(operator.post("/api/v1/rollouts", &wanted).await.is_err(), "a roll-out without an image");
        let images = operator.get("/api/v1/images").await?;
        Ok(images["unknown_because"].as_str().unwrap_or_default().to_owned())
    })
    .await?;
    site.stop()
}

/// A device in the fleet that lacks the version, without a gateway that reads it.
fn insert_device(site: &Site) -> Result<()> {
    let rows = "INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ('default', 'gw-1', 1, 3600);
        INSERT INTO devices (tenant, gateway, device, vendor, model, firmware, first_seen_ms)
            VALUES ('default', 'gw-1', 'ricoh:E1', 'ricoh', 'IM C4500', '1.0', 1)";
    let database = site.dir("comm-server").join("platen.db");
    let output = Command::new("sqlite3").args(["-cmd", ".timeout 10000"]).arg(database).arg(rows).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
