//! Files that appear whole or not at all: written aside, synced, renamed, and the directory synced.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::RepositoryError;

/// Names a file that is half written; [`super::Repository::check`] tells of those that a crash left.
pub(super) const ASIDE: &str = ".new";

/// Makes a directory with a mode; one that exists is left as it is.
pub(super) fn make_dir(path: &Path, mode: u32) -> Result<(), RepositoryError> {
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|source| at(path, source))
}

/// Writes a whole file.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), RepositoryError> {
    let (aside, mut file) = create_aside(path, mode)?;
    file.write_all(bytes).map_err(|source| at(&aside, source))?;
    name(&file, &aside, path)
}

/// Begins a file that will be named `path`.
pub(super) fn create_aside(path: &Path, mode: u32) -> Result<(PathBuf, File), RepositoryError> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(ASIDE);
    let aside = PathBuf::from(aside);
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&aside, error)),
        Ok(()) | Err(_) => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&aside);
    Ok((aside.clone(), file.map_err(|source| at(&aside, source))?))
}

/// Syncs a file that was written aside, gives it its name, and makes the name durable.
pub(super) fn name(file: &File, aside: &Path, path: &Path) -> Result<(), RepositoryError> {
    file.sync_all().map_err(|source| at(aside, source))?;
    std::fs::rename(aside, path).map_err(|source| at(path, source))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| at(dir, source))
}

pub(super) fn at(path: &Path, source: io::Error) -> RepositoryError {
    RepositoryError::Storage { path: path.to_owned(), source }
}
