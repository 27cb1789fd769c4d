//! Bad clients: what each sends, and the reason for which it is rejected.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use pki::spiffe::PartyKind;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tests::site::Site;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::TlsConnector;

use crate::certificates::{Made, Maker, gateway, server};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// Longer than the listener's handshake deadline.
const LIMIT: Duration = Duration::from_secs(25);

const ALL: &[&str] = &["gateways", "enrollment", "operators", "listen"];

/// Listeners that request a client certificate.
const MUTUAL: &[&str] = &["gateways", "enrollment", "listen"];

/// Listeners that require one.
const MANDATORY: &[&str] = &["gateways", "listen"];

/// What is sent.
#[derive(Debug)]
pub(crate) enum Sends {
    /// A certificate, by `openssl s_client`.
    OpenSsl(Made),
    /// No certificate, or another deviation caused by these arguments of `openssl s_client`.
    Arguments(&'static [&'static str]),
    /// A certificate that OpenSSL refuses to send: another key is used for the handshake, because the listener must
    /// reject the certificate before it checks a signature.
    Forged(PathBuf),
    /// These bytes, then the end of the stream.
    Bytes(Vec<u8>),
    /// A handshake of an old version, by tlslite-ng.
    TlsLite(&'static str),
    /// One byte, then nothing.
    Slow,
}

/// A case.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) name: &'static str,
    pub(crate) sends: Sends,
    /// One of these reasons must be reported.
    pub(crate) reasons: &'static [&'static str],
    /// The listeners that it is sent to.
    pub(crate) to: &'static [&'static str],
}

