//! OpenSSL as an independent peer: it verifies our chains, connects with our certificates, and creates certificates
//! that our own tools won't.

#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test stops at what it did not expect")]

mod site;

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use pki::authority::{Authority, Intermediate, Passphrase, Request, Whom};
use pki::leaf_facts::{Key, Signature};
use pki::revocation_reason::RevocationReason;
use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig, est, facts, tls};
use rustls::{ServerConfig, ServerConnection, Stream};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use site::Site;

fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).stdin(Stdio::null()).output().expect("openssl is installed")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn openssl_verifies_our_chains_for_their_purpose_only() {
    let site = Site::new("platen.example");
    for kind in PartyKind::ALL {
        // A dot makes OpenSSL hold a common name for a DNS name.
        let config = site.issue(kind, "n-1.site");
        for (purpose, good) in
            [("sslclient", kind != PartyKind::GlobalServer), ("sslserver", kind.is_server())]
        {
            let (root, chain) = (text(&config.root), text(&config.certificate));
            let strict =
                ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", root, "-untrusted", chain, chain];
            let output = openssl(&strict);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.success(), good, "{kind} as {purpose}: {said}");
        }
    }
}

#[test]
fn openssl_reads_the_roots_key_with_the_passphrase_only() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    let passphrase = Passphrase::Given("correct horse".into());
    Authority::init(&ca, &"t".parse().unwrap(), &passphrase, Timestamp::now()).unwrap();
    let key = ca.join("root-key.pem");
    let read = |passphrase: &str| openssl(&["pkey", "-in", text(&key), "-passin", passphrase, "-pubout"]);
    let certificate = openssl(&["x509", "-in", text(&ca.join("root.pem")), "-noout", "-pubkey"]);
    assert_eq!(read("pass:correct horse").stdout, certificate.stdout);
    assert!(!read("pass:wrong horse").status.success());
}

/// Accepts one connection and sends `hello NAME` to an accepted peer; returns the result of rustls.
fn serve_once(config: ServerConfig) -> (u16, thread::JoinHandle<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        let (mut socket, _) = listener.accept()?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut connection = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
        let done = greet(&mut connection, &mut socket);
        // The alert, or the end of the session.
        connection.send_close_notify();
        drop(connection.write_tls(&mut socket));
        done
    };
    (port, thread::spawn(serve))
}

fn greet(connection: &mut ServerConnection, socket: &mut TcpStream) -> io::Result<()> {
    while connection.is_handshaking() {
        connection.complete_io(socket)?;
    }
    let leaf = &connection.peer_certificates().unwrap()[0];
    let name = tls::peer(leaf).unwrap().0.to_string();
    Stream::new(connection, socket).write_all(format!("hello {name}\n").as_bytes())
}

