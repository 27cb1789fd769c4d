//! Invalid certificates, in memory and in both directions: each is rejected, with an understandable reason.

#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test stops at what it did not expect")]

mod site;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pki::authority::{Intermediate, Whom};
use pki::leaf_facts::Role;
use pki::revocation::{Crls, PeerLeaf, peer_still_good};
use pki::revocation_reason::RevocationReason;
use pki::spiffe::PartyKind;
use pki::{Identity, Tolerance, renewal, tls};
use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use site::pipe::shake;
use site::{Site, own, params};

const GATEWAY: &str = "spiffe://t/gateway/g";
const SERVER: &str = "spiffe://t/comm-server/c";

type Change = fn(&mut CertificateParams);

fn listener(site: &Site) -> ServerConfig {
    let identity = site.identity(PartyKind::CommServer, "listener");
    tls::server_config(&identity, &[PartyKind::Gateway]).unwrap()
}

fn caller(site: &Site) -> ClientConfig {
    tls::client_config(&site.identity(PartyKind::Gateway, "g"), PartyKind::CommServer).unwrap()
}

fn unknown_critical(params: &mut CertificateParams) {
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions.push(extension);
}

/// A fault of a certificate, and the other side's error.
fn table() -> Vec<(Change, &'static str)> {
    vec![
        (|p| p.extended_key_usages.clear(), "no extended key usage"),
        (|p| p.extended_key_usages.push(ExtendedKeyUsagePurpose::Any), "extended key usage is `any`"),
        (|p| p.extended_key_usages.push(ExtendedKeyUsagePurpose::CodeSigning), "extended key usage is wrong"),
        (|p| p.subject_alt_names.retain(|name| !is_uri(name)), "0 URIs in the subject alternative name"),
        (
            |p| p.subject_alt_names.push(rcgen::SanType::URI("spiffe://t/gateway/other".try_into().unwrap())),
            "2 URIs in the subject alternative name",
        ),
        (
            |p| {
                p.subject_alt_names.retain(|name| !is_uri(name));
                p.distinguished_name.push(rcgen::DnType::CommonName, "g");
            },
            "0 URIs in the subject alternative name",
        ),
        (|p| p.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained), "a CA certificate is not accepted"),
        (|p| p.key_usages.push(rcgen::KeyUsagePurpose::KeyCertSign), "key usage allows signing certificates"),
        (|p| p.key_usages.clear(), "key usage lacks digitalSignature"),
        (
            |p| {
                p.not_before = rcgen::date_time_ymd(2020, 12, 1);
                p.not_after = rcgen::date_time_ymd(2021, 1, 1);
            },
            "certificate expired",
        ),
        (
            |p| {
                p.not_before = rcgen::date_time_ymd(2099, 1, 1);
                p.not_after = rcgen::date_time_ymd(2099, 2, 1);
            },
            "not valid yet",
        ),
        (|p| std::mem::swap(&mut p.not_before, &mut p.not_after), "ends before it begins"),
        (unknown_critical, "unknown critical extension"),
        (|p| p.not_after = rcgen::date_time_ymd(9999, 12, 31), "days: expected at most 100"),
        (|p| p.not_after += Duration::from_secs(10 * 86_400), "days: expected at most 100"),
        (|p| p.serial_number = Some(vec![0].into()), "serial number"),
        (|p| p.serial_number = Some(vec![0x41; 21].into()), "serial number"),
    ]
}

fn is_uri(name: &rcgen::SanType) -> bool {
    matches!(name, rcgen::SanType::URI(_))
}

#[test]
fn the_server_reports_why_it_rejects_a_client() {
    let site = Site::new("t");
    let listener = Arc::new(listener(&site));
    for (change, expected) in table() {
        let mut params = params(GATEWAY, false);
        change(&mut params);
        let mut client = caller(&site);
        client.client_auth_cert_resolver = site.odd(Intermediate::GatewayCa, &params);
        let said = tls::reason(&shake(&Arc::new(client), &listener).server.unwrap_err());
        assert!(said.contains(expected), "{said}\nexpected: {expected}");
    }
}

