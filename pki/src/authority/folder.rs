//! The files of an authority: `root.pem`, `server-ca.pem` and `gateway-ca.pem`, their keys `…-key.pem` (0600),
//! `authority.json` and the ledger.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rcgen::KeyPair;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use super::AuthorityError;
use crate::pem_file;
use crate::spiffe::TrustDomain;

const ABOUT: &str = "authority.json";

/// Layout of the folder that this program writes and reads.
const LAYOUT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    layout: u32,
    trust_domain: TrustDomain,
    made_at: Timestamp,
}

/// A folder of an authority or of an issued certificate.
pub(super) struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// A folder that is there.
    pub(super) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// A folder that may be there.
    pub(super) fn create(dir: &Path) -> Result<Self, AuthorityError> {
        let failed = |source| AuthorityError::Write { path: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        Ok(Self::at(dir))
    }

    /// A new folder beside `dir`, to be moved there when it is whole.
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

    /// Moves the folder to its place; refused when something is there by now.
    pub(super) fn move_to(&self, dir: &Path) -> Result<(), AuthorityError> {
        let taken = [io::ErrorKind::DirectoryNotEmpty, io::ErrorKind::AlreadyExists];
        let failed = |source: io::Error| {
            let path = dir.to_owned();
            if taken.contains(&source.kind()) {
                return AuthorityError::Exists { path };
            }
            AuthorityError::Write { path, source }
        };
        sync_dir(&self.dir).and_then(|()| fs::rename(&self.dir, dir)).map_err(failed)?;
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_dir(parent.unwrap_or(Path::new("."))).map_err(failed)
    }

    /// Removes a folder that was never finished.
    pub(super) fn discard(&self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(path = %self.dir.display(), %error, "an unfinished authority could not be removed");
        }
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

    /// Written aside, synced, renamed.
    fn write_with_mode(&self, name: &str, text: &str, mode: u32) -> Result<(), AuthorityError> {
        let path = self.path(name);
        let aside = self.path(&format!(".{name}.new"));
        let write = || -> io::Result<()> {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&aside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&aside, &path)?;
            sync_dir(&self.dir)
        };
        write().map_err(|source| AuthorityError::Write { path: path.clone(), source })
    }

    pub(super) fn write_about(
        &self,
        trust_domain: &TrustDomain,
        now: Timestamp,
    ) -> Result<(), AuthorityError> {
        let about = About { layout: LAYOUT, trust_domain: trust_domain.clone(), made_at: now };
        let text = serde_json::to_string_pretty(&about).map_err(|error| self.damaged(ABOUT, &error))?;
        self.write(ABOUT, &(text + "\n"))
    }

    /// The trust domain that `authority.json` names.
    pub(super) fn trust_domain(&self) -> Result<TrustDomain, AuthorityError> {
        let absent = |source| AuthorityError::Absent { path: self.dir.clone(), source };
        fs::metadata(self.path(ABOUT)).map_err(absent)?;
        let text = pem_file::read(&self.path(ABOUT))?;
        let about: About = serde_json::from_slice(&text).map_err(|error| self.damaged(ABOUT, &error))?;
        if about.layout != LAYOUT {
            let what = format!("layout {} is unknown, this program knows {LAYOUT}", about.layout);
            return Err(self.damaged(ABOUT, &what));
        }
        Ok(about.trust_domain)
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

    fn damaged(&self, name: &str, what: &dyn std::fmt::Display) -> AuthorityError {
        AuthorityError::Damaged { path: self.path(name), what: what.to_string() }
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A certificate in PEM.
pub(crate) fn to_pem(certificate: &CertificateDer<'_>) -> String {
    pem_block("CERTIFICATE", certificate)
}

/// DER in PEM.
pub(super) fn pem_block(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}
