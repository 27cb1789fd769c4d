//! The stored metadata and targets of a repository: `ROLE.json` in a folder, one version of each.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use durable::NewFile;
use tuf::{FileChecker, RoleName, TargetFile};

use super::error::RepositoryError;
use super::perform::Store;

/// Mode of the files: everybody may read what a repository publishes.
const MODE: u32 = 0o644;

/// Bytes that are read at once.
const PART_BYTES: usize = 64 << 10;

/// A folder of metadata.
#[derive(Debug)]
pub(crate) struct Storage {
    dir: PathBuf,
}

impl Storage {
    /// Metadata in `dir`.
    #[must_use]
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(super) fn path(&self, role: &RoleName) -> PathBuf {
        self.dir.join(role.file_name())
    }
}

impl Store<RepositoryError> for &Storage {
    fn read(&mut self, role: &RoleName, limit: u64) -> Result<Option<Vec<u8>>, RepositoryError> {
        let path = self.path(role);
        read(&path, limit).map_err(|source| RepositoryError::File { path, source })
    }

    fn write(&mut self, role: &RoleName, bytes: &[u8]) -> Result<(), RepositoryError> {
        let path = self.path(role);
        fs::create_dir_all(&self.dir)
            .and_then(|()| durable::write(&path, bytes, MODE))
            .map_err(|source| RepositoryError::File { path, source })
    }

    fn remove(&mut self, role: &RoleName) -> Result<(), RepositoryError> {
        let path = self.path(role);
        let removed = match fs::remove_file(&path) {
            Ok(()) => durable::sync_parent(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(|source| RepositoryError::File { path, source })
    }
}

/// Reads a file of at most `limit` bytes and one more.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Path of a target's file in a folder: the target's path as one percent-encoded name.
pub(super) fn target_path(dir: &Path, target: &str) -> PathBuf {
    let name = tuf::quoted(target);
    // The names of the folder itself and of its parent.
    let name = if matches!(name.as_str(), "." | "..") { name.replace('.', "%2E") } else { name };
    dir.join(name)
}

/// Whether the file already is the target.
pub(super) fn is_target(path: &Path, target: &str, expected: &TargetFile) -> bool {
    let checked = || -> Option<()> {
        let mut file = File::open(path).ok()?;
        let mut checker = expected.checker(target).ok()?;
        let mut part = vec![0; PART_BYTES];
        loop {
            match file.read(&mut part).ok()? {
                0 => return checker.finish().ok(),
                read => checker.update(part.get(..read)?).ok()?,
            }
        }
    };
    checked().is_some()
}

/// A target that is being downloaded. It gets its final name when it is complete and verified.
#[derive(Debug)]
pub(super) struct NewTarget {
    path: PathBuf,
    file: NewFile,
    checker: FileChecker,
}

impl NewTarget {
    pub(super) fn create(path: &Path, target: &str, expected: &TargetFile) -> Result<Self, RepositoryError> {
        let checker = expected.checker(target)?;
        let parent = path.parent().unwrap_or(Path::new("."));
        let file = fs::create_dir_all(parent).and_then(|()| NewFile::create(path, MODE));
        let file = file.map_err(|source| RepositoryError::File { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file, checker })
    }

    pub(super) fn write(&mut self, part: &[u8]) -> Result<(), RepositoryError> {
        self.checker.update(part)?;
        self.file.write_all(part).map_err(|source| RepositoryError::File { path: self.path.clone(), source })
    }

    pub(super) fn finish(self) -> Result<(), RepositoryError> {
        let Self { path, file, checker } = self;
        checker.finish()?;
        file.persist(&path).map_err(|source| RepositoryError::File { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_one_segment() {
        let dir = Path::new("/d");
        for (target, file) in
            [("a/b c", "/d/a%2Fb%20c"), ("..", "/d/%2E%2E"), (".", "/d/%2E"), ("../a", "/d/..%2Fa")]
        {
            assert_eq!(target_path(dir, target), Path::new(file));
        }
    }

    #[test]
    fn a_stored_file_is_replaced_removed_and_read_up_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Storage::new(&dir.path().join("made"));
        let mut storage = &folder;
        let role = RoleName::timestamp();
        assert_eq!(storage.read(&role, 9).unwrap(), None);
        storage.remove(&role).unwrap();
        storage.write(&role, b"12345").unwrap();
        assert_eq!(storage.read(&role, 5).unwrap().unwrap(), b"12345");
        assert_eq!(storage.read(&role, 2).unwrap().unwrap(), b"123");
        storage.remove(&role).unwrap();
        assert_eq!(storage.read(&role, 9).unwrap(), None);
        // A file that can't be read is not a file that isn't there.
        fs::create_dir(storage.path(&role)).unwrap();
        assert!(matches!(storage.read(&role, 9), Err(RepositoryError::File { .. })));
    }
}
