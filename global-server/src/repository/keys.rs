//! The repository's Ed25519 keys.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use wire::metadata::{self, Key, KeyValue, Root};

use super::error::{RepositoryError, at};

/// A role that signs metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Names the keys that sign each role.
    Root,
    /// Names the images.
    Targets,
}

impl Role {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
        }
    }

    pub(super) fn path(self, repository: &Path) -> PathBuf {
        repository.join("keys").join(format!("{}.pk8", self.name()))
    }
}

/// A private key.
pub(super) struct SigningKey {
    pair: Ed25519KeyPair,
    pub(super) public: Key,
    pub(super) id: String,
}

impl SigningKey {
    /// Generates a key and writes it with mode 0600.
    pub(super) fn make(path: &Path) -> Result<Self, RepositoryError> {
        let pkcs8 =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| RepositoryError::NoKey)?;
        let key = Self::from_pkcs8(pkcs8.as_ref()).ok_or(RepositoryError::NoKey)?;
        durable::write(path, pkcs8.as_ref(), 0o600).map_err(|source| at(path, source))?;
        Ok(key)
    }

    /// Reads the key of a role; it must be one that the root names for it.
    pub(super) fn read(path: &Path, role: Role, root: &Root) -> Result<Self, RepositoryError> {
        let bytes = std::fs::read(path).map_err(|source| at(path, source))?;
        let named = |id: &String| root.roles.get(role.name()).is_some_and(|keys| keys.keyids.contains(id));
        let wrong = || RepositoryError::WrongKey { path: path.to_owned(), role: role.name() };
        Self::from_pkcs8(&bytes).filter(|key| named(&key.id)).ok_or_else(wrong)
    }

    fn from_pkcs8(bytes: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(bytes).ok()?;
        let public = Key {
            keytype: "ed25519".to_owned(),
            scheme: "ed25519".to_owned(),
            keyval: KeyValue { public: hex::encode(pair.public_key().as_ref()) },
        };
        let id = metadata::key_id(&public).ok()?;
        Some(Self { pair, public, id })
    }

    /// Signature, hexadecimal.
    pub(super) fn sign(&self, message: &[u8]) -> String {
        hex::encode(self.pair.sign(message).as_ref())
    }
}
