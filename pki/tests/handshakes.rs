//! Real handshakes in memory between our own configurations: which peers are accepted, and why others are rejected.

#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test stops at what it did not expect")]

mod site;

use std::fs;
use std::sync::Arc;

use pki::authority::Intermediate;
use pki::rejection::Rejection;
use pki::spiffe::PartyKind;
use pki::{Identity, tls};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, CustomExtension, ExtendedKeyUsagePurpose, KeyPair,
    RevokedCertParams,
};
use rustls::client::ResolvesClientCert;
use rustls::{
    CertificateError, ClientConfig, Error, HandshakeKind, NamedGroup, OtherError, ProtocolVersion,
    ServerConfig,
};
use site::pipe::{Handshake, shake, shake_with};
use site::{Site, own, params};

const GATEWAY_URI: &str = "spiffe://t/gateway/g";
const SERVER_URI: &str = "spiffe://t/comm-server/c";

fn listener(site: &Site) -> Arc<ServerConfig> {
    let identity = site.identity(PartyKind::CommServer, "listener");
    Arc::new(tls::server_config(&identity, &[PartyKind::Gateway]).unwrap())
}

fn caller(site: &Site, name: &str) -> ClientConfig {
    tls::client_config(&site.identity(PartyKind::Gateway, name), PartyKind::CommServer).unwrap()
}

/// Our own rejection within an error of rustls.
fn refusal(verdict: &Result<(), Error>) -> Option<&Rejection> {
    match verdict {
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(reason)))) => reason.downcast_ref(),
        Ok(()) | Err(_) => None,
    }
}

#[test]
fn a_gateway_and_its_server_meet_with_post_quantum_keys_in_few_bytes() {
    let site = Site::new("t");
    let handshake = shake(&Arc::new(caller(&site, "g")), &listener(&site));
    assert_eq!((&handshake.client, &handshake.server), (&Ok(()), &Ok(())));
    assert_eq!(handshake.version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(handshake.group(), Some(NamedGroup::X25519MLKEM768));
    let connection = &handshake.server_connection;
    assert_eq!(connection.alpn_protocol(), Some(&b"h2"[..]));
    let suite = connection.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, rustls::CipherSuite::TLS13_AES_256_GCM_SHA384);
    let leaf = &connection.peer_certificates().unwrap()[0];
    assert_eq!(tls::peer(leaf).unwrap().0.to_string(), GATEWAY_URI);
    println!("full mutual handshake: {} bytes", handshake.bytes);
    assert!(handshake.bytes < 6_000, "{} bytes", handshake.bytes);
}

#[test]
fn a_comm_server_calls_the_global_server() {
    let site = Site::new("t");
    let listener = site.identity(PartyKind::GlobalServer, "global");
    let accepted = [PartyKind::Gateway, PartyKind::CommServer];
    let listener = Arc::new(tls::server_config(&listener, &accepted).unwrap());
    let caller = site.identity(PartyKind::CommServer, "comm");
    let caller = Arc::new(tls::client_config(&caller, PartyKind::GlobalServer).unwrap());
    let handshake = shake(&caller, &listener);
    assert_eq!((&handshake.client, &handshake.server), (&Ok(()), &Ok(())));
    let handshake = shake_with("127.0.0.1", &caller, &listener);
    assert_eq!((&handshake.client, &handshake.server), (&Ok(()), &Ok(())));
}

/// The error if a client presents another certificate than that of `caller`.
fn refused_client(site: &Site, shown: Arc<dyn ResolvesClientCert>) -> Handshake {
    let mut client = caller(site, "g");
    client.client_auth_cert_resolver = shown;
    let handshake = shake(&Arc::new(client), &listener(site));
    assert!(handshake.server.is_err(), "it got in");
    assert!(handshake.client.is_err(), "the client wasn't told");
    handshake
}

