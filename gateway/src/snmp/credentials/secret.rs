//! Secrets from files or the environment.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Maximum size of a secret, bytes.
const SECRET_BYTES: u64 = 1024;

/// Why a secret can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("{}: can't be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file is not a single line of text.
    #[error("{}: expected one line of text, at most {SECRET_BYTES} bytes", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
    },
    /// The variable isn't set.
    #[error("the environment variable {name} isn't set, or isn't text")]
    Environment {
        /// The variable.
        name: String,
    },
}

/// The single line of a file.
pub(super) fn of_file(path: &Path) -> Result<SecretString, SecretError> {
    let failed = |source| SecretError::File { path: path.to_owned(), source };
    let shape = || SecretError::Shape { path: path.to_owned() };
    let mut octets = Vec::new();
    File::open(path).map_err(failed)?.take(SECRET_BYTES + 1).read_to_end(&mut octets).map_err(failed)?;
    let text = String::from_utf8(octets).map_err(|_| shape())?;
    let line = text.trim_end_matches(['\r', '\n']);
    let one_line = !line.is_empty() && !line.contains('\n');
    let short = u64::try_from(text.len()).is_ok_and(|length| length <= SECRET_BYTES);
    if one_line && short { Ok(SecretString::from(line.to_owned())) } else { Err(shape()) }
}

/// The value of an environment variable.
pub(super) fn of_environment(name: &str) -> Result<SecretString, SecretError> {
    let unset = |_| SecretError::Environment { name: name.to_owned() };
    std::env::var(name).map(SecretString::from).map_err(unset)
}
