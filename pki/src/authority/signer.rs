//! An intermediate CA of the folder, with its key if that is here.

use jiff::Timestamp;
use rcgen::{Issuer, KeyPair, PublicKeyData as _};
use rustls_pki_types::CertificateDer;

use super::folder::Folder;
use super::{AuthorityError, Intermediate};
use crate::rejection::Rejection;
use crate::{facts, inspect};

/// An intermediate CA: a renewal makes the next generation of it.
pub(super) struct Signer {
    pub(super) which: Intermediate,
    pub(super) generation: u32,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) not_after: Timestamp,
    /// Absent if the key is stored elsewhere.
    issuer: Option<Issuer<'static, KeyPair>>,
}

impl Signer {
    /// Opens an intermediate, and checks that certificate, key and root belong together.
    pub(super) fn open(
        folder: &Folder,
        which: Intermediate,
        generation: u32,
        root: &CertificateDer<'_>,
    ) -> Result<Self, AuthorityError> {
        let (name, key_name) = (which.file(generation), which.key_file(generation));
        let certificate = folder.certificate(&name)?;
        let unreadable = |refused: Rejection| folder.damaged(&name, &refused);
        let (parsed, parsed_root) =
            (facts::parse(&certificate).map_err(unreadable)?, facts::parse(root).map_err(unreadable)?);
        if parsed.verify_signature(Some(parsed_root.public_key())).is_err() {
            return Err(folder.damaged(&name, &"it is not signed by root.pem"));
        }
        let not_after = inspect::time_of(parsed.validity().not_after);
        let issuer = match folder.exists(&key_name)? {
            false => None,
            true => {
                let key = folder.key(&key_name)?;
                if parsed.public_key().raw != key.subject_public_key_info() {
                    return Err(folder.damaged(&key_name, &format!("it is not the key of {name}")));
                }
                Some(Issuer::from_ca_cert_der(&certificate, key)?)
            }
        };
        Ok(Self { which, generation, certificate, not_after, issuer })
    }

    /// The signing key; `None` if it is stored elsewhere.
    pub(super) const fn key(&self) -> Option<&Issuer<'static, KeyPair>> {
        self.issuer.as_ref()
    }

    /// The signer, if the intermediate has not expired at `now`.
    pub(super) fn issuer(
        &self,
        folder: &Folder,
        now: Timestamp,
    ) -> Result<&Issuer<'static, KeyPair>, AuthorityError> {
        let authority = self.which.title();
        if self.not_after <= now {
            return Err(AuthorityError::AuthorityExpired { authority, not_after: self.not_after });
        }
        let path = folder.path(&self.which.key_file(self.generation));
        self.issuer.as_ref().ok_or(AuthorityError::NoKey { authority, path })
    }
}
