//! The authority of a trust domain: an offline root, and two intermediates that issue from a folder of files.
//!
//! The server CA issues to servers and operators; the gateway CA to gateways. The extended key usage and name
//! constraints of the gateway CA prevent its certificates from being used by a server, and [`crate::leaf`] rejects a
//! server or an operator that it issued.

mod backup;
mod crl;
mod enroll;
mod error;
mod folder;
mod key_file;
mod ledger;
mod profile;
mod renew;
mod revoke;
mod signer;

use std::path::Path;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use jiff::Timestamp;
use rcgen::{CertificateParams, Issuer, KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::inspect;
use crate::pem_file::to_pem;
use crate::spiffe::{PartyKind, SpiffeId, TrustDomain};
use crate::token::{self, Token, TokenRecord};
use crate::trust;
pub use backup::{BackupError, Restored};
pub use crl::{CrlSet, IssuedList};
pub use enroll::HasValid;
pub use error::AuthorityError;
use folder::Folder;
pub use ledger::Record;
pub use profile::{LEAF_DAYS, Request};
pub use revoke::{Listed, RevocationRecord, Revoked, State, Whom};
use signer::Signer;

/// Protection of the root's key on disk.
#[derive(Debug)]
pub enum Passphrase {
    /// Encrypted with this passphrase (PKCS#8, PBES2: `openssl pkey` reads it too).
    Given(SecretString),
    /// By file permissions alone: for tests and demonstrations.
    InsecureNone,
}

/// Records of enrollment tokens.
const TOKENS: &str = "tokens.jsonl";

/// The shortest passphrase, bytes.
pub(crate) const PASSPHRASE_BYTES: usize = 8;

/// An intermediate CA, by what it issues.
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

    /// A certificate file: the first generation has no number.
    fn file(self, generation: u32) -> String {
        format!("{}.pem", self.stem(generation))
    }

    fn key_file(self, generation: u32) -> String {
        format!("{}-key.pem", self.stem(generation))
    }

    fn stem(self, generation: u32) -> String {
        match generation {
            1 => self.as_str().to_owned(),
            later => format!("{}-{later}", self.as_str()),
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::ServerCa => "server CA",
            Self::GatewayCa => "gateway CA",
        }
    }
}

/// An opened authority, without the root's key.
pub struct Authority {
    folder: Folder,
    trust_domain: TrustDomain,
    root: CertificateDer<'static>,
    /// Every generation of both intermediates, oldest first.
    signers: Vec<Signer>,
}

/// A certificate and the key that was generated for it.
pub struct Issued {
    /// The certificate's line in the ledger.
    pub record: Record,
    /// The leaf, then its intermediate, PEM.
    pub chain_pem: String,
    /// The root, PEM.
    pub root_pem: String,
    key: KeyPair,
}

