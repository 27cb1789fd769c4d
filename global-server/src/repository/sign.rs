//! Signing a pending file, also at a place without the repository.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use tuf::{Document, RoleName, Root, Targets};

use super::error::{RepositoryError, at};
use super::files::read;
use super::keys::SigningKey;
use super::outcome::Outcome;
use super::timestamps::Due;
use super::{Lifetimes, Repository};

/// A file that was signed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Signature {
    /// The role.
    pub(crate) role: String,
    /// Its version.
    pub(crate) version: u64,
    /// The images that it names.
    pub(crate) images: Vec<String>,
    /// Ids of the keys that signed it here.
    pub(crate) keys: Vec<String>,
    /// The file.
    pub(crate) file: PathBuf,
}

/// Signs a file with keys, where the repository isn't: the file is to be brought back to it.
///
/// # Errors
/// The file isn't metadata of the role in its name, or a key can't be read.
pub(crate) fn sign_file(path: &Path, keys: &[PathBuf]) -> Result<Signature, RepositoryError> {
    let (role, mut document) = parsed(path)?;
    let mut ids = Vec::new();
    for file in keys {
        let key = SigningKey::read(file)?;
        key.sign(&mut document)?;
        ids.push(key.id().to_owned());
    }
    durable::write(path, &document.to_bytes(), 0o644).map_err(|source| at(path, source))?;
    let signed = document.signed();
    let images = signed["targets"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
    Ok(Signature {
        role: role.as_str().to_owned(),
        version: signed["version"].as_u64().unwrap_or_default(),
        images,
        keys: ids,
        file: path.to_owned(),
    })
}

/// A file `ROLE.json`.
fn parsed(path: &Path) -> Result<(RoleName, Document), RepositoryError> {
    let no_role = || RepositoryError::NoRoleFile { path: path.to_owned() };
    let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"));
    let role = RoleName::try_from(stem.ok_or_else(no_role)?.to_owned()).map_err(|_| no_role())?;
    let absent = || RepositoryError::Absent { path: path.to_owned() };
    let bytes = read(path, tuf::limit::<Targets>())?.ok_or_else(absent)?;
    let document = match role.as_str() {
        "root" => Document::parse::<Root>(&role, &bytes),
        "snapshot" | "timestamp" => return Err(no_role()),
        _ => Document::parse::<Targets>(&role, &bytes),
    };
    let document = document.map_err(|source| RepositoryError::File { path: path.to_owned(), source })?;
    Ok((role, document))
}

impl Repository {
    /// Adds the signatures in files that were signed elsewhere, signs what is pending with the keys that are here, and
    /// installs what has enough signatures.
    ///
    /// # Errors
    /// A file isn't a copy of what is pending, or the repository can't be changed.
    pub(crate) fn sign(
        &self,
        files: &[PathBuf],
        lifetimes: Lifetimes,
        now: Timestamp,
    ) -> Result<Outcome, RepositoryError> {
        let _lock = self.lock()?;
        let mut state = self.state()?;
        for path in files {
            let (role, document) = parsed(path)?;
            let pending = state.pending.get_mut(&role);
            if !pending.is_some_and(|pending| pending.merge(&document)) {
                let role = role.as_str().to_owned();
                return Err(RepositoryError::NotPending { path: path.clone(), role });
            }
        }
        self.settle(state, Vec::new(), Due::Later, (lifetimes, now))
    }
}
