//! Backup: all files of an authority in one file, with the digest of each; and restore.
//!
//! It contains the intermediates' keys unencrypted, and the root's as stored: protect it like a key.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::folder::{ABOUT, Folder};
use super::renew::ROOT_KEY;
use super::{Authority, AuthorityError, Intermediate, TOKENS, crl, ledger, revoke};
use crate::pem_file;
use crate::spiffe::TrustDomain;

/// The first line of a backup.
const FORMAT: &str = "platen-pki backup 1";

/// The largest file and the largest backup, bytes.
const BACKUP_BYTES: u64 = 256 << 20;

/// Why a backup can't be created or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file exists already.
    #[error("{} exists: a backup is never overwritten; choose another --out", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It isn't a backup.
    #[error("{} is not a complete backup of platen-pki: {what}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        what: String,
    },
    /// The digest of a file in it doesn't match.
    #[error("{} is damaged: {name} in it has SHA-256 {found}, expected {expected}; use another copy", path.display())]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// The file in it.
        name: String,
        /// The digest of its content.
        found: String,
        /// The digest in the backup's list.
        expected: String,
    },
    /// It contains a name that is not a file of an authority.
    #[error("{} names {name:?}, which is not a file of an authority: it was not made by platen-pki", path.display())]
    Stranger {
        /// The backup.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Backup {
    format: String,
    trust_domain: TrustDomain,
    made_at: Timestamp,
    /// Digest of the names and digests below.
    sha256: String,
    files: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    text: String,
}

/// The contents of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The trust domain.
    pub trust_domain: TrustDomain,
    /// When the backup was created.
    pub made_at: Timestamp,
    /// The files.
    pub files: Vec<String>,
    /// Whether the root's key is among them.
    pub has_root_key: bool,
}

impl Backup {
    fn summary(&self) -> Restored {
        Restored {
            trust_domain: self.trust_domain.clone(),
            made_at: self.made_at,
            files: self.files.iter().map(|entry| entry.name.clone()).collect(),
            has_root_key: self.files.iter().any(|entry| entry.name == ROOT_KEY),
        }
    }

    fn digest_of_list(&self) -> String {
        let begin = format!("{}\n{}\n{}\n", self.format, self.trust_domain, self.made_at);
        let lines = self.files.iter().map(|entry| format!("{} {}\n", entry.name, entry.sha256));
        sha256(&(begin + &lines.collect::<String>()))
    }
}

impl Authority {
    /// Writes everything to one new file that only its owner can read.
    ///
    /// # Errors
    /// The file exists, or a file can't be read or written.
    pub fn backup(&self, out: &Path, now: Timestamp) -> Result<Restored, AuthorityError> {
        let _lock = self.folder.lock()?;
        let mut files = Vec::new();
        for name in self.files() {
            if !self.folder.exists(&name)? {
                continue;
            }
            let bytes = pem_file::read_at_most(&self.folder.path(&name), BACKUP_BYTES)?;
            let text =
                String::from_utf8(bytes).map_err(|_| self.folder.damaged(&name, &"it is not a text"))?;
            files.push(Entry { sha256: sha256(&text), name, text });
        }
        let (format, trust_domain) = (FORMAT.to_owned(), self.trust_domain.clone());
        let mut backup = Backup { format, trust_domain, made_at: now, sha256: String::new(), files };
        backup.sha256 = backup.digest_of_list();
        let text =
            serde_json::to_string_pretty(&backup).map_err(|error| self.folder.damaged(ABOUT, &error))?;
        match write_new(out, &text) {
            Ok(()) => Ok(backup.summary()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(BackupError::Exists { path: out.to_owned() }.into())
            }
            Err(source) => Err(AuthorityError::Write { path: out.to_owned(), source }),
        }
    }

    /// The names of all files that an authority may have.
    fn files(&self) -> Vec<String> {
        let fixed = [ABOUT, "root.pem", ROOT_KEY, ledger::FILE, revoke::FILE, TOKENS, crl::FILE];
        let signers = self.signers.iter().flat_map(|signer| {
            [signer.which.file(signer.generation), signer.which.key_file(signer.generation)]
        });
        fixed.into_iter().map(str::to_owned).chain(signers).collect()
    }

    /// Creates an authority in `dir` from a backup, completely or not at all, and opens it to check that the files
    /// belong together.
    ///
    /// # Errors
    /// The backup is damaged (the error names the file), or `dir` isn't empty.
    pub fn restore(file: &Path, dir: &Path) -> Result<(Self, Restored), AuthorityError> {
        let backup = read(file)?;
        let making = Folder::make_beside(dir)?;
        let made =
            fill(&making, &backup).and_then(|()| Self::open(making.dir())).and_then(|_| making.move_to(dir));
        if made.is_err() {
            making.discard();
        }
        made?;
        Ok((Self::open(dir)?, backup.summary()))
    }
}

fn fill(folder: &Folder, backup: &Backup) -> Result<(), AuthorityError> {
    for entry in &backup.files {
        if entry.name.ends_with("-key.pem") {
            folder.write_secret(&entry.name, &entry.text)?;
        } else {
            folder.write(&entry.name, &entry.text)?;
        }
    }
    Ok(())
}

/// Reads and checks the whole backup before anything is written.
fn read(file: &Path) -> Result<Backup, AuthorityError> {
    let path = || file.to_owned();
    let bytes = pem_file::read_at_most(file, BACKUP_BYTES)?;
    let form = |what: String| BackupError::Form { path: path(), what };
    let backup: Backup = serde_json::from_slice(&bytes).map_err(|error| form(error.to_string()))?;
    if backup.format != FORMAT {
        let found: String = backup.format.chars().take(40).collect();
        return Err(form(format!("format {found:?}, expected {FORMAT:?}")).into());
    }
    for entry in &backup.files {
        let found = sha256(&entry.text);
        if found != entry.sha256 {
            let (name, expected) = (entry.name.clone(), entry.sha256.clone());
            return Err(BackupError::Damaged { path: path(), name, found, expected }.into());
        }
        if !is_known(&entry.name) {
            return Err(BackupError::Stranger { path: path(), name: entry.name.clone() }.into());
        }
    }
    let found = backup.digest_of_list();
    if found != backup.sha256 {
        let (name, expected) = ("its list of files".to_owned(), backup.sha256);
        return Err(BackupError::Damaged { path: path(), name, found, expected }.into());
    }
    Ok(backup)
}

fn is_known(name: &str) -> bool {
    let fixed = [ABOUT, "root.pem", ROOT_KEY, ledger::FILE, revoke::FILE, TOKENS, crl::FILE];
    let of_intermediate = |which: &Intermediate| {
        let rest = name.strip_prefix(which.as_str()).and_then(|rest| rest.strip_suffix(".pem"));
        let rest = rest.map(|rest| rest.strip_suffix("-key").unwrap_or(rest));
        rest.is_some_and(|rest| rest.chars().all(|c| c == '-' || c.is_ascii_digit()))
    };
    fixed.contains(&name) || Intermediate::ALL.iter().any(of_intermediate)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a backup is none.
        drop(fs::remove_file(path));
    }
    written
}

fn sha256(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}
