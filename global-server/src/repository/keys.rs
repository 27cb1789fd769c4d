//! Private keys (Ed25519, ECDSA P-256) that sign metadata, and the files of public keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tuf::{Document, Key, RoleKeys};

use super::Repository;
use super::error::{RepositoryError, at};
use super::files::{self, read};

/// Bytes of a file with a private or a public key.
const KEY_FILE_BYTES: u64 = 16 << 10;

/// Ending of the file with a public key.
const PUBLIC: &str = "pub";

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

/// A private key.
pub(crate) struct SigningKey {
    pair: Pair,
    public: Value,
    id: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Generates an Ed25519 key and writes it with mode 0600, and its public key beside it (`NAME.pub`). An existing
    /// key is never replaced.
    ///
    /// # Errors
    /// The file exists or can't be written.
    pub(crate) fn generate(path: &Path) -> Result<Self, RepositoryError> {
        if path.exists() {
            return Err(RepositoryError::KeyExists { path: path.to_owned() });
        }
        let no_key = |_| RepositoryError::NoKey;
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(no_key)?;
        let key = Self::from_pkcs8(pkcs8.as_ref()).ok_or(RepositoryError::NoKey)?;
        durable::write(path, pkcs8.as_ref(), 0o600).map_err(|source| at(path, source))?;
        let public = public_path(path);
        durable::write(&public, format!("{:#}\n", key.public).as_bytes(), 0o644)
            .map_err(|source| at(&public, source))?;
        Ok(key)
    }

    /// Reads a key in PKCS#8, DER.
    ///
    /// # Errors
    /// The file can't be read, or holds no such key.
    pub(crate) fn read(path: &Path) -> Result<Self, RepositoryError> {
        let no_key = || RepositoryError::NotAKey { path: path.to_owned() };
        let bytes =
            read(path, KEY_FILE_BYTES)?.ok_or_else(|| RepositoryError::Absent { path: path.to_owned() })?;
        Self::from_pkcs8(&bytes).ok_or_else(no_key)
    }

    fn from_pkcs8(bytes: &[u8]) -> Option<Self> {
        let (pair, public) = match Ed25519KeyPair::from_pkcs8(bytes) {
            Ok(pair) => {
                let public = hex::encode(pair.public_key().as_ref());
                let public = json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}});
                (Pair::Ed25519(pair), public)
            }
            Err(_) => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, bytes).ok()?;
                let der = pair.public_key().as_der().ok()?.as_ref().to_vec();
                let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
                let public = pem::encode_config(&pem::Pem::new("PUBLIC KEY", der), lines);
                let scheme = "ecdsa-sha2-nistp256";
                let public = json!({"keytype": "ecdsa", "scheme": scheme, "keyval": {"public": public}});
                (Pair::P256(pair), public)
            }
        };
        let id = tuf::key_id(&public).ok()?;
        Some(Self { pair, public, id })
    }

    /// Id of the key.
    #[must_use]
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The public key, as in metadata.
    #[must_use]
    pub(crate) fn public(&self) -> &Value {
        &self.public
    }

    /// Adds the key's signature.
    pub(super) fn sign(&self, document: &mut Document) -> Result<(), RepositoryError> {
        let signature = match &self.pair {
            Pair::Ed25519(pair) => hex::encode(pair.sign(document.message())),
            Pair::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), document.message());
                hex::encode(signature.map_err(|_| RepositoryError::NoKey)?)
            }
        };
        document.sign(&self.id, &signature);
        Ok(())
    }
}

/// Where [`SigningKey::generate`] puts the public key.
#[must_use]
pub(crate) fn public_path(path: &Path) -> PathBuf {
    path.with_extension(PUBLIC)
}

/// Reads a public key as [`SigningKey::generate`] writes it; returns its id too.
///
/// # Errors
/// The file can't be read, or holds no key that can verify.
pub(crate) fn read_public(path: &Path) -> Result<(String, Value), RepositoryError> {
    let bytes =
        read(path, KEY_FILE_BYTES)?.ok_or_else(|| RepositoryError::Absent { path: path.to_owned() })?;
    let no_key = || RepositoryError::NotAPublicKey { path: path.to_owned() };
    let public: Value = serde_json::from_slice(&bytes).map_err(|_| no_key())?;
    let key: Key = serde_json::from_value(public.clone()).map_err(|_| no_key())?;
    if !key.is_known() {
        return Err(no_key());
    }
    let id = tuf::key_id(&public).map_err(|_| no_key())?;
    Ok((id, public))
}

/// The private keys that are here, by id.
#[derive(Debug, Default)]
pub(super) struct Keyring(BTreeMap<String, SigningKey>);

impl Keyring {
    /// Signs with each key of the role that is here.
    pub(super) fn sign(&self, document: &mut Document, role: &RoleKeys) -> Result<(), RepositoryError> {
        for key in role.key_ids.iter().filter_map(|id| self.0.get(id)) {
            key.sign(document)?;
        }
        Ok(())
    }

    pub(super) fn add(&mut self, key: SigningKey) {
        self.0.insert(key.id.clone(), key);
    }
}

impl Repository {
    /// The keys in `keys`, and those of [`Repository::with_keys`]. A file in `keys` that isn't a key is an error: its
    /// role would stay unsigned for no visible reason.
    pub(super) fn keyring(&self) -> Result<Keyring, RepositoryError> {
        let dir = self.dir.join("keys");
        let mut files = self.keys.clone();
        files::make_dir(&dir, 0o700)?;
        for entry in std::fs::read_dir(&dir).map_err(|source| at(&dir, source))? {
            let path = entry.map_err(|source| at(&dir, source))?.path();
            files.extend(Some(path).filter(|path| path.extension().is_some_and(|ending| ending == "pk8")));
        }
        let mut keyring = Keyring::default();
        for file in files {
            keyring.add(SigningKey::read(&file)?);
        }
        Ok(keyring)
    }
}