/// Presents an odd certificate that chains to the root; the reason of rustls-webpki or our own must contain
/// `expected`.
fn assert_client_refused(which: Intermediate, params: &CertificateParams, expected: &str) {
    let site = Site::new("t");
    let handshake = refused_client(&site, site.odd(which, params));
    let said = format!("{:?}", handshake.server.unwrap_err());
    assert!(said.contains(expected), "{said}\nexpected: {expected}");
}

#[test]
fn odd_clients_are_refused_with_the_reason() {
    let gateway = |change: fn(&mut CertificateParams)| {
        let mut params = params(GATEWAY_URI, false);
        change(&mut params);
        params
    };
    for (params, expected) in [
        (gateway(|p| p.extended_key_usages.clear()), "NoPurpose"),
        (gateway(|p| p.extended_key_usages.push(ExtendedKeyUsagePurpose::Any)), "AnyPurpose"),
        (gateway(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]), "InvalidPurpose"),
        (gateway(|p| p.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth)), "WrongPurpose"),
        (gateway(|p| p.extended_key_usages.push(ExtendedKeyUsagePurpose::CodeSigning)), "WrongPurpose"),
        (gateway(|p| p.key_usages.push(rcgen::KeyUsagePurpose::KeyCertSign)), "MaySignCertificates"),
        (gateway(|p| p.key_usages.clear()), "NoDigitalSignature"),
        (gateway(|p| p.subject_alt_names.clear()), "UriCount(0)"),
        (gateway(|p| p.subject_alt_names.push(p.subject_alt_names[0].clone())), "UriCount(2)"),
        (
            gateway(|p| {
                p.not_before = rcgen::date_time_ymd(2020, 12, 1);
                p.not_after = rcgen::date_time_ymd(2021, 1, 1);
            }),
            "Expired",
        ),
        (
            gateway(|p| {
                p.not_before = rcgen::date_time_ymd(2099, 1, 1);
                p.not_after = rcgen::date_time_ymd(2099, 2, 1);
            }),
            "NotValidYet",
        ),
        (gateway(|p| p.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)), "CaUsedAsEndEntity"),
        (gateway(|p| p.custom_extensions.push(unknown_critical())), "UnsupportedCriticalExtension"),
        (params("spiffe://u/gateway/g", false), "OtherTrustDomain"),
        (params("spiffe://t/printer/g", false), "NotSpiffe"),
        (params("spiffe://t/comm-server/g", false), "WrongKind"),
        (params("spiffe://t/operator/g", false), "WrongKind"),
        (params(GATEWAY_URI, true), "NameConstraintViolation"),
    ] {
        assert_client_refused(Intermediate::GatewayCa, &params, expected);
    }
    assert_client_refused(Intermediate::ServerCa, &params(GATEWAY_URI, false), "WrongIssuer");
    assert_client_refused(Intermediate::ServerCa, &params(SERVER_URI, true), "WrongKind");
}

fn unknown_critical() -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
    extension.set_criticality(true);
    extension
}

#[test]
fn strangers_are_refused() {
    let site = Site::new("t");
    // The first has the same names as ours, with other keys.
    for (trust_domain, expected) in
        [("t", CertificateError::BadSignature), ("other", CertificateError::UnknownIssuer)]
    {
        let stranger = Site::new(trust_domain).odd(Intermediate::GatewayCa, &params(GATEWAY_URI, false));
        let handshake = refused_client(&site, stranger);
        assert_eq!(handshake.server, Err(Error::InvalidCertificate(expected)));
    }

    let key = KeyPair::generate().unwrap();
    let alone = params(GATEWAY_URI, false).self_signed(&key).unwrap();
    let handshake = refused_client(&site, own(vec![alone.into()], &key));
    assert_eq!(handshake.server, Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)));
}