#[test]
fn the_client_reports_why_it_rejects_a_server() {
    let site = Site::new("t");
    let client = Arc::new(caller(&site));
    for (change, expected) in table() {
        let mut params = params(SERVER, true);
        change(&mut params);
        let mut server = listener(&site);
        server.cert_resolver = site.odd(Intermediate::ServerCa, &params);
        let said = tls::reason(&shake(&client, &Arc::new(server)).client.unwrap_err());
        assert!(said.contains(expected), "{said}\nexpected: {expected}");
    }
}

/// Every kind of wrong authority, for a client and for a server.
#[test]
fn wrong_authorities_are_reported_in_words() {
    let site = Site::new("t");
    let namesake = Site::new("t");
    let stranger = Site::new("u");
    let key = KeyPair::generate().unwrap();
    for (which, uri, server) in
        [(Intermediate::GatewayCa, GATEWAY, false), (Intermediate::ServerCa, SERVER, true)]
    {
        let params = params(uri, server);
        let alone: CertificateDer<'static> = params.self_signed(&key).unwrap().into();
        let leaf_key = KeyPair::generate().unwrap();
        let parent = params.signed_by(&leaf_key, &site.issuer(which)).unwrap();
        let below = params.signed_by(&key, &rcgen::Issuer::from_params(&params, &leaf_key)).unwrap();
        let intermediate = site.authority.certificate_of(which).clone();
        let by_leaf = own(vec![below.into(), parent.into(), intermediate], &key);
        for (shown, expected) in [
            (own(vec![alone], &key), "doesn't chain to a trusted root"),
            (stranger.odd(which, &params), "doesn't chain to a trusted root"),
            (namesake.odd(which, &params), "its signature or its intermediate's is wrong"),
            (by_leaf, "issue another"),
        ] {
            let (mut client, mut listener) = (caller(&site), listener(&site));
            if server {
                listener.cert_resolver = shown;
            } else {
                client.client_auth_cert_resolver = shown;
            }
            let done = shake(&Arc::new(client), &Arc::new(listener));
            let error = if server { done.client.unwrap_err() } else { done.server.unwrap_err() };
            let said = tls::reason(&error);
            assert!(said.contains(expected), "{which:?}: {said}\nexpected: {expected}");
        }
    }
}

#[test]
fn certificates_that_only_openssl_makes_are_rejected_with_the_reason() {
    let site = Site::new("t");
    let trust = site.identity(PartyKind::CommServer, "c").trust().clone();
    let file = |name: &str| site.dir.path().join(name).to_str().unwrap().to_owned();
    let (key, request, out, extensions) = (file("k.pem"), file("r.pem"), file("o.pem"), file("e.cnf"));
    let text = format!(
        "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=clientAuth\nsubjectAltName=URI:{GATEWAY}\n"
    );
    std::fs::write(&extensions, text).unwrap();
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let path = |name: &str| site.ca_file(name).to_str().unwrap().to_owned();
    let (ca, ca_key) = (path("gateway-ca.pem"), path("gateway-ca-key.pem"));
    for (algorithm, digest, expected) in [
        ("rsa:512", "-sha256", "key is RSA of 512 bits: expected"),
        ("rsa:1024", "-sha256", "key is RSA of 1024 bits: expected"),
        ("ec:P-192", "-sha256", "1.2.840.10045.3.1.1: expected"),
        // (Our CA's key is on a curve, with which OpenSSL won't use MD5.)
        ("rsa:2048", "-sha1", "its signature algorithm is not accepted"),
        ("rsa:2048", "-sha256", ""),
        ("rsa:4104", "-sha256", "key is RSA of 4104 bits: expected"),
        ("rsa:2048 e=3", "-sha256", "key is RSA of 2048 bits with exponent 3: expected"),
        ("rsa:2048 e=4294967297", "-sha256", "key is RSA of 2048 bits with exponent 4294967297: expected"),
    ] {
        let fixed = ["req", "-new", "-nodes", "-subj", "/CN=x", "-keyout", &key, "-out", &request];
        let kind: &[&str] = match algorithm {
            "ec:P-192" => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime192v1"],
            "rsa:2048 e=3" => &["-newkey", "rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3"],
            "rsa:2048 e=4294967297" => &["-newkey", "rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:4294967297"],
            rsa => &["-newkey", rsa],
        };
        openssl(&[&fixed[..], kind].concat());
        let sign =
            ["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-days", "2", "-out", &out];
        openssl(&[&sign[..], &["-set_serial", "77", "-extfile", &extensions, digest]].concat());
        let leaf = CertificateDer::from_pem_file(&out).unwrap();
        let chain = [leaf, site.authority.certificate_of(Intermediate::GatewayCa).clone()];
        let now = Timestamp::now().as_second();
        let verdict = tls::explain(&trust, &chain, Role::Client, &[PartyKind::Gateway], now);
        let said = verdict.err().map(|refused| refused.to_string()).unwrap_or_default();
        assert!(
            said.contains(expected) && said.is_empty() == expected.is_empty(),
            "{algorithm} {digest}: {said}"
        );
    }
}

