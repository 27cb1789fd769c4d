//! PEM files of certificates and keys: bounded reads, and the permissions of key files.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The largest file that is read, bytes.
pub(crate) const FILE_BYTES: u64 = 1 << 20;

/// Why a PEM file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PemFileError {
    /// It can't be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// It is larger than the limit.
    #[error("{} is larger than {limit} bytes: expected a PEM file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, bytes.
        limit: u64,
    },
    /// It is damaged, or lacks the expected item.
    #[error("{} is not usable: expected {expected} in PEM", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The expected item.
        expected: &'static str,
        /// Where parsing stopped.
        source: rustls_pki_types::pem::Error,
    },
    /// Other users can read a key.
    #[error(
        "{} can be read by others than its owner (mode {mode:o}): run `chmod 600 {}`",
        path.display(),
        path.display()
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Reads a file of at most [`FILE_BYTES`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, PemFileError> {
    read_at_most(path, FILE_BYTES)
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, PemFileError> {
    let failed = |source| PemFileError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(PemFileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// Reads a file with a secret; rejected if group or others have any permission on it.
pub(crate) fn read_secret(path: &Path) -> Result<Vec<u8>, PemFileError> {
    let metadata =
        fs::metadata(path).map_err(|source| PemFileError::Read { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PemFileError::Permissions { path: path.to_owned(), mode });
    }
    read(path)
}

/// Reads every certificate of a file; at least one.
///
/// # Errors
/// The file cannot be read, or has none, or a damaged one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemFileError> {
    sections(path, &read(path)?, "one or more certificates")
}

/// Reads every item of one kind; at least one.
pub(crate) fn sections<T: PemObject>(
    path: &Path,
    pem: &[u8],
    expected: &'static str,
) -> Result<Vec<T>, PemFileError> {
    let failed = |source| PemFileError::Content { path: path.to_owned(), expected, source };
    let found = T::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if found.is_empty() {
        return Err(failed(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}

/// Reads the private key of a file that only its owner can read.
///
/// # Errors
/// The file can't be read, others can read it too, or it holds no private key.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemFileError> {
    let expected = "an unencrypted private key";
    let failed = |source| PemFileError::Content { path: path.to_owned(), expected, source };
    PrivateKeyDer::from_pem_slice(&read_secret(path)?).map_err(failed)
}

/// A certificate in PEM.
#[must_use]
pub fn to_pem(certificate: &CertificateDer<'_>) -> String {
    pem_block("CERTIFICATE", certificate)
}

pub(crate) fn pem_block(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}