#[test]
fn a_gateways_certificate_issues_nothing() {
    let site = Site::new("t");
    let (gateway_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let gateway_params = params(GATEWAY_URI, false);
    let gateway = gateway_params.signed_by(&gateway_key, &site.issuer(Intermediate::GatewayCa)).unwrap();
    let issuer = rcgen::Issuer::from_params(&gateway_params, &gateway_key);
    let leaf = params("spiffe://t/gateway/other", false).signed_by(&key, &issuer).unwrap();
    let intermediate = site.authority.certificate_of(Intermediate::GatewayCa).clone();
    let handshake = refused_client(&site, own(vec![leaf.into(), gateway.into(), intermediate], &key));
    assert!(matches!(handshake.server, Err(Error::InvalidCertificate(_))), "{:?}", handshake.server);
}

#[test]
fn the_gateway_ca_can_make_no_server_even_with_a_decoy_beside_it() {
    let site = Site::new("t");
    let listener = site.identity(PartyKind::GlobalServer, "global");
    let listener = Arc::new(tls::server_config(&listener, &[PartyKind::CommServer]).unwrap());
    let key = KeyPair::generate().unwrap();
    let issuer = site.issuer(Intermediate::GatewayCa);
    let leaf = params(SERVER_URI, false).signed_by(&key, &issuer).unwrap();
    let real = site.authority.certificate_of(Intermediate::GatewayCa).clone();
    // Bears the gateway CA's name and claims what the server CA may do.
    let mut decoy = params(SERVER_URI, true);
    decoy.distinguished_name.push(rcgen::DnType::OrganizationName, "t");
    decoy.distinguished_name.push(rcgen::DnType::CommonName, "gateway CA");
    let decoy = decoy.self_signed(&key).unwrap();
    let caller = site.identity(PartyKind::CommServer, "c");
    let client = tls::client_config(&caller, PartyKind::GlobalServer).unwrap();
    for intermediates in
        [vec![real.clone()], vec![decoy.clone().into(), real.clone()], vec![real, decoy.into()]]
    {
        let mut client = client.clone();
        let chain = [vec![leaf.der().clone()], intermediates].concat();
        client.client_auth_cert_resolver = own(chain, &key);
        let handshake = shake(&Arc::new(client), &listener);
        let reason = refusal(&handshake.server);
        assert!(matches!(reason, Some(Rejection::WrongIssuer { .. })), "{:?}", handshake.server);
    }
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let site = Site::new("t");
    let mut client = caller(&site, "g");
    client.client_auth_cert_resolver = Arc::new(NoCertificate);
    let handshake = shake(&Arc::new(client), &listener(&site));
    assert_eq!(handshake.server, Err(Error::NoCertificatesPresented));
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// A gateway's error about a server that presents an odd certificate.
fn client_says(site: &Site, which: Intermediate, params: &CertificateParams) -> String {
    let mut server = ServerConfig::clone(&listener(site));
    server.cert_resolver = site.odd(which, params);
    let handshake = shake(&Arc::new(caller(site, "g")), &Arc::new(server));
    format!("{:?}", handshake.client.unwrap_err())
}

#[test]
fn a_gateway_is_not_fooled_by_an_odd_server() {
    for (which, params, expected) in [
        (Intermediate::GatewayCa, params(GATEWAY_URI, false), "NotValidForName"),
        (Intermediate::GatewayCa, params(SERVER_URI, true), "NameConstraintViolation"),
        (Intermediate::ServerCa, params(GATEWAY_URI, true), "WrongKind"),
        (Intermediate::ServerCa, params("spiffe://t/global-server/g", true), "WrongKind"),
        (Intermediate::ServerCa, params("spiffe://u/comm-server/c", true), "OtherTrustDomain"),
        (Intermediate::ServerCa, params(SERVER_URI, false), "InvalidPurpose"),
    ] {
        let site = Site::new("t");
        let said = client_says(&site, which, &params);
        let either = [expected, "InvalidPurpose"];
        assert!(either.iter().any(|expected| said.contains(expected)), "{said}\nexpected: {expected}");
    }
    let site = Site::new("t");
    let handshake = shake_with("other.example", &Arc::new(caller(&site, "g")), &listener(&site));
    let said = format!("{:?}", handshake.client.unwrap_err());
    assert!(said.contains("NotValidForName"), "{said}");
}

#[test]
fn only_servers_listen() {
    let site = Site::new("t");
    let gateway = site.identity(PartyKind::Gateway, "g");
    let error = tls::server_config(&gateway, &[PartyKind::Gateway]).unwrap_err();
    assert!(matches!(error, tls::TlsError::NoServer(PartyKind::Gateway)), "{error}");
    assert!(tls::public_server_config(&gateway).is_err());
}

#[test]
fn the_public_listener_requests_no_certificate() {
    let site = Site::new("t");
    let identity = site.identity(PartyKind::CommServer, "c");
    let server = Arc::new(tls::public_server_config(&identity).unwrap());
    let mut client = caller(&site, "g");
    client.client_auth_cert_resolver = Arc::new(NoCertificate);
    let handshake = shake(&Arc::new(client), &server);
    assert_eq!((&handshake.client, &handshake.server), (&Ok(()), &Ok(())));
}

#[test]
fn a_new_configuration_resumes_nothing_of_the_old_one() {
    let site = Site::new("t");
    let identity = site.identity(PartyKind::CommServer, "c");
    let config = || Arc::new(tls::server_config(&identity, &[PartyKind::Gateway]).unwrap());
    let (old, new) = (config(), config());
    let client = Arc::new(caller(&site, "g"));
    assert_eq!(shake(&client, &old).kind(), Some(HandshakeKind::Full));
    let resumed = shake(&client, &old);
    assert_eq!(resumed.kind(), Some(HandshakeKind::Resumed));
    println!("resumed handshake: {} bytes", resumed.bytes);
    let handshake = shake(&client, &new);
    assert_eq!((&handshake.server, handshake.kind()), (&Ok(()), Some(HandshakeKind::Full)));
}

#[test]
fn a_configured_revocation_list_is_obeyed() {
    let site = Site::new("t");
    let (good, bad) = (site.issue(PartyKind::Gateway, "good"), site.issue(PartyKind::Gateway, "bad"));
    let serial = site.authority.issued().unwrap()[1].serial.clone();
    let crl = |which: Intermediate, year, revoked: &[&str]| {
        let entry = |serial: &&str| RevokedCertParams {
            serial_number: hex::decode(serial).unwrap().into(),
            revocation_time: rcgen::date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(year, 1, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        let signer = fs::read_to_string(site.ca_file(&format!("{}.pem", which.as_str()))).unwrap();
        list.signed_by(&site.issuer(which)).unwrap().pem().unwrap() + &signer
    };
    let mut config = site.issue(PartyKind::CommServer, "c");
    let path = site.dir.path().join("crl.pem");
    config.crl = Some(path.clone());
    let verdict = |text: String, gateway| {
        fs::write(&path, text).unwrap();
        let server = tls::server_config(&Identity::load(&config).unwrap(), &[PartyKind::Gateway]).unwrap();
        let client = tls::client_config(&Identity::load(gateway).unwrap(), PartyKind::CommServer).unwrap();
        let error = shake(&Arc::new(client), &Arc::new(server)).server.err();
        error.map(|error| format!("{error:?}"))
    };
    let fresh = crl(Intermediate::GatewayCa, 2100, &[&serial]);
    assert_eq!(verdict(fresh.clone(), &good), None);
    let refused = verdict(fresh, &bad).unwrap();
    assert!(refused.contains("Revoked"), "{refused}");
    let stale = verdict(crl(Intermediate::GatewayCa, 2021, &[]), &good).unwrap();
    assert!(stale.contains("ExpiredRevocationList"), "{stale}");
    let other = verdict(crl(Intermediate::ServerCa, 2100, &[]), &good).unwrap();
    assert!(other.contains("UnknownRevocationStatus"), "{other}");
}