#[test]
fn a_life_and_a_serial_number_that_only_openssl_gives_are_refused_in_words() {
    let site = Site::new("t");
    let trust = site.identity(PartyKind::CommServer, "c").trust().clone();
    let file = |name: &str| site.dir.path().join(name).to_str().unwrap().to_owned();
    let (key, request, out, extensions) = (file("k.pem"), file("r.pem"), file("o.pem"), file("e.cnf"));
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let fixed = ["req", "-new", "-nodes", "-subj", "/CN=x", "-keyout", &key, "-out", &request];
    openssl(&[&fixed[..], &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]].concat());
    let now = Timestamp::now().as_second();
    // Until the last day of year 9999.
    let forever = ((253_402_214_400 - now) / 86_400).to_string();
    let long = format!("0x{}", "41".repeat(21));
    let client = "clientAuth";
    for (kind, days, serial, purposes, expected) in [
        ("gateway", "90", "77", client, ""),
        ("gateway", "100", "77", client, ""),
        ("gateway", "101", "77", client, "is valid for 101 days: expected at most 100"),
        ("gateway", forever.as_str(), "77", client, "days: expected at most 100"),
        ("gateway", "90", "0", client, "serial number"),
        ("gateway", "90", "-5", client, "serial number"),
        ("gateway", "90", long.as_str(), client, "serial number"),
        ("comm-server", "90", "77", "serverAuth,clientAuth", ""),
        ("comm-server", "90", "77", "serverAuth", "expected exactly serverAuth and clientAuth"),
        ("global-server", "90", "77", "serverAuth", ""),
        ("global-server", "90", "77", "serverAuth,clientAuth", "expected exactly serverAuth"),
        ("operator", "90", "77", client, ""),
        ("operator", "90", "77", "clientAuth,codeSigning", "expected exactly clientAuth"),
    ] {
        let text = format!(
            "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage={purposes}\n\
             subjectAltName=URI:spiffe://t/{kind}/n{}\n",
            if kind.ends_with("server") { ",DNS:localhost" } else { "" }
        );
        std::fs::write(&extensions, text).unwrap();
        let which = if kind == "gateway" { Intermediate::GatewayCa } else { Intermediate::ServerCa };
        let path = |name: String| site.ca_file(&name).to_str().unwrap().to_owned();
        let (ca, ca_key) =
            (path(format!("{}.pem", which.as_str())), path(format!("{}-key.pem", which.as_str())));
        let sign = ["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-out", &out];
        let how = ["-days", days, "-set_serial", serial, "-extfile", &extensions, "-sha256"];
        openssl(&[&sign[..], &how].concat());
        let leaf = CertificateDer::from_pem_file(&out).unwrap();
        let chain = [leaf, site.authority.certificate_of(which).clone()];
        let role = if kind.ends_with("server") { Role::Server } else { Role::Client };
        let verdict = tls::explain(&trust, &chain, role, &PartyKind::ALL, now);
        let said = verdict.err().map(|refused| refused.to_string()).unwrap_or_default();
        assert!(
            said.contains(expected) && said.is_empty() == expected.is_empty(),
            "{kind} of {days} days, serial {serial}, {purposes}: {said}\nexpected: {expected}"
        );
    }
}

