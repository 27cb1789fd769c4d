//! Staging: downloads a firmware image to the gateway, once per site and image. Only signed metadata is trusted.
//!
//! The command names a target; digest and length come from the signed metadata, which is a TUF repository. What is trusted
//! of it is in `DIR/trust`. An image is downloaded to
//! `DIR/SHA256.part`, resumed after an interruption or a restart, verified, synced, and only then renamed to
//! `DIR/SHA256`.

mod client;
mod download;
mod error;
mod trust;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use gateway_core::site::StagedImage;
use jiff::Timestamp;
use tuf::limits::ROOT_BYTES;
use tuf::{Client, Found, TargetFile};
use wire::command::FirmwareUpdate;
use wire::image::ImageFacts;
use wire::limits::IMAGE_BYTES;

pub(crate) use client::{GlobalServerConfig, StagingClient};
pub(crate) use error::StagingError;

use crate::repository::{self, perform};
use trust::Trust;

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
    let image = published(client, update, dir, now).await?;
    download::fetch(client, &update.target, image, dir, &mut progress).await
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
    let image = published(client, update, dir, now).await?;
    if image.sha256 == sha256 {
        return Ok(());
    }
    Err(StagingError::Replaced { target: update.target.clone(), published: image.sha256 })
}

/// The image of `update` by the newest signed metadata. What was verified is stored, even if what follows is refused.
async fn published(
    client: &StagingClient,
    update: &FirmwareUpdate,
    dir: &Path,
    now: Timestamp,
) -> Result<StagedImage, StagingError> {
    let _one_at_a_time = client.metadata_turn().await;
    tokio::fs::create_dir_all(dir).await.map_err(StagingError::storage(dir))?;
    let anchor = provisioned_root(client.root())?;
    let mut trust = Trust::load(dir, &anchor)?;
    let mut metadata = match trust.root() {
        Some(root) => Client::new(root, now)?,
        None => Client::from_anchor(&anchor, now)?,
    };
    let found = find(client, &mut metadata, &mut trust, &update.target).await;
    trust.save(metadata.trusted().snapshot())?;
    let name = update.target.as_str();
    match found? {
        Found::Target { file, .. } => check(name, &file, update),
        Found::Absent => {
            let version = metadata.trusted().targets().map_or(0, |targets| targets.version.get());
            Err(StagingError::NoTarget { target: name.to_owned(), version })
        }
    }
}

async fn find(
    client: &StagingClient,
    metadata: &mut Client,
    trust: &mut Trust,
    target: &str,
) -> Result<Found, StagingError> {
    perform(metadata, trust, client).await?;
    if let Some(targets) = metadata.trusted().targets() {
        trust.check_former(targets.version)?;
    }
    metadata.find(target)?;
    perform(metadata, trust, client).await?;
    Ok(metadata.found().unwrap_or(Ok(Found::Absent))?)
}

fn provisioned_root(path: &Path) -> Result<Vec<u8>, StagingError> {
    let unreadable = |source| StagingError::TrustedRoot { path: path.to_owned(), source };
    let root = repository::read(path, ROOT_BYTES).map_err(unreadable)?;
    root.ok_or_else(|| unreadable(io::ErrorKind::NotFound.into()))
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

fn check(name: &str, file: &TargetFile, update: &FirmwareUpdate) -> Result<StagedImage, StagingError> {
    let unusable = |problem: String| StagingError::UnusableTarget { target: name.to_owned(), problem };
    let facts = file.custom.clone().unwrap_or_default();
    let facts: ImageFacts =
        serde_json::from_value(facts).map_err(|error| unusable(format!("custom: {error}")))?;
    if facts.version != update.version {
        return Err(StagingError::OtherVersion {
            target: name.to_owned(),
            ordered: update.version.clone(),
            signed: facts.version,
        });
    }
    // The digest becomes a file name, so it must be nothing else.
    let sha256 = file.hashes.hash("sha256").unwrap_or_default();
    if !is_digest(sha256) {
        return Err(unusable("its sha256 is not 64 hexadecimal digits".to_owned()));
    }
    if file.length == 0 || file.length > IMAGE_BYTES {
        return Err(unusable(format!("its length is {}, expected 1 to {IMAGE_BYTES}", file.length)));
    }
    Ok(StagedImage { sha256: sha256.to_owned(), length: file.length })
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
