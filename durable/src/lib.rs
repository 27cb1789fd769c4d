//! Replaces files atomically: after a crash or a failed write, a file has either its complete old content or its
//! complete new content.
//!
//! A file is written under another name in the same directory, synced and renamed; then the directory is synced, so
//! that the new name is durable when a function here returns.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Suffix of a file that is being written. A crash may leave one; the next write of the same file removes it.
pub const SUFFIX: &str = ".new";

/// A file that is being written and doesn't have its final name yet; dropping it removes it.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    /// Its path until it is renamed; `None` afterwards.
    aside: Option<PathBuf>,
}

impl NewFile {
    /// Creates `path` with [`SUFFIX`], which must be on the file system of the file to replace. `mode` applies
    /// whatever the umask is.
    ///
    /// # Errors
    /// The directory can't be written.
    pub fn create(path: &Path, mode: u32) -> io::Result<Self> {
        let mut name = path.file_name().map(OsString::from).unwrap_or_default();
        name.push(SUFFIX);
        let aside = path.with_file_name(name);
        // An old one might have another mode.
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&aside)?;
        Ok(Self { file, aside: Some(aside) })
    }

    /// Syncs the file and renames it to `path`, replacing an existing file.
    ///
    /// # Errors
    /// The file or its directory can't be synced, or the file can't be renamed.
    pub fn persist(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        if let Some(aside) = &self.aside {
            fs::rename(aside, path)?;
        }
        self.aside = None;
        sync_parent(path)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(aside) = &self.aside {
            // A remaining file is removed by the next write.
            drop(fs::remove_file(aside));
        }
    }
}

/// Replaces or creates a file.
///
/// # Errors
/// The file can't be written, synced or renamed: the old one is unchanged, unless only the sync of the directory
/// failed.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = NewFile::create(path, mode)?;
    file.write_all(bytes)?;
    file.persist(path)
}

/// Renames a file that is already synced.
///
/// # Errors
/// The file can't be renamed, or its directory can't be synced.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Syncs the directory of a path, and with it the names of its files.
///
/// # Errors
/// The directory can't be opened or synced.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(dir: &Path) -> Vec<OsString> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_crash_or_failure_at_any_step_leaves_the_old_file_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        write(&path, b"old", 0o644).unwrap();

        // A write that fails, as on a full disk, leaves nothing beside the file.
        let mut failed = NewFile::create(&path, 0o644).unwrap();
        failed.write_all(b"half of the n").unwrap();
        drop(failed);
        assert_eq!(names(dir.path()), ["state"]);

        // A process that is killed runs no destructor; a rename that fails doesn't either.
        let mut killed = NewFile::create(&path, 0o644).unwrap();
        killed.write_all(b"half of the n").unwrap();
        std::mem::forget(killed);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()).len(), 2);

        let unnamed = NewFile::create(&path, 0o644).unwrap();
        assert!(unnamed.persist(&dir.path().join("absent/state")).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");

        write(&path, b"new", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["state"]);
    }

    #[test]
    fn the_mode_is_the_new_files_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let left = dir.path().join("key.new");
        fs::write(&left, "readable by all").unwrap();
        write(&path, b"secret", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!left.exists());
    }
}
