//! Returns disk space after a long outage. sled never shrinks its files, so the remaining records are copied into a
//! new store, which replaces the old one atomically.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::disk::{Disk, DiskError, Reserve};

/// Smaller stores are not compacted, bytes.
const LEAST_BYTES: u64 = 4 << 20;

/// The new store must be smaller than this fraction of the old one.
const PART: u64 = 4;

/// Records per batch, bytes.
const BATCH_BYTES: usize = 1 << 20;

/// The directory of the new store until it replaces the old one.
fn aside(store: &Path) -> PathBuf {
    store.with_extension("compact")
}

/// Removes what an interrupted compaction left: the incomplete new store, or the old one that was replaced.
pub(super) fn forget_remains(store: &Path) -> io::Result<()> {
    match fs::remove_dir_all(aside(store)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies the store into a smaller one if that saves enough and there is room. Returns the store to continue with.
pub(super) fn compact(store: &Path, disk: Disk, reserve: &Reserve) -> Result<Disk, DiskError> {
    let before = disk.bytes();
    if before < LEAST_BYTES || reserve.room_to_go_on().is_err() {
        return Ok(disk);
    }
    if live_bytes(&disk)?.saturating_mul(PART) > before {
        return Ok(disk);
    }
    let smaller = match copy(store, &disk) {
        Ok(smaller) => smaller,
        Err(error) => {
            tracing::warn!(error = %error, "spool not compacted");
            forget_remains(store)?;
            return Ok(disk);
        }
    };
    let after = smaller.bytes();
    disk.close();
    smaller.close();
    let swapped = renameat_with(CWD, store, CWD, aside(store), RenameFlags::EXCHANGE);
    match swapped.map_err(io::Error::from) {
        Ok(()) => {
            durable::sync_parent(store)?;
            tracing::info!(before, after, "spool compacted");
        }
        Err(error) => {
            tracing::warn!(error = %error, "spool not compacted: the file system can't exchange directories")
        }
    }
    forget_remains(store)?;
    Disk::open(store)
}

fn live_bytes(disk: &Disk) -> Result<u64, DiskError> {
    let mut live = 0_u64;
    for entry in disk.all() {
        let (key, value) = entry?;
        live = live.saturating_add(super::outbox::stored_bytes(&key, &value));
    }
    Ok(live)
}

fn copy(store: &Path, disk: &Disk) -> Result<Disk, DiskError> {
    forget_remains(store)?;
    let smaller = Disk::open(&aside(store))?;
    let (mut batch, mut bytes) = (sled::Batch::default(), 0_usize);
    for entry in disk.all() {
        let (key, value) = entry?;
        bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
        batch.insert(key, value);
        if bytes > BATCH_BYTES {
            smaller.apply(std::mem::take(&mut batch))?;
            bytes = 0;
        }
    }
    smaller.apply(batch)?;
    Ok(smaller)
}
