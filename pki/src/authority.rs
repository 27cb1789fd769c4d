//! The authority of a trust domain: an offline root, and two intermediates that issue from a folder of files.
//!
//! The server CA issues to servers and operators; the gateway CA to gateways. They never swap: the gateway CA's
//! extended key usage and name constraints keep its certificates from ever serving as a server's, and
//! [`crate::leaf`] refuses a server or an operator that it issued.

mod folder;
mod key_file;
mod ledger;
mod profile;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rcgen::{CertificateParams, Issuer, KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::facts;
use crate::inspect;
use crate::pem_file::PemFileError;
use crate::spiffe::{InvalidSpiffeId, PartyKind, SpiffeId, TrustDomain};
use folder::Folder;
pub(crate) use folder::to_pem;
pub use ledger::Record;
pub use profile::{LEAF_DAYS, Request};

/// What protects the root's key on disk.
#[derive(Debug)]
pub enum Passphrase {
    /// Encrypted by this one (PKCS#8, PBES2: `openssl pkey` reads it too).
    Given(SecretString),
    /// By file permissions alone: for tests and demonstrations.
    InsecureNone,
}

/// The shortest passphrase, bytes.
pub const PASSPHRASE_BYTES: usize = 8;

/// Why the authority can't do what it should.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// There is one already, or something else.
    #[error("{} exists and is not empty: an authority is never overwritten, choose another --dir", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// There is none.
    #[error("{} is no authority's folder: run `platen-pki init --dir {}` first", path.display(), path.display())]
    Absent {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file can't be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] PemFileError),
    /// A file of the authority is damaged.
    #[error("{} is damaged, {what}: restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How.
        what: String,
    },
    /// The passphrase is too short.
    #[error("the passphrase is too short: expected at least {PASSPHRASE_BYTES} bytes")]
    ShortPassphrase,
    /// The name asked for.
    #[error("cannot name the party")]
    Name(#[from] InvalidSpiffeId),
    /// A DNS name asked for.
    #[error("DNS name {given:?} is not valid: expected labels of letters, digits and '-', joined by dots")]
    DnsName {
        /// As given.
        given: String,
    },
    /// A server without a name to call it by.
    #[error("party of kind {0} needs at least one --dns or --ip: its clients check the name that they call")]
    NoHost(PartyKind),
    /// A client with a name to call it by.
    #[error("party of kind {0} takes no --dns and no --ip: nobody calls it")]
    SurplusHost(PartyKind),
    /// The intermediate has expired.
    #[error("the {authority} expired at {not_after}: renew it")]
    AuthorityExpired {
        /// Which.
        authority: &'static str,
        /// When.
        not_after: Timestamp,
    },
    /// The place of an issued certificate is taken.
    #[error("{} exists: a key is never overwritten, move it away or choose another --out", path.display())]
    OutExists {
        /// The file.
        path: PathBuf,
    },
    /// Random numbers, keys or signatures failed.
    #[error("cannot make keys or sign: {0}")]
    Crypto(String),
}

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> Self {
        Self::Crypto(error.to_string())
    }
}

/// Which intermediate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intermediate {
    /// For servers and operators.
    ServerCa,
    /// For gateways.
    GatewayCa,
}

impl Intermediate {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ServerCa, Self::GatewayCa];

    /// The one that issues to a kind of party.
    #[must_use]
    pub const fn of(kind: PartyKind) -> Self {
        match kind {
            PartyKind::Gateway => Self::GatewayCa,
            PartyKind::CommServer | PartyKind::GlobalServer | PartyKind::Operator => Self::ServerCa,
        }
    }

    /// Name of its files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerCa => "server-ca",
            Self::GatewayCa => "gateway-ca",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::ServerCa => "server CA",
            Self::GatewayCa => "gateway CA",
        }
    }
}