impl Sent {
    /// Sends it; returns the response.
    pub(crate) async fn send(&self, address: SocketAddr) -> Result<String> {
        let sending = async {
            match &self.sends {
                Sends::OpenSsl(made) => {
                    let (chain, key) = (text(&made.chain), text(&made.key));
                    let own = ["-cert", &chain, "-cert_chain", &chain, "-key", &key];
                    s_client(address, &[&own[..], &["-tls1_3", "-cipher", "ALL:@SECLEVEL=0"]].concat()).await
                }
                Sends::Arguments(arguments) => s_client(address, arguments).await,
                Sends::Forged(chain) => forged(address, chain).await,
                Sends::Bytes(bytes) => raw(address, bytes, true).await,
                Sends::Slow => raw(address, &[0x16], false).await,
                Sends::TlsLite(version) => tlslite(address, version).await,
            }
        };
        tokio::time::timeout(LIMIT, sending).await.context("it took too long")?
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

async fn s_client(address: SocketAddr, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-ign_eof", "-connect", &address.to_string()]).args(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    // A rejected client may be disconnected before it has read.
    drop(child.stdin.take().context("no stdin")?.write_all(REQUEST).await);
    let output = child.wait_with_output().await?;
    Ok([output.stdout, output.stderr].iter().map(|text| String::from_utf8_lossy(text)).collect())
}

async fn forged(address: SocketAddr, chain: &Path) -> Result<String> {
    let chain = CertificateDer::pem_file_iter(chain)?.collect::<Result<Vec<_>, _>>()?;
    let provider = pki::tls::provider();
    let key = tempfile::tempdir()?;
    let made = key.path().join("key.pem");
    let arguments = ["genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
    Command::new("openssl").args(arguments).arg(&made).stderr(Stdio::null()).status().await?;
    let key = provider.key_provider.load_private_key(PrivateKeyDer::from_pem_file(&made)?)?;
    let own = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
    let mut tls = pki::tls::first_contact_config()?;
    tls.client_auth_cert_resolver = own;
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::IpAddress(address.ip().into());
    let mut stream = match TlsConnector::from(Arc::new(tls)).connect(name, socket).await {
        Ok(stream) => stream,
        Err(error) => return Ok(error.to_string()),
    };
    // In TLS 1.3 a client learns that its certificate was rejected only when it reads.
    drop(stream.write_all(REQUEST).await);
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer).await;
    Ok(format!("{} {ended:?}", String::from_utf8_lossy(&answer)))
}

async fn raw(address: SocketAddr, bytes: &[u8], ends: bool) -> Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(bytes).await?;
    if ends {
        socket.shutdown().await?;
    }
    let mut answer = Vec::new();
    drop(socket.read_to_end(&mut answer).await);
    Ok(format!("{} bytes", answer.len()))
}

async fn tlslite(address: SocketAddr, version: &str) -> Result<String> {
    let python = std::env::var_os("PLATEN_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python"),
        PathBuf::from,
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/old_handshake.py");
    let output = Command::new(&python)
        .arg(script)
        .args([address.ip().to_string(), address.port().to_string(), version.to_owned()])
        .output()
        .await
        .with_context(|| format!("{}: ./test makes it, with tlslite-ng", python.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

/// A record with a handshake message that claims this length, followed by this many octets.
fn hello(claims: u32, follows: usize) -> Vec<u8> {
    let [_, a, b, c] = claims.to_be_bytes();
    let length = u16::try_from(follows + 4).unwrap_or(u16::MAX).to_be_bytes();
    let mut record = vec![0x16, 3, 1, length[0], length[1], 1, a, b, c];
    record.resize(record.len() + follows, 0);
    record
}

/// Every bad client.
pub(crate) fn table(maker: &Maker, site: &Site) -> Result<Vec<Sent>> {
    let mut cases = of_tls();
    cases.extend(of_names(maker)?);
    cases.extend(of_authorities(maker)?);
    cases.extend(of_time(maker, site)?);
    cases.extend(of_strength(maker)?);
    Ok(cases)
}

fn of_tls() -> Vec<Sent> {
    let sent = |name, sends, reasons, to| Sent { name, sends, reasons, to };
    let version: &[&str] = &["tls_version"];
    let malformed: &[&str] = &["malformed_handshake"];
    vec![
        sent("no certificate", Sends::Arguments(&["-tls1_3"]), &["no_certificate"], MANDATORY),
        sent("TLS 1.2", Sends::Arguments(&["-tls1_2"]), version, ALL),
        sent("TLS 1.1", Sends::TlsLite("1.1"), version, ALL),
        sent("TLS 1.0", Sends::TlsLite("1.0"), version, ALL),
        sent("SSL 3", Sends::TlsLite("3.0"), &["tls_version", "malformed_handshake"], ALL),
        sent("no common group", Sends::Arguments(&["-groups", "ffdhe2048"]), &["no_common_group"], ALL),
        sent("a group too weak", Sends::Arguments(&["-groups", "X448"]), &["no_common_group"], ALL),
        sent("truncated", Sends::Bytes(hello(512, 40)), &["broken_off", "malformed_handshake"], ALL),
        sent("nothing at all", Sends::Bytes(Vec::new()), &["broken_off"], ALL),
        sent("oversized message", Sends::Bytes(hello(0x00ff_ffff, 8000)), malformed, ALL),
        sent(
            "oversized record",
            Sends::Bytes([&[0x16, 3, 1, 0xff, 0xff][..], &[0; 70_000]].concat()),
            malformed,
            ALL,
        ),
        sent("no TLS", Sends::Bytes(b"GET / HTTP/1.1\r\n\r\n".to_vec()), malformed, ALL),
    ]
}

fn of_names(maker: &Maker) -> Result<Vec<Sent>> {
    let own = "URI:spiffe://demo.example/gateway/gw-odd";
    let san = format!("subjectAltName={own}");
    let eku = "extendedKeyUsage=clientAuth\n";
    let usage: &[&str] = &["extended_key_usage"];
    let rows: [(_, _, &[&str]); 13] = [
        ("no EKU", gateway().with(eku, ""), usage),
        ("any EKU", gateway().with(eku, "extendedKeyUsage=anyExtendedKeyUsage\n"), usage),
        ("any EKU besides", gateway().with(eku, "extendedKeyUsage=clientAuth,anyExtendedKeyUsage\n"), usage),
        ("EKU of a server", gateway().with(eku, "extendedKeyUsage=serverAuth\n"), usage),
        ("EKU of both", gateway().with(eku, "extendedKeyUsage=serverAuth,clientAuth\n"), usage),
        ("no SAN, CN only", gateway().with(&format!("{san}\n"), ""), &["name"]),
        (
            "two SPIFFE IDs",
            gateway().with(own, &format!("{own},URI:spiffe://demo.example/gateway/gw-2")),
            &["name"],
        ),
        ("no SPIFFE ID", gateway().with(own, "URI:https://demo.example/gateway/gw-odd"), &["name"]),
        ("a mail address", gateway().with(own, &format!("{own},email:a@demo.example")), &["name"]),
        ("a DNS name", gateway().with(own, &format!("{own},DNS:demo.example")), &["name"]),
        ("another trust domain", gateway().with("demo.example", "other.example"), &["trust_domain"]),
        ("an operator by the gateway CA", gateway().with("/gateway/", "/operator/"), &["kind", "issuer"]),
        ("no digitalSignature", gateway().with("digitalSignature", "keyAgreement"), &["key_usage"]),
    ];
    let mut cases = Vec::new();
    for (name, wish, reasons) in rows {
        let made = maker.make(&name.replace([' ', ','], "-"), &wish)?;
        // Without digitalSignature OpenSSL does not sign.
        let sends = match name {
            "no digitalSignature" => Sends::Forged(made.chain),
            _ => Sends::OpenSsl(made),
        };
        cases.push(Sent { name, sends, reasons, to: MUTUAL });
    }
    let sent = |name, made, reasons, to| Sent { name, sends: Sends::OpenSsl(made), reasons, to };
    cases.push(sent(
        "a global server",
        maker.issued("global-9", PartyKind::GlobalServer, 0)?,
        &["extended_key_usage"],
        MUTUAL,
    ));
    let calls = server(PartyKind::GlobalServer).with("serverAuth", "serverAuth,clientAuth");
    let calls = maker.make("global-that-calls", &calls)?;
    cases.push(sent("a global server that may call", calls, &["kind"], MUTUAL));
    let half = server(PartyKind::CommServer).with("serverAuth,clientAuth", "clientAuth");
    let half = maker.make("half-a-server", &half)?;
    cases.push(sent("a server without serverAuth", half, &["extended_key_usage"], &["listen"]));
    cases.push(sent("an operator", maker.issued("anna", PartyKind::Operator, 0)?, &["kind"], MUTUAL));
    let server = maker.make("server-as-client", &server(PartyKind::CommServer))?;
    cases.push(sent("a server as a client", server, &["kind"], &["gateways", "enrollment"]));
    Ok(cases)
}

fn of_authorities(maker: &Maker) -> Result<Vec<Sent>> {
    let ca = "basicConstraints=CA:TRUE";
    let unknown: &[&str] = &["unknown_issuer"];
    let party: &[&str] = &["authority_as_party"];
    let parent = maker.make("parent", &gateway())?;
    let by_leaf = maker.make_by("leaf-issued", &gateway(), &parent.chain, &parent.key)?;
    let rows: Vec<(_, Made, &'static [&'static str])> = vec![
        ("self-signed", maker.self_signed("self-signed", &gateway())?, unknown),
        (
            "a namesake's",
            maker.strangers("namesake", "demo.example", PartyKind::Gateway)?,
            &["bad_signature", "unknown_issuer"],
        ),
        ("a stranger's", maker.strangers("stranger", "other.example", PartyKind::Gateway)?, unknown),
        ("CA as leaf", maker.make("ca-as-leaf", &gateway().with("basicConstraints=CA:FALSE", ca))?, party),
        (
            "keyCertSign",
            maker.make("cert-sign", &gateway().with("digitalSignature", "digitalSignature,keyCertSign"))?,
            party,
        ),
        ("issued by a leaf", by_leaf, &["authority_as_party", "issuer", "unknown_issuer"]),
        (
            "a gateway by the server CA",
            maker.make("by-server-ca", &crate::certificates::Wish { issuer: "server-ca", ..gateway() })?,
            &["issuer"],
        ),
        (
            "an unknown critical extension",
            maker.make("critical", &gateway().and("1.3.6.1.4.1.99999.1=critical,ASN1:NULL"))?,
            &["unknown_critical_extension"],
        ),
    ];
    Ok(rows
        .into_iter()
        .map(|(name, made, reasons)| Sent { name, sends: Sends::OpenSsl(made), reasons, to: MUTUAL })
        .collect())
}

fn of_time(maker: &Maker, site: &Site) -> Result<Vec<Sent>> {
    let revoked = site.dir("revoked").join("identity");
    let serial = maker.serial_of(&revoked.join("cert.pem"))?;
    let twin = crate::certificates::Wish { serial: &serial, ..gateway() };
    // Lists are found by the issuer's name and key.
    let twin = twin.and("authorityKeyIdentifier=keyid");
    let forever = crate::certificates::forever();
    let wish = |days, serial| crate::certificates::Wish { days, serial, ..gateway() };
    let serial_21 = format!("0x{}", "41".repeat(21));
    let (long, serials): (&[&str], &[&str]) = (&["lifetime"], &["serial"]);
    let rows: [(_, Made, &[&str]); 9] = [
        ("101 days", maker.make("d101", &wish("101", "0x5002"))?, long),
        ("year 9999", maker.make("y9999", &wish(&forever, "0x5003"))?, long),
        ("serial number 0", maker.make("n0", &wish("30", "0"))?, serials),
        ("a negative serial number", maker.make("n-5", &wish("30", "-5"))?, serials),
        ("a serial number of 21 octets", maker.make("n21", &wish("30", &serial_21))?, serials),
        ("expired", maker.issued("expired", PartyKind::Gateway, 100)?, &["expired"]),
        ("not yet valid", maker.issued("early", PartyKind::Gateway, -2)?, &["not_yet_valid"]),
        ("revoked", Made { chain: revoked.join("cert.pem"), key: revoked.join("key.pem") }, &["revoked"]),
        ("a duplicate serial number", maker.make("twin", &twin)?, &["revoked"]),
    ];
    Ok(rows
        .into_iter()
        .map(|(name, made, reasons)| Sent { name, sends: Sends::OpenSsl(made), reasons, to: MUTUAL })
        .collect())
}

/// Certificates that OpenSSL refuses to send in TLS 1.3, whatever its level.
fn of_strength(maker: &Maker) -> Result<Vec<Sent>> {
    let weak: &[&str] = &["weak_key", "weak_signature"];
    let rsa = maker.rsa_authority()?;
    let mut cases = Vec::new();
    for (name, key) in [
        ("RSA-512", "rsa:512"),
        ("RSA-1024", "rsa:1024"),
        ("RSA-4104", "rsa:4104"),
        ("RSA with exponent 3", "rsa:2048 e=3"),
        ("P-192", "ec:prime192v1"),
    ] {
        let made = maker.make(&name.replace(' ', "-"), &crate::certificates::Wish { key, ..gateway() })?;
        cases.push(Sent { name, sends: Sends::Forged(made.chain), reasons: weak, to: MUTUAL });
    }
    let made = maker.make("SHA-1", &crate::certificates::Wish { digest: "-sha1", ..gateway() })?;
    cases.push(Sent { name: "SHA-1", sends: Sends::Forged(made.chain), reasons: weak, to: MUTUAL });
    // OpenSSL makes no MD5 signature with a curve: use an RSA authority, which is also unknown.
    let md5 = crate::certificates::Wish { digest: "-md5", ..gateway() };
    let made = maker.make_by("MD5", &md5, &rsa.chain, &rsa.key)?;
    let reasons: &[&str] = &["weak_signature", "unknown_issuer"];
    cases.push(Sent { name: "MD5", sends: Sends::Forged(made.chain), reasons, to: MUTUAL });
    Ok(cases)
}
