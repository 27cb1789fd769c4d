//! Staging: downloads a firmware image to the gateway, once per site and image. Only signed metadata is trusted.
//!
//! The command names a target; digest and length come from the signed metadata. An image is downloaded to
//! `DIR/SHA256.part`, resumed after an interruption or a restart, verified, synced, and only then renamed to
//! `DIR/SHA256`.

mod client;
mod download;
mod error;
mod newest;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use gateway_core::site::StagedImage;
use jiff::Timestamp;
use wire::command::FirmwareUpdate;
use wire::limits::IMAGE_BYTES;
use wire::metadata::{self, Target};

pub(crate) use client::{GlobalServerConfig, StagingClient};
pub(crate) use error::StagingError;

/// Downloads the image of `update` into `dir`. If it is there already, its digest is verified again and only the
/// metadata is downloaded. `progress` gets the bytes received and the bytes in total. One image at a time is
/// downloaded over a site's line: a second call waits.
///
/// # Errors
/// [`StagingError::is_final`] is whether a retry can help; the partial download is kept for it.
pub(crate) async fn stage(
    client: &StagingClient,
    update: &FirmwareUpdate,
    dir: &Path,
    now: Timestamp,
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<StagedImage, StagingError> {
    let _one_at_a_time = client.turn().await;
    let target = published(client, update, dir, now).await?;
    download::fetch(client, &update.target, &target, dir, &mut progress).await
}

/// Confirms that the image staged for `update` is still published, by the newest metadata of the global server.
///
/// # Errors
/// [`StagingError::is_withdrawal`] is whether the image must not be used any more; after any other error the question
/// is open.
pub(crate) async fn confirm(
    client: &StagingClient,
    update: &FirmwareUpdate,
    sha256: &str,
    dir: &Path,
    now: Timestamp,
) -> Result<(), StagingError> {
    let target = published(client, update, dir, now).await?;
    if target.hashes.sha256 == sha256 {
        return Ok(());
    }
    Err(StagingError::Replaced { target: update.target.clone(), published: target.hashes.sha256 })
}

/// The target of `update` in the newest signed metadata. An older version than the newest one trusted here is rejected.
async fn published(
    client: &StagingClient,
    update: &FirmwareUpdate,
    dir: &Path,
    now: Timestamp,
) -> Result<Target, StagingError> {
    let _one_at_a_time = client.metadata_turn().await;
    tokio::fs::create_dir_all(dir).await.map_err(StagingError::storage(dir))?;
    let root_file = tokio::fs::read(client.root())
        .await
        .map_err(|source| StagingError::TrustedRoot { path: client.root().to_owned(), source })?;
    let root = metadata::verify_root(&root_file, now).map_err(StagingError::Untrusted)?;
    let known = newest::read(dir).await?;
    let file = client.targets().await?;
    let mut targets = metadata::verify_targets(&file, &root, known, now).map_err(StagingError::Untrusted)?;
    if targets.version > known {
        newest::write(dir, targets.version).await?;
    }
    let name = update.target.as_str();
    let target = targets
        .targets
        .remove(name)
        .ok_or_else(|| StagingError::NoTarget { target: name.to_owned(), version: targets.version })?;
    check(name, &target, update)?;
    Ok(target)
}

/// The file of a staged image in `dir`.
#[must_use]
pub(crate) fn image_file(dir: &Path, sha256: &str) -> PathBuf {
    dir.join(sha256)
}

/// Removes images and partial images that no roll-out needs: those whose digest isn't in `keep`. Returns the bytes
/// that were freed.
///
/// # Errors
/// The directory can't be read or a file can't be removed.
pub(crate) fn retain(dir: &Path, keep: &BTreeSet<String>) -> io::Result<u64> {
    let mut freed = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(digest) = name.to_str().map(|name| name.strip_suffix(".part").unwrap_or(name)) else {
            continue;
        };
        if is_digest(digest) && !keep.contains(digest) {
            freed += entry.metadata()?.len();
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(freed)
}

fn check(name: &str, target: &Target, update: &FirmwareUpdate) -> Result<(), StagingError> {
    let unusable = |problem: String| StagingError::UnusableTarget { target: name.to_owned(), problem };
    if target.custom.version != update.version {
        return Err(StagingError::OtherVersion {
            target: name.to_owned(),
            ordered: update.version.clone(),
            signed: target.custom.version.clone(),
        });
    }
    // The digest becomes a file name, so it must be nothing else.
    if !is_digest(&target.hashes.sha256) {
        return Err(unusable("its sha256 is not 64 hexadecimal digits".to_owned()));
    }
    if target.length == 0 || target.length > IMAGE_BYTES {
        return Err(unusable(format!("its length is {}, expected 1 to {IMAGE_BYTES}", target.length)));
    }
    Ok(())
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