/// An intermediate that can sign.
struct Signer {
    certificate: CertificateDer<'static>,
    not_after: Timestamp,
    issuer: Issuer<'static, KeyPair>,
}

/// An opened authority: everything but the root's key.
pub struct Authority {
    folder: Folder,
    trust_domain: TrustDomain,
    root: CertificateDer<'static>,
    server_ca: Signer,
    gateway_ca: Signer,
}

/// A certificate with a key made for it.
pub struct Issued {
    /// What the ledger keeps.
    pub record: Record,
    /// Leaf, then intermediate, PEM.
    pub chain_pem: String,
    /// The root, PEM.
    pub root_pem: String,
    key: KeyPair,
}

impl Authority {
    /// Makes an authority in `dir`, all of it or nothing.
    ///
    /// # Errors
    /// `dir` isn't empty or can't be written, or the passphrase is too short.
    pub fn init(
        dir: &Path,
        trust_domain: &TrustDomain,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let making = Folder::make_beside(dir)?;
        let made = Self::fill(&making, trust_domain, passphrase, now).and_then(|()| making.move_to(dir));
        if made.is_err() {
            making.discard();
        }
        made?;
        Self::open(dir)
    }

    fn fill(
        folder: &Folder,
        trust_domain: &TrustDomain,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<(), AuthorityError> {
        let root_key = KeyPair::generate()?;
        let root_params = profile::root(trust_domain, now)?;
        folder.write("root.pem", &root_params.self_signed(&root_key)?.pem())?;
        folder.write_secret("root-key.pem", &key_file::to_pem(&root_key, passphrase)?)?;
        let root = Issuer::new(root_params, root_key);
        for which in Intermediate::ALL {
            let key = KeyPair::generate()?;
            let certificate = profile::intermediate(which, trust_domain, now)?.signed_by(&key, &root)?;
            folder.write(&format!("{}.pem", which.as_str()), &certificate.pem())?;
            folder.write_secret(&format!("{}-key.pem", which.as_str()), &key.serialize_pem())?;
        }
        folder.write(ledger::FILE, "")?;
        folder.write_about(trust_domain, now)
    }

    /// Opens the authority in `dir`: every file is checked, and that each belongs to the others.
    ///
    /// # Errors
    /// There is none, a file is damaged, or a key can be read by others.
    pub fn open(dir: &Path) -> Result<Self, AuthorityError> {
        let folder = Folder::at(dir);
        let trust_domain = folder.trust_domain()?;
        let root = folder.certificate("root.pem")?;
        let server_ca = open_signer(&folder, Intermediate::ServerCa, &root)?;
        let gateway_ca = open_signer(&folder, Intermediate::GatewayCa, &root)?;
        Ok(Self { folder, trust_domain, root, server_ca, gateway_ca })
    }

    /// The trust domain.
    #[must_use]
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The root's certificate.
    #[must_use]
    pub const fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The certificate of an intermediate.
    #[must_use]
    pub const fn certificate_of(&self, which: Intermediate) -> &CertificateDer<'static> {
        &self.signer(which).certificate
    }

    /// Makes a key and issues its certificate; the ledger has it on disk before this returns.
    ///
    /// # Errors
    /// The request breaks a rule of its profile, the intermediate has expired, or the ledger can't be written.
    pub fn issue(&self, request: &Request, now: Timestamp) -> Result<Issued, AuthorityError> {
        let key = KeyPair::generate()?;
        let (record, leaf) = self.sign(request, &key, now)?;
        let signer = self.signer(Intermediate::of(request.profile));
        let chain_pem = to_pem(&leaf) + &to_pem(&signer.certificate);
        Ok(Issued { record, chain_pem, root_pem: to_pem(&self.root), key })
    }

