//! The files of an authority: `root.pem`, `server-ca.pem` and `gateway-ca.pem` (renewed: `…-2.pem`), their keys `…-key.pem` (0600),
//! `authority.json`, the ledgers of certificates, revocations and tokens, and
//! the number of the last revocation lists.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rcgen::KeyPair;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use super::{AuthorityError, Intermediate};
use crate::pem_file;
use crate::spiffe::TrustDomain;

pub(super) const ABOUT: &str = "authority.json";

/// Layout of the folder that this program writes and reads.
const LAYOUT: u32 = 1;

/// Maximum number of generations of an intermediate.
const GENERATIONS: u32 = 100;

/// The contents of `authority.json`. It is written last and puts the files that were written before it into effect.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    layout: u32,
    pub(super) trust_domain: TrustDomain,
    made_at: Timestamp,
    /// The newest generation of each intermediate; absent as long as both are the first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    generations: BTreeMap<String, u32>,
}

impl About {
    pub(super) const fn new(trust_domain: TrustDomain, now: Timestamp) -> Self {
        Self { layout: LAYOUT, trust_domain, made_at: now, generations: BTreeMap::new() }
    }

    pub(super) fn generation(&self, which: Intermediate) -> u32 {
        self.generations.get(which.as_str()).copied().unwrap_or(1)
    }

    pub(super) fn set_generation(&mut self, which: Intermediate, generation: u32) {
        self.generations.insert(which.as_str().to_owned(), generation);
    }
}

/// A folder of an authority or of an issued certificate.
pub(super) struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// An existing folder.
    pub(super) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// A folder, which is created if it doesn't exist.
    pub(super) fn create(dir: &Path) -> Result<Self, AuthorityError> {
        let failed = |source| AuthorityError::Write { path: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        Ok(Self::at(dir))
    }

    /// A new folder beside `dir`, moved there when it is complete.
    pub(super) fn make_beside(dir: &Path) -> Result<Self, AuthorityError> {
        let taken = match fs::read_dir(dir) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(source) => return Err(AuthorityError::Write { path: dir.to_owned(), source }),
        };
        let name = dir.file_name().filter(|_| !taken);
        let Some(name) = name else { return Err(AuthorityError::Exists { path: dir.to_owned() }) };
        let mut beside = name.to_owned();
        beside.push(format!(".making-{}", std::process::id()));
        let making = dir.with_file_name(beside);
        if making.exists() {
            return Err(AuthorityError::Exists { path: making });
        }
        Self::create(&making)
    }

    /// Moves the folder to its final path; fails if that exists by now.
    pub(super) fn move_to(&self, dir: &Path) -> Result<(), AuthorityError> {
        let taken = [io::ErrorKind::DirectoryNotEmpty, io::ErrorKind::AlreadyExists];
        let failed = |source: io::Error| {
            let path = dir.to_owned();
            if taken.contains(&source.kind()) {
                return AuthorityError::Exists { path };
            }
            AuthorityError::Write { path, source }
        };
        let sync = || File::open(&self.dir)?.sync_all();
        sync().and_then(|()| durable::rename(&self.dir, dir)).map_err(failed)
    }

    /// Removes a folder that was not completed.
    pub(super) fn discard(&self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(path = %self.dir.display(), %error, "an unfinished authority could not be removed");
        }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), AuthorityError> {
        self.write_with_mode(name, text, 0o644)
    }

    pub(super) fn write_secret(&self, name: &str, text: &str) -> Result<(), AuthorityError> {
        self.write_with_mode(name, text, 0o600)
    }

    fn write_with_mode(&self, name: &str, text: &str, mode: u32) -> Result<(), AuthorityError> {
        let path = self.path(name);
        durable::write(&path, text.as_bytes(), mode).map_err(|source| AuthorityError::Write { path, source })
    }

    pub(super) fn write_about(&self, about: &About) -> Result<(), AuthorityError> {
        let text = serde_json::to_string_pretty(about).map_err(|error| self.damaged(ABOUT, &error))?;
        self.write(ABOUT, &(text + "\n"))
    }

    /// The contents of `authority.json`.
    pub(super) fn about(&self) -> Result<About, AuthorityError> {
        let absent = |source| AuthorityError::Absent { path: self.dir.clone(), source };
        fs::metadata(self.path(ABOUT)).map_err(absent)?;
        let text = pem_file::read(&self.path(ABOUT))?;
        let about: About = serde_json::from_slice(&text).map_err(|error| self.damaged(ABOUT, &error))?;
        if about.layout != LAYOUT {
            let what = format!("layout {} is unknown, this program knows {LAYOUT}", about.layout);
            return Err(self.damaged(ABOUT, &what));
        }
        if about.generations.values().any(|generation| *generation > GENERATIONS) {
            return Err(
                self.damaged(ABOUT, &format!("an intermediate has more than {GENERATIONS} generations"))
            );
        }
        Ok(about)
    }

    /// Whether a file exists. It is an error if that can't be determined.
    pub(super) fn exists(&self, name: &str) -> Result<bool, AuthorityError> {
        let path = self.path(name);
        path.try_exists().map_err(|source| pem_file::PemFileError::Read { path, source }.into())
    }

    /// Locks the authority against changes by other processes, until the lock is dropped.
    pub(super) fn lock(&self) -> Result<File, AuthorityError> {
        let failed = |source| AuthorityError::Write { path: self.dir.clone(), source };
        let folder = File::open(&self.dir).map_err(failed)?;
        folder.lock().map_err(failed)?;
        Ok(folder)
    }

    pub(super) fn certificate(&self, name: &str) -> Result<CertificateDer<'static>, AuthorityError> {
        let mut found = pem_file::certificates(&self.path(name))?;
        match (found.pop(), found.is_empty()) {
            (Some(certificate), true) => Ok(certificate),
            (Some(_) | None, _) => Err(self.damaged(name, &"it must have exactly one certificate")),
        }
    }

    pub(super) fn key(&self, name: &str) -> Result<KeyPair, AuthorityError> {
        let key: PrivateKeyDer<'static> = pem_file::private_key(&self.path(name))?;
        KeyPair::try_from(&key).map_err(|error| self.damaged(name, &error))
    }

    pub(super) fn damaged(&self, name: &str, what: &dyn std::fmt::Display) -> AuthorityError {
        AuthorityError::Damaged { path: self.path(name), what: what.to_string() }
    }
}