impl Authority {
    /// Creates an authority in `dir`, completely or not at all.
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
            renew::make(folder, which, 1, trust_domain, &root, (now, Timestamp::MAX))?;
        }
        folder.write(ledger::FILE, "")?;
        folder.write(revoke::FILE, "")?;
        folder.write_about(&folder::About::new(trust_domain.clone(), now))
    }

    /// Opens the authority in `dir` and checks every file, and that the files belong together.
    ///
    /// # Errors
    /// `dir` contains no authority, a file is damaged, or other users can read a key.
    pub fn open(dir: &Path) -> Result<Self, AuthorityError> {
        let folder = Folder::at(dir);
        let about = folder.about()?;
        let root = folder.certificate("root.pem")?;
        let mut signers = Vec::new();
        for which in Intermediate::ALL {
            for generation in 1..=about.generation(which) {
                signers.push(Signer::open(&folder, which, generation, &root)?);
            }
        }
        Ok(Self { folder, trust_domain: about.trust_domain, root, signers })
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

    /// The certificate of an intermediate: the newest generation, which issues.
    #[must_use]
    pub fn certificate_of(&self, which: Intermediate) -> &CertificateDer<'static> {
        &self.signer(which).certificate
    }

    /// Every generation of both intermediates, oldest first.
    pub fn intermediates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.signers.iter().map(|signer| &signer.certificate)
    }

    /// Generates a key and issues its certificate, which is in the ledger on disk before this returns.
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

    /// Issues a certificate for a public key; it is in the ledger on disk before this returns.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn sign(
        &self,
        request: &Request,
        public_key: &impl PublicKeyData,
        now: Timestamp,
    ) -> Result<(Record, CertificateDer<'static>), AuthorityError> {
        self.sign_for(request, public_key, None, now)
    }

    fn sign_for(
        &self,
        request: &Request,
        public_key: &impl PublicKeyData,
        token_sha256: Option<String>,
        now: Timestamp,
    ) -> Result<(Record, CertificateDer<'static>), AuthorityError> {
        let which = Intermediate::of(request.profile);
        let signer = self.signer(which);
        let issuer = signer.issuer(&self.folder, now)?;
        let id = SpiffeId {
            trust_domain: self.trust_domain.clone(),
            party: request.profile.named(&request.name)?,
        };
        let params: CertificateParams = profile::leaf(request, &id, now, signer.not_after)?;
        let leaf = CertificateDer::from(params.signed_by(public_key, issuer)?);
        let crypto = |refused: crate::rejection::Rejection| AuthorityError::Crypto(refused.to_string());
        let description = inspect::describe(&leaf).map_err(crypto)?;
        let record = Record {
            serial: description.serial,
            id,
            issuer: which,
            generation: signer.generation,
            not_before: description.not_before,
            not_after: description.not_after,
            dns: request.dns.clone(),
            ips: request.ips.clone(),
            fingerprint_sha256: description.fingerprint_sha256,
            issued_at: now,
            token_sha256,
        };
        ledger::append(&self.folder.path(ledger::FILE), &record)?;
        Ok((record, leaf))
    }

    /// Every issued certificate, oldest first.
    ///
    /// # Errors
    /// The ledger can't be read, or a line of it is damaged.
    pub fn issued(&self) -> Result<Vec<Record>, AuthorityError> {
        ledger::read(&self.folder.path(ledger::FILE))
    }

    /// Creates a one-time enrollment token for a gateway of a dealer, where one is named; its record is on disk before this returns.
    ///
    /// # Errors
    /// The name is not valid, the gateway has a valid certificate that the token must not replace, or the record can't
    /// be written.
    pub fn token(
        &self,
        gateway: &str,
        (has_valid, dealer): (HasValid, Option<String>),
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(Token, TokenRecord), AuthorityError> {
        let mut secret = [0_u8; token::SECRET_BYTES];
        let failed = |_| AuthorityError::Crypto("the system's random number generator failed".to_owned());
        SystemRandom::new().fill(&mut secret).map_err(failed)?;
        let party = PartyKind::Gateway.named(gateway)?;
        self.check_enrolled(&party, None, has_valid, now)?;
        let id = SpiffeId { trust_domain: self.trust_domain.clone(), party };
        let root = trust::fingerprint(&self.root);
        let (token, record) = token::mint(&id, root, now, expires_at, &secret)?;
        let record = TokenRecord { replaces: has_valid == HasValid::Replace, dealer, ..record };
        ledger::append(&self.folder.path(TOKENS), &record)?;
        Ok((token, record))
    }

    /// The records of all tokens created here, oldest first, including used ones: only the server knows which are used.
    ///
    /// # Errors
    /// The file can't be read, or a line of it is damaged.
    pub fn tokens(&self) -> Result<Vec<TokenRecord>, AuthorityError> {
        if !self.folder.exists(TOKENS)? {
            return Ok(Vec::new());
        }
        ledger::read(&self.folder.path(TOKENS))
    }

    fn signer(&self, which: Intermediate) -> &Signer {
        let newest = self.signers.iter().rfind(|signer| signer.which == which);
        newest.expect("an authority is opened with both intermediates")
    }
}

impl Issued {
    /// Rejects a folder that already has a certificate or key.
    ///
    /// # Errors
    /// It has one.
    pub fn check_out(out: &Path) -> Result<(), AuthorityError> {
        match ["cert.pem", "key.pem"].map(|name| out.join(name)).into_iter().find(|path| path.exists()) {
            Some(path) => Err(AuthorityError::OutExists { path }),
            None => Ok(()),
        }
    }

    /// Writes `cert.pem` (leaf, intermediate), `key.pem` (0600) and `root.pem` to a folder, creating it if necessary.
    ///
    /// # Errors
    /// A certificate or key exists already, or the folder can't be written.
    pub fn write(&self, out: &Path) -> Result<(), AuthorityError> {
        Self::check_out(out)?;
        let folder = Folder::create(out)?;
        folder.write_secret("key.pem", &self.key.serialize_pem())?;
        folder.write("root.pem", &self.root_pem)?;
        folder.write("cert.pem", &self.chain_pem)
    }
}

#[cfg(test)]
mod tests;