    /// Issues a certificate for a public key; the ledger has it on disk before this returns.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn sign(
        &self,
        request: &Request,
        public_key: &impl PublicKeyData,
        now: Timestamp,
    ) -> Result<(Record, CertificateDer<'static>), AuthorityError> {
        let which = Intermediate::of(request.profile);
        let signer = self.signer(which);
        if signer.not_after <= now {
            let not_after = signer.not_after;
            return Err(AuthorityError::AuthorityExpired { authority: which.title(), not_after });
        }
        let id = SpiffeId {
            trust_domain: self.trust_domain.clone(),
            party: request.profile.named(&request.name)?,
        };
        let params: CertificateParams = profile::leaf(request, &id, now, signer.not_after)?;
        let leaf = CertificateDer::from(params.signed_by(public_key, &signer.issuer)?);
        let crypto = |refused: crate::leaf::Refused| AuthorityError::Crypto(refused.to_string());
        let description = inspect::describe(&leaf).map_err(crypto)?;
        let record = Record {
            serial: description.serial,
            id,
            issuer: which,
            not_before: description.not_before,
            not_after: description.not_after,
            dns: request.dns.clone(),
            ips: request.ips.clone(),
            fingerprint_sha256: description.fingerprint_sha256,
            issued_at: now,
        };
        ledger::append(&self.folder.path(ledger::FILE), &record)?;
        Ok((record, leaf))
    }

    /// Everything issued, oldest first.
    ///
    /// # Errors
    /// The ledger can't be read, or a line of it is damaged.
    pub fn issued(&self) -> Result<Vec<Record>, AuthorityError> {
        ledger::read(&self.folder.path(ledger::FILE))
    }

    const fn signer(&self, which: Intermediate) -> &Signer {
        match which {
            Intermediate::ServerCa => &self.server_ca,
            Intermediate::GatewayCa => &self.gateway_ca,
        }
    }
}

impl Issued {
    /// Refuses a folder that has a certificate or key already.
    ///
    /// # Errors
    /// It has.
    pub fn check_out(out: &Path) -> Result<(), AuthorityError> {
        match ["cert.pem", "key.pem"].map(|name| out.join(name)).into_iter().find(|path| path.exists()) {
            Some(path) => Err(AuthorityError::OutExists { path }),
            None => Ok(()),
        }
    }

    /// Writes `cert.pem` (leaf, intermediate), `key.pem` (0600) and `root.pem` to a folder, made if need be.
    ///
    /// # Errors
    /// A certificate or key is there already, or the folder can't be written.
    pub fn write(&self, out: &Path) -> Result<(), AuthorityError> {
        Self::check_out(out)?;
        let folder = Folder::create(out)?;
        folder.write_secret("key.pem", &self.key.serialize_pem())?;
        folder.write("root.pem", &self.root_pem)?;
        folder.write("cert.pem", &self.chain_pem)
    }
}

fn open_signer(
    folder: &Folder,
    which: Intermediate,
    root: &CertificateDer<'_>,
) -> Result<Signer, AuthorityError> {
    let name = format!("{}.pem", which.as_str());
    let key_name = format!("{}-key.pem", which.as_str());
    let certificate = folder.certificate(&name)?;
    let key = folder.key(&key_name)?;
    let damaged =
        |name: &str, what: &str| AuthorityError::Damaged { path: folder.path(name), what: what.to_owned() };
    let unreadable = |refused: crate::leaf::Refused| damaged(&name, &refused.to_string());
    let (parsed, parsed_root) =
        (facts::parse(&certificate).map_err(unreadable)?, facts::parse(root).map_err(unreadable)?);
    if parsed.verify_signature(Some(parsed_root.public_key())).is_err() {
        return Err(damaged(&name, "it is not signed by root.pem"));
    }
    if parsed.public_key().raw != key.subject_public_key_info() {
        return Err(damaged(&key_name, &format!("it is not the key of {name}")));
    }
    let not_after = inspect::time_of(parsed.validity().not_after);
    let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
    Ok(Signer { certificate, not_after, issuer })
}

#[cfg(test)]
mod tests;
