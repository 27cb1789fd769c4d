//! Secrets in files that only their owner may read.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::pem_file::{self, PemFileError};

/// Why a secret can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file can't be read.
    #[error(transparent)]
    File(#[from] PemFileError),
    /// Its first line is empty or not text.
    #[error("{} has no secret: expected text in its first line", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
}

/// The first line of a file.
///
/// # Errors
/// It can't be read, other users may read it, or its first line is empty or not UTF-8.
pub fn first_line(path: &Path) -> Result<SecretString, SecretFileError> {
    let content = || SecretFileError::Content { path: path.to_owned() };
    let text = String::from_utf8(pem_file::read_secret(path)?).map_err(|_| content())?;
    let line = text.lines().next().filter(|line| !line.is_empty()).ok_or_else(content)?;
    Ok(SecretString::from(line))
}