#[test]
fn a_peer_without_a_common_group_gets_the_reason() {
    let site = Site::new("t");
    let mut provider = rustls::crypto::CryptoProvider::clone(&tls::provider());
    provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::MLKEM768];
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let said = tls::reason(&shake(&Arc::new(client), &Arc::new(listener(&site))).server.unwrap_err());
    assert!(said.contains("no key exchange group in common"), "{said}");
}

/// The identity of a listener with the current lists.
fn with_lists(site: &Site) -> Identity {
    let now = Timestamp::now();
    let lists = site.authority.revocation_lists(now, now + Duration::from_secs(3600)).unwrap();
    lists.write(&site.dir.path().join("crl")).unwrap();
    let mut config = site.issue(PartyKind::CommServer, "listener");
    config.crl = Some(site.dir.path().join("crl/crl.pem"));
    Identity::load(&config).unwrap()
}

#[test]
fn a_revoked_client_loses_its_connection_and_neither_reconnects_nor_resumes() {
    let site = Site::new("t");
    let client = Arc::new(caller(&site));
    let identity = with_lists(&site);
    let config = |identity: &Identity| Arc::new(tls::server_config(identity, &[PartyKind::Gateway]).unwrap());
    let old = config(&identity);
    let first = shake(&client, &old);
    let leaf = PeerLeaf::of(&first.server_connection.peer_certificates().unwrap()[0]).unwrap();
    let now = Timestamp::now();
    assert_eq!(peer_still_good(&leaf, identity.crls(), now.as_second()), Ok(()));

    site.authority
        .revoke(&Whom::Party("gateway/g".parse().unwrap()), RevocationReason::KeyCompromise, now)
        .unwrap();
    with_lists(&site);
    let newer = identity.with_crls(Arc::new(identity.crls().reload(now).unwrap().taken.unwrap()));
    // The open connection.
    let refused = peer_still_good(&leaf, newer.crls(), now.as_second()).unwrap_err().to_string();
    assert!(refused.contains("was revoked at") && refused.contains("keyCompromise"), "{refused}");
    // A session of the old configuration resumes there still, and the check after the handshake sees who it is.
    let resumed = shake(&client, &old);
    assert_eq!(resumed.kind(), Some(HandshakeKind::Resumed));
    let leaf = PeerLeaf::of(&resumed.server_connection.peer_certificates().unwrap()[0]).unwrap();
    assert!(peer_still_good(&leaf, newer.crls(), now.as_second()).is_err());
    // Another certificate of the same serial number is no way back.
    let mut twin = params("spiffe://t/gateway/twin", false);
    twin.serial_number = Some(hex::decode(&site.authority.revocations().unwrap()[0].serial).unwrap().into());
    twin.use_authority_key_identifier_extension = true;
    let mut other = caller(&site);
    other.client_auth_cert_resolver = site.odd(Intermediate::GatewayCa, &twin);
    let said = tls::reason(&shake(&Arc::new(other), &config(&newer)).server.unwrap_err());
    assert_eq!(said, "it was revoked");
    // The new configuration inherits nothing.
    let done = shake(&client, &config(&newer));
    assert_eq!(tls::reason(&done.server.unwrap_err()), "it was revoked");
    let told = done.client.unwrap_err().to_string();
    assert!(told.contains("CertificateRevoked"), "{told}");
}

