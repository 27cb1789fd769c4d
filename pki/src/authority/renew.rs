//! A new generation of an intermediate, signed by the root. The root is unchanged, so nothing changes for programs
//! that trust it. The old generation issues no more certificates, but those it issued stay valid, and its revocation
//! list is continued until it expires.

use std::path::Path;

use jiff::Timestamp;
use rcgen::{Issuer, KeyPair, PublicKeyData as _};
use secrecy::SecretString;

use super::folder::Folder;
use super::key_file::{self, Unreadable};
use super::{Authority, AuthorityError, Intermediate, profile};
use crate::spiffe::TrustDomain;
use crate::{facts, inspect, pem_file};

pub(super) const ROOT_KEY: &str = "root-key.pem";

/// Creates certificate and key of a generation, which is not in use yet.
pub(super) fn make(
    folder: &Folder,
    which: Intermediate,
    generation: u32,
    trust_domain: &TrustDomain,
    root: &Issuer<'_, KeyPair>,
    times: (Timestamp, Timestamp),
) -> Result<(), AuthorityError> {
    let key = KeyPair::generate()?;
    let params = profile::intermediate(which, generation, trust_domain, times)?;
    let certificate = params.signed_by(&key, root)?;
    folder.write_secret(&which.key_file(generation), &key.serialize_pem())?;
    folder.write(&which.file(generation), &certificate.pem())
}

impl Authority {
    /// Whether the root's key in `dir` needs a passphrase.
    ///
    /// # Errors
    /// The key doesn't exist, or other users can read it.
    pub fn root_key_is_encrypted(dir: &Path) -> Result<bool, AuthorityError> {
        Ok(key_file::is_encrypted(&root_key_pem(&Folder::at(dir))?))
    }

    /// Replaces an intermediate by a new generation. Servers must have the new one's revocation list before it
    /// issues.
    ///
    /// # Errors
    /// The root's key is missing, can't be decrypted or belongs to another root; or the folder can't be written.
    pub fn renew(
        self,
        which: Intermediate,
        passphrase: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let _lock = self.folder.lock()?;
        let mut about = self.folder.about()?;
        let pem = root_key_pem(&self.folder)?;
        let path = self.folder.path(ROOT_KEY);
        let key = key_file::from_pem(&pem, passphrase).map_err(|unreadable| match unreadable {
            Unreadable::PassphraseNeeded => AuthorityError::PassphraseNeeded,
            Unreadable::WrongPassphrase => AuthorityError::WrongPassphrase { path },
            Unreadable::Damaged(what) => self.folder.damaged(ROOT_KEY, &what),
        })?;
        let crypto = |refused: crate::rejection::Rejection| AuthorityError::Crypto(refused.to_string());
        let root = facts::parse(&self.root).map_err(crypto)?;
        if root.public_key().raw != key.subject_public_key_info() {
            return Err(self.folder.damaged(ROOT_KEY, &"it is not the key of root.pem"));
        }
        let ends = inspect::time_of(root.validity().not_after);
        if ends <= now {
            return Err(AuthorityError::AuthorityExpired { authority: "root CA", not_after: ends });
        }
        let issuer = Issuer::from_ca_cert_der(&self.root, key)?;
        let generation = about.generation(which) + 1;
        make(&self.folder, which, generation, &self.trust_domain, &issuer, (now, ends))?;
        about.set_generation(which, generation);
        self.folder.write_about(&about)?;
        Self::open(self.folder.dir())
    }
}

fn root_key_pem(folder: &Folder) -> Result<Vec<u8>, AuthorityError> {
    if !folder.exists(ROOT_KEY)? {
        return Err(AuthorityError::NoRootKey { path: folder.path(ROOT_KEY) });
    }
    Ok(pem_file::read_secret(&folder.path(ROOT_KEY))?)
}