/// The output of `openssl s_client`, and the result of our server.
fn s_client(site: &Site, arguments: &[&str]) -> (String, io::Result<()>) {
    let identity = Identity::load(&site.issue(PartyKind::CommServer, "listener")).unwrap();
    let (port, server) = serve_once(tls::server_config(&identity, &[PartyKind::Gateway]).unwrap());
    let address = format!("127.0.0.1:{port}");
    let root = site.ca_file("root.pem");
    let fixed = ["s_client", "-connect", &address, "-CAfile", text(&root), "-verify_return_error"];
    let mut child = Command::new("openssl")
        .args(fixed)
        .args(["-verify_hostname", "localhost", "-servername", "localhost"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    child.wait().unwrap();
    (printed, server.join().unwrap())
}

fn shown(config: &IdentityConfig) -> [&str; 6] {
    let (chain, key) = (text(&config.certificate), text(&config.key));
    ["-cert", chain, "-cert_chain", chain, "-key", key]
}

#[test]
fn openssl_connects_with_a_gateways_certificate() {
    let site = Site::new("platen.example");
    let gateway = site.issue(PartyKind::Gateway, "g");
    let (printed, server) = s_client(&site, &shown(&gateway));
    server.unwrap();
    assert!(printed.contains("hello spiffe://platen.example/gateway/g"), "{printed}");
    assert!(printed.contains("TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384"), "{printed}");
    assert!(printed.contains("Verification: OK"), "{printed}");
    assert!(printed.contains("No client certificate CA names sent"), "{printed}");
}

#[test]
fn openssl_is_refused_without_the_right_certificate_or_version() {
    let site = Site::new("platen.example");
    let (gateway, operator) = (site.issue(PartyKind::Gateway, "g"), site.issue(PartyKind::Operator, "o"));
    let with = |more: &[&str]| {
        let (printed, server) = s_client(&site, more);
        assert!(!printed.contains("hello"), "{printed}");
        let error = server.unwrap_err();
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        tls::reason(tls.unwrap())
    };
    let none = with(&[]);
    assert!(none.contains("the client sent no certificate"), "{none}");
    let wrong_kind = with(&shown(&operator));
    assert!(
        wrong_kind.contains("party of kind operator is not accepted here: expected gateway"),
        "{wrong_kind}"
    );
    let old = with(&[&shown(&gateway)[..], &["-tls1_2"]].concat());
    assert!(old.contains("does not offer TLS 1.3"), "{old}");
    let no_group = with(&[&shown(&gateway)[..], &["-groups", "P-521"]].concat());
    assert!(no_group.contains("no key exchange group in common"), "{no_group}");
}

#[test]
fn what_openssl_makes_weak_is_seen_as_weak() {
    let dir = tempfile::tempdir().unwrap();
    let (key, out) = (dir.path().join("key.pem"), dir.path().join("cert.pem"));
    let curve = |name| vec!["-newkey", "ec", "-pkeyopt", name];
    let rsa = |bits| Key::Rsa { bits, exponent: Some(65_537) };
    let weak = |name: &str| Signature::Weak(name.to_owned());
    let other = Key::Other("ECDSA on curve 1.2.840.10045.3.1.1".to_owned());
    let cases = [
        (vec!["-newkey", "rsa:512", "-md5"], rsa(512), weak("RSA with MD5")),
        (vec!["-newkey", "rsa:1024", "-sha1"], rsa(1024), weak("RSA with SHA-1")),
        (vec!["-newkey", "rsa:2047", "-sha256"], rsa(2047), Signature::Strong),
        (vec!["-newkey", "rsa:2048", "-sha384"], rsa(2048), Signature::Strong),
        (
            vec!["-newkey", "rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3", "-sha256"],
            Key::Rsa { bits: 2048, exponent: Some(3) },
            Signature::Strong,
        ),
        (vec!["-newkey", "rsa:4104", "-sha256"], rsa(4104), Signature::Strong),
        ([curve("ec_paramgen_curve:prime192v1"), vec!["-sha1"]].concat(), other, weak("ECDSA with SHA-1")),
        (curve("ec_paramgen_curve:P-256"), Key::P256, Signature::Strong),
        (curve("ec_paramgen_curve:P-384"), Key::P384, Signature::Strong),
        (vec!["-newkey", "ed25519"], Key::Ed25519, Signature::Strong),
    ];
    for (arguments, key_kind, signature) in cases {
        let fixed = ["req", "-x509", "-nodes", "-subj", "/CN=x", "-keyout", text(&key), "-out", text(&out)];
        let output = openssl(&[&fixed[..], &arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let der = CertificateDer::from_pem_file(&out).unwrap();
        let facts = facts::of_leaf(&der, &[]).unwrap();
        assert_eq!((facts.key, facts.signature), (key_kind, signature), "{arguments:?}");
        assert!(facts.is_ca && facts.purposes.is_none() && facts.uris.is_empty());
    }
}

#[test]
fn openssl_reads_our_lists_and_our_enrollment_messages() {
    let site = Site::new("t");
    let (good, bad) = (site.issue(PartyKind::Gateway, "good"), site.issue(PartyKind::Gateway, "bad"));
    let now = Timestamp::now();
    site.authority
        .revoke(&Whom::Party("gateway/bad".parse().unwrap()), RevocationReason::KeyCompromise, now)
        .unwrap();
    let lists = site.authority.revocation_lists(now, now + Duration::from_secs(3600)).unwrap();
    let out = site.dir.path().join("crl");
    lists.write(&out).unwrap();
    let crl = out.join("gateway-ca.crl.pem");
    for (config, expected) in [(&good, true), (&bad, false)] {
        let (root, chain) = (text(&config.root), text(&config.certificate));
        let output = openssl(&[
            "verify",
            "-crl_check",
            "-CRLfile",
            text(&crl),
            "-CAfile",
            root,
            "-untrusted",
            chain,
            chain,
        ]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), expected, "{said}");
        assert!(expected || said.contains("certificate revoked"), "{said}");
    }

    let file = |name: &str| site.dir.path().join(name);
    let (message, request, key) = (file("m.p7"), file("r.der"), file("k.pem"));
    std::fs::write(&message, est::certs_only(&[site.authority.root().clone()])).unwrap();
    let output = openssl(&["pkcs7", "-inform", "DER", "-in", text(&message), "-print_certs", "-noout"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("CN = root CA"), "{output:?}");
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let fixed = ["req", "-new", "-nodes", "-subj", "/CN=whoever", "-outform", "DER"];
    let made = openssl(&[&fixed[..], &curve, &["-keyout", text(&key), "-out", text(&request)]].concat());
    assert!(made.status.success());
    let csr = est::Csr::parse(&std::fs::read(&request).unwrap()).unwrap();
    let asked =
        Request { profile: PartyKind::Gateway, name: "g".to_owned(), dns: Vec::new(), ips: Vec::new() };
    let (record, _) = site.authority.sign(&asked, &csr.public_key, now).unwrap();
    assert_eq!(record.id.to_string(), "spiffe://t/gateway/g");
}

#[test]
fn the_root_key_that_openssl_encrypts_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    let authority =
        Authority::init(&ca, &"t".parse().unwrap(), &Passphrase::InsecureNone, Timestamp::now()).unwrap();
    let (key, sealed) = (ca.join("root-key.pem"), dir.path().join("sealed.pem"));
    let fixed = ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:correct horse"];
    let output = openssl(&[&fixed[..], &["-in", text(&key), "-out", text(&sealed)]].concat());
    assert!(output.status.success(), "{output:?}");
    std::fs::rename(&sealed, &key).unwrap();
    let passphrase = "correct horse".into();
    authority.renew(Intermediate::ServerCa, Some(&passphrase), Timestamp::now()).unwrap();
}
