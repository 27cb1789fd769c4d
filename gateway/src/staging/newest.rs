//! The newest version of the targets metadata that was ever trusted here. An older version is a rollback.

use std::io;
use std::path::Path;

use super::error::StagingError;

const FILE: &str = "newest-targets";

/// The version; 0 if there was none. A file that is not a number is an error: treating it as 0 would permit a
/// rollback.
pub(super) async fn read(dir: &Path) -> Result<u64, StagingError> {
    let path = dir.join(FILE);
    match tokio::fs::read_to_string(&path).await {
        Ok(text) => text
            .trim()
            .parse()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            .map_err(StagingError::storage(&path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(StagingError::storage(&path)(error)),
    }
}

/// Stores a version durably.
pub(super) async fn write(dir: &Path, version: u64) -> Result<(), StagingError> {
    let path = dir.join(FILE);
    let newest = path.clone();
    let written = tokio::task::spawn_blocking(move || {
        durable::write(&newest, format!("{version}\n").as_bytes(), 0o644)
    });
    written.await.map_err(io::Error::other).flatten().map_err(StagingError::storage(&path))
}
