//! The metadata's files: reading them with a limit, finding the newest version, writing them durably.

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use tuf::{Document, Role, RoleName};

use super::Repository;
use super::error::{RepositoryError, at};

/// Versions of a role that are kept beside the newest one, for clients that are reading them. Roots are all kept: they
/// are the chain from a root that a gateway was given long ago.
const KEPT_VERSIONS: u64 = 16;

impl Repository {
    /// The version numbers of a role's files, ascending.
    pub(super) fn versions(&self, role: &RoleName) -> Result<Vec<u64>, RepositoryError> {
        let dir = self.dir.join("metadata");
        let failed = |source| at(&dir, source);
        let ending = format!(".{}", role.file_name());
        let mut versions = Vec::new();
        for entry in std::fs::read_dir(&dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(&ending));
            // A number in its one form: not `01`.
            let version = number.and_then(|text| text.parse().ok().filter(|n: &u64| n.to_string() == text));
            versions.extend(version);
        }
        versions.sort_unstable();
        Ok(versions)
    }

    /// The file of the highest version, parsed and not verified; `None` if there is none.
    pub(super) fn newest<R: Role>(&self, role: &RoleName) -> Result<Option<Document>, RepositoryError> {
        match self.versions(role)?.last() {
            Some(version) => self.document::<R>(role, &versioned(role, *version)),
            None => Ok(None),
        }
    }

    /// A metadata file, parsed and not verified; `None` if there is none.
    pub(super) fn document<R: Role>(
        &self,
        role: &RoleName,
        name: &str,
    ) -> Result<Option<Document>, RepositoryError> {
        self.parsed::<R>(role, &self.metadata_path(name))
    }

    /// A file of a role, parsed and not verified; `None` if there is none.
    pub(super) fn parsed<R: Role>(
        &self,
        role: &RoleName,
        path: &Path,
    ) -> Result<Option<Document>, RepositoryError> {
        let Some(bytes) = read(path, tuf::limit::<R>())? else { return Ok(None) };
        let document = Document::parse::<R>(role, &bytes);
        document.map(Some).map_err(|source| RepositoryError::File { path: path.to_owned(), source })
    }

    /// Bytes of a metadata file of at most `limit` bytes; `None` if there is none.
    ///
    /// # Errors
    /// It can't be read, or is larger.
    pub(crate) fn metadata(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, RepositoryError> {
        read(&self.metadata_path(name), limit)
    }

    /// Writes a metadata file, unless it has that content already.
    pub(super) fn write_metadata(&self, name: &str, bytes: &[u8]) -> Result<(), RepositoryError> {
        write(&self.metadata_path(name), bytes)
    }

    /// Writes a version of a role.
    pub(super) fn write_version<R: Role>(
        &self,
        role: &RoleName,
        version: u64,
        document: &Document,
    ) -> Result<(), RepositoryError> {
        let (bytes, limit) = (document.to_bytes(), tuf::limit::<R>());
        let name = versioned(role, version);
        if bytes.len() as u64 > limit {
            return Err(RepositoryError::MetadataTooLarge { path: self.metadata_path(&name), limit });
        }
        self.write_metadata(&name, &bytes)
    }

    /// Removes versions that no client needs any more.
    pub(super) fn prune(&self, role: &RoleName) -> Result<(), RepositoryError> {
        let versions = self.versions(role)?;
        let oldest = versions.last().copied().unwrap_or(0).saturating_sub(KEPT_VERSIONS);
        for version in versions.into_iter().filter(|version| *version < oldest) {
            remove(&self.metadata_path(&versioned(role, version)))?;
        }
        Ok(())
    }
}

/// `N.ROLE.json`
pub(super) fn versioned(role: &RoleName, version: u64) -> String {
    format!("{version}.{}", role.file_name())
}

/// Writes a file, unless it has that content already.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), RepositoryError> {
    if std::fs::read(path).is_ok_and(|stored| stored == bytes) {
        return Ok(());
    }
    durable::write(path, bytes, 0o644).map_err(|source| at(path, source))
}

/// Creates a directory with a mode; an existing one is left unchanged.
pub(super) fn make_dir(path: &Path, mode: u32) -> Result<(), RepositoryError> {
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|source| at(path, source))
}

/// Removes a file durably; `false` if there was none.
pub(super) fn remove(path: &Path) -> Result<bool, RepositoryError> {
    let removed = match std::fs::remove_file(path) {
        Ok(()) => durable::sync_parent(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    removed.map_err(|source| at(path, source))
}

/// A file of at most `limit` bytes; `None` if there is none.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, RepositoryError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path, error)),
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|source| at(path, source))?;
    if bytes.len() as u64 > limit {
        return Err(RepositoryError::MetadataTooLarge { path: path.to_owned(), limit });
    }
    Ok(Some(bytes))
}
