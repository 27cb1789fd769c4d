//! Errors of the authority.

use std::path::PathBuf;

use jiff::Timestamp;

use super::PASSPHRASE_BYTES;
use super::backup::BackupError;
use crate::pem_file::PemFileError;
use crate::spiffe::{InvalidSpiffeId, Party, PartyKind};
use crate::token::InvalidToken;

/// An operation of the authority that failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The folder exists and is not empty.
    #[error("{} exists and is not empty: an authority is never overwritten; choose another --dir", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The folder doesn't exist, or contains no authority.
    #[error("{} is not the folder of an authority: run `platen-pki init --dir {}` first", path.display(), path.display())]
    Absent {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A file can't be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
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
        /// The damage.
        what: String,
    },
    /// The passphrase is too short.
    #[error("the passphrase is too short: expected at least {PASSPHRASE_BYTES} bytes")]
    ShortPassphrase,
    /// The requested name is not valid.
    #[error("the name of the party is not valid")]
    Name(#[from] InvalidSpiffeId),
    /// A requested DNS name is not valid.
    #[error("DNS name {given:?} is not valid: expected labels of letters, digits and '-', joined by dots")]
    DnsName {
        /// The given value.
        given: String,
    },
    /// A server was requested without a DNS name or address.
    #[error("party of kind {0} needs at least one --dns or --ip: its clients verify its name")]
    NoHost(PartyKind),
    /// A client was requested with a DNS name or address.
    #[error("party of kind {0} takes no --dns and no --ip: it accepts no connections")]
    SurplusHost(PartyKind),
    /// The intermediate has expired.
    #[error("the {authority} expired at {not_after}: renew it")]
    AuthorityExpired {
        /// The name of the intermediate.
        authority: &'static str,
        /// When it expired.
        not_after: Timestamp,
    },
    /// The intermediate's key is not here.
    #[error("the {authority}'s key, {}, is not here: run this command where it is stored", path.display())]
    NoKey {
        /// The name of the intermediate.
        authority: &'static str,
        /// The path where it is expected.
        path: PathBuf,
    },
    /// The root's key is not here.
    #[error("the root's key is required, but {} does not exist: put it there for this command", path.display())]
    NoRootKey {
        /// The path where it is expected.
        path: PathBuf,
    },
    /// The root's key is encrypted.
    #[error("the root's key is encrypted: give its passphrase with --passphrase-file")]
    PassphraseNeeded,
    /// The passphrase doesn't decrypt the root's key.
    #[error("the passphrase does not decrypt {}", path.display())]
    WrongPassphrase {
        /// The key's file.
        path: PathBuf,
    },
    /// There is no such certificate.
    #[error("no certificate of {whom} was issued here: `platen-pki list` shows all")]
    NeverIssued {
        /// The requested party or serial number.
        whom: String,
    },
    /// The gateway has a valid certificate.
    #[error(
        "{} has a valid certificate already (serial {serial}, until {not_after}): to enroll the machine again, or another \
         one in its place, make a token with --replace, which revokes that certificate once the new one is issued; for \
         one more gateway, choose another --id",
        party.name()
    )]
    AlreadyEnrolled {
        /// The gateway.
        party: Party,
        /// Serial number of its newest certificate, hexadecimal.
        serial: String,
        /// When that ends.
        not_after: Timestamp,
    },
    /// A token can't be created.
    #[error(transparent)]
    Token(#[from] InvalidToken),
    /// A backup can't be written or restored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The file of an issued certificate or key exists already.
    #[error("{} exists: a key is never overwritten; move it away or choose another --out", path.display())]
    OutExists {
        /// The file.
        path: PathBuf,
    },
    /// Random numbers, keys or signatures failed.
    #[error("cannot generate keys or sign: {0}")]
    Crypto(String),
}

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> Self {
        Self::Crypto(error.to_string())
    }
}