#[test]
fn a_client_refuses_a_revoked_server() {
    let site = Site::new("t");
    let server = Arc::new(tls::server_config(&with_lists(&site), &[PartyKind::Gateway]).unwrap());
    let whom = Whom::Party("comm-server/listener".parse().unwrap());
    site.authority.revoke(&whom, RevocationReason::Superseded, Timestamp::now()).unwrap();
    with_lists(&site);
    let mut config = site.issue(PartyKind::Gateway, "g");
    config.crl = Some(site.dir.path().join("crl/crl.pem"));
    let client = tls::client_config(&Identity::load(&config).unwrap(), PartyKind::CommServer).unwrap();
    let said = tls::reason(&shake(&Arc::new(client), &server).client.unwrap_err());
    assert_eq!(said, "it was revoked");
}

#[test]
fn clocks_may_differ_by_the_configured_skew_in_a_handshake_too() {
    let site = Site::new("t");
    let now = Timestamp::now().as_second();
    let at = |second: i64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(second.unsigned_abs());
    for (skew, validity, good) in [
        (300, (now - 1000, now - 200), true),
        (300, (now + 200, now + 1000), true),
        (60, (now - 1000, now - 200), false),
        (60, (now + 200, now + 1000), false),
    ] {
        let mut params = params(GATEWAY, false);
        (params.not_before, params.not_after) = (at(validity.0), at(validity.1));
        let tolerance = Tolerance { clock_skew_s: skew, ..Tolerance::default() };
        let listener =
            Identity::load_with(&site.issue(PartyKind::CommServer, "listener"), tolerance).unwrap();
        let listener = Arc::new(tls::server_config(&listener, &[PartyKind::Gateway]).unwrap());
        let mut client = caller(&site);
        client.client_auth_cert_resolver = site.odd(Intermediate::GatewayCa, &params);
        let done = shake(&Arc::new(client), &listener);
        assert_eq!(done.server.is_ok(), good, "{skew}: {:?}", done.server);
    }
}

#[test]
fn a_gateway_enrolls_with_nothing_but_a_token_and_a_renewal_is_proven() {
    let site = Site::new("t");
    let listener = site.identity(PartyKind::CommServer, "listener");
    let server = Arc::new(tls::enrollment_server_config(&listener, &[PartyKind::Gateway]).unwrap());
    let client = tls::enrollment_client_config(listener.trust(), PartyKind::CommServer).unwrap();
    let anonymous = shake(&Arc::new(client), &server);
    assert_eq!((&anonymous.client, &anonymous.server), (&Ok(()), &Ok(())));
    assert!(anonymous.server_connection.peer_certificates().is_none());
    let known = shake(&Arc::new(caller(&site)), &server);
    assert_eq!(known.server_connection.peer_certificates().unwrap().len(), 2);
    let mut odd = caller(&site);
    odd.client_auth_cert_resolver = Site::new("u").odd(Intermediate::GatewayCa, &params(GATEWAY, false));
    assert!(shake(&Arc::new(odd), &server).server.is_err());

    let (old, other) = (site.identity(PartyKind::Gateway, "g"), site.identity(PartyKind::Gateway, "h"));
    let now = Timestamp::now();
    assert_eq!(renewal::prove(&old, old.id(), None, now), Ok(()));
    assert_eq!(renewal::prove(&listener, listener.id(), None, now), Ok(()));
    let no_longer = renewal::prove(&old, old.id(), Some(&old), now).unwrap_err().to_string();
    assert!(no_longer.contains("no later than the old one"), "{no_longer}");
    let other = renewal::prove(&other, old.id(), None, now).unwrap_err().to_string();
    assert!(other.contains("is for spiffe://t/gateway/h: expected spiffe://t/gateway/g"), "{other}");
    let late = now + Duration::from_secs(91 * 86_400);
    assert!(matches!(renewal::prove(&old, old.id(), None, late), Err(renewal::ProofError::Rejected(_))));
    assert!(!Crls::none(Tolerance::default()).is_configured());
}
