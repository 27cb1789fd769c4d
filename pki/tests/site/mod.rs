//! A trust domain in a temporary folder, with valid identities by our authority and invalid ones by rcgen.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod pipe;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pki::authority::{Authority, Intermediate, Passphrase, Request};
use pki::spiffe::PartyKind;
use pki::{Identity, IdentityConfig, tls};
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;

pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) authority: Authority,
}

impl Site {
    pub(crate) fn new(trust_domain: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let domain = trust_domain.parse().unwrap();
        let ca = dir.path().join("ca");
        let authority = Authority::init(&ca, &domain, &Passphrase::InsecureNone, Timestamp::now()).unwrap();
        Self { dir, authority }
    }

    /// Issues a certificate at the first call; returns the paths of its files.
    pub(crate) fn issue(&self, profile: PartyKind, name: &str) -> IdentityConfig {
        let out = self.dir.path().join(format!("{profile}-{name}"));
        if !out.exists() {
            let dns = if profile.is_server() { vec!["localhost".to_owned()] } else { Vec::new() };
            let ips = if profile.is_server() { vec!["127.0.0.1".parse().unwrap()] } else { Vec::new() };
            let request = Request { profile, name: name.to_owned(), dns, ips };
            self.authority.issue(&request, Timestamp::now()).unwrap().write(&out).unwrap();
        }
        let file = |name: &str| out.join(name);
        IdentityConfig {
            certificate: file("cert.pem"),
            key: file("key.pem"),
            root: file("root.pem"),
            crl: None,
        }
    }

    pub(crate) fn identity(&self, profile: PartyKind, name: &str) -> Identity {
        Identity::load(&self.issue(profile, name)).unwrap()
    }

    pub(crate) fn ca_file(&self, name: &str) -> PathBuf {
        self.dir.path().join("ca").join(name)
    }

    /// The intermediate as an issuer for rcgen.
    pub(crate) fn issuer(&self, which: Intermediate) -> Issuer<'static, KeyPair> {
        let key = fs::read_to_string(self.ca_file(&format!("{}-key.pem", which.as_str()))).unwrap();
        Issuer::from_ca_cert_der(self.authority.certificate_of(which), KeyPair::from_pem(&key).unwrap())
            .unwrap()
    }

    /// A leaf with these `params`, issued by an intermediate, followed by the intermediate.
    pub(crate) fn odd(&self, which: Intermediate, params: &CertificateParams) -> Arc<SingleCertAndKey> {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer(which)).unwrap();
        own(vec![leaf.into(), self.authority.certificate_of(which).clone()], &key)
    }
}

/// A chain and its key in the types of rustls.
pub(crate) fn own(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<SingleCertAndKey> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = tls::provider().key_provider.load_private_key(key).unwrap();
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)))
}

/// The parameters of a valid leaf of `uri`; a server also has the name `localhost`.
pub(crate) fn params(uri: &str, server: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = Duration::from_secs(Timestamp::now().as_second().unsigned_abs());
    params.not_before = epoch + now - Duration::from_secs(3600);
    params.not_after = epoch + now + Duration::from_secs(90 * 86_400);
    params.serial_number = Some(77_u64.into());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    if server {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names.push(SanType::DnsName("localhost".try_into().unwrap()));
    }
    params
}
