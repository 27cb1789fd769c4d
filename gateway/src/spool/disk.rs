//! The sled store: opens it, makes batches durable, and keeps a reserve for a full disk.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// sled's cache, bytes.
const CACHE_BYTES: u64 = 4 << 20;

/// Size of a file that is deleted when the disk is full, so that the store can be opened again, bytes.
const RESERVE_BYTES: usize = 4 << 20;

/// Free space that is needed to open the store, bytes: sled writes its snapshot then.
const ROOM_BYTES: u64 = 2 << 20;

/// Why the store can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    /// An error of the disk or the file system; the store itself is intact.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The store is damaged.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl From<sled::Error> for DiskError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Damaged(error.to_string())
            }
            // For a file that another process has locked, sled's message is the debug form of the system's error.
            sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
                let why = "another gateway uses it: stop that one, or give this one a data_dir of its own";
                Self::Io(io::Error::new(io::ErrorKind::WouldBlock, why))
            }
            sled::Error::Io(error) => Self::Io(error),
            other @ (sled::Error::CollectionNotFound(_)
            | sled::Error::Unsupported(_)
            | sled::Error::ReportableBug(_)
            | sled::Error::Corruption { .. }) => Self::Damaged(other.to_string()),
        }
    }
}

/// The open store.
pub(super) struct Disk {
    db: sled::Db,
    file: File,
    blobs: PathBuf,
    /// Blobs that were synced.
    synced: RefCell<BTreeSet<OsString>>,
}

impl Disk {
    /// Opens or creates the store in `path`. sled panics on some damage: a panic counts as damage.
    pub(super) fn open(path: &Path) -> Result<Self, DiskError> {
        fs::create_dir_all(path)?;
        forget_half_snapshots(path)?;
        let config = sled::Config::new()
            .path(path)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        let db = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_| DiskError::Damaged("it can't be opened".to_owned()))??;
        let (file, blobs) = (File::open(path.join("db"))?, path.join("blobs"));
        for dir in [Some(blobs.as_path()), Some(path), path.parent()].into_iter().flatten() {
            File::open(dir)?.sync_all()?;
        }
        Ok(Self { db, file, blobs, synced: RefCell::default() })
    }

    /// Makes a batch durable. sled's `flush` leaves data in the file system's cache, so a second handle syncs the
    /// file. If the disk returns errors, sled may panic: the store is then opened again, as after any other error.
    pub(super) fn apply(&self, batch: sled::Batch) -> Result<(), DiskError> {
        let applied = catch_unwind(AssertUnwindSafe(|| -> Result<(), DiskError> {
            self.db.apply_batch(batch)?;
            // Blobs before the log that refers to them.
            self.sync_blobs()?;
            self.db.flush()?;
            self.file.sync_all()?;
            Ok(())
        }));
        applied.unwrap_or_else(|_| Err(DiskError::Io(io::Error::other("the store failed"))))
    }

    /// Syncs sled's blobs: large values in files of their own, which sled never syncs.
    fn sync_blobs(&self) -> io::Result<()> {
        let mut synced = self.synced.borrow_mut();
        let mut there = BTreeSet::new();
        let mut is_new = false;
        for entry in fs::read_dir(&self.blobs)? {
            let name = entry?.file_name();
            if !synced.contains(&name) {
                match File::open(self.blobs.join(&name)) {
                    Ok(blob) => blob.sync_all()?,
                    // It was deleted meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                is_new = true;
            }
            there.insert(name);
        }
        if is_new {
            File::open(&self.blobs)?.sync_all()?;
        }
        *synced = there;
        Ok(())
    }

    /// Closes the store. sled may panic if its last sync fails; everything relevant was synced before.
    pub(super) fn close(self) {
        if catch_unwind(AssertUnwindSafe(|| drop(self))).is_err() {
            tracing::warn!("closing the store panicked");
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, DiskError> {
        Ok(self.db.get(key)?)
    }

    pub(super) fn scan(&self, prefix: &[u8]) -> sled::Iter {
        self.db.scan_prefix(prefix)
    }

    pub(super) fn range(&self, from: &[u8], to_inclusive: &[u8]) -> sled::Iter {
        self.db.range(from..=to_inclusive)
    }

    pub(super) fn all(&self) -> sled::Iter {
        self.db.iter()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}

/// Removes snapshots that a full disk or a crash left incomplete: sled would use one as the newest, and find the
/// whole store damaged. The previous one still exists.
fn forget_half_snapshots(store: &Path) -> io::Result<()> {
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating")) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Free space of the file system of `dir`, bytes.
fn free_bytes(dir: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(dir)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Too little free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short {
    pub(super) free: u64,
    pub(super) needed: u64,
}

impl From<Short> for io::Error {
    fn from(short: Short) -> Self {
        let Short { free, needed } = short;
        let why = format!("no room on the disk: {free} bytes are free, {needed} are needed");
        Self::new(io::ErrorKind::StorageFull, why)
    }
}

/// The reserve file beside the store.
#[derive(Debug)]
pub(super) struct Reserve(PathBuf);

impl Reserve {
    pub(super) fn beside(store: &Path) -> Self {
        Self(store.with_extension("reserve"))
    }

    /// Creates the reserve, with blocks that are really allocated.
    pub(super) fn keep(&self) -> io::Result<()> {
        let whole = u64::try_from(RESERVE_BYTES).unwrap_or(u64::MAX);
        if fs::metadata(&self.0).is_ok_and(|facts| facts.len() == whole) {
            return Ok(());
        }
        let mut file = File::create(&self.0)?;
        let written = file.write_all(&vec![0x5a; RESERVE_BYTES]).and_then(|()| file.sync_all());
        if written.is_err() {
            self.free();
        }
        written
    }

    /// Ensures that there is room to open the store, if necessary by deleting the reserve: opened on a full disk,
    /// sled would write incomplete files.
    pub(super) fn room_to_open(&self) -> io::Result<Result<(), Short>> {
        let (free, kept) = (self.free_bytes()?, self.kept_bytes());
        if free.saturating_add(kept) < ROOM_BYTES {
            return Ok(Err(Short { free, needed: ROOM_BYTES }));
        }
        if free < ROOM_BYTES {
            self.free();
        }
        Ok(Ok(()))
    }

    /// Ensures that there is room to continue after the disk was full, the reserve included.
    pub(super) fn room_to_go_on(&self) -> io::Result<()> {
        let whole = u64::try_from(RESERVE_BYTES).unwrap_or(u64::MAX);
        let (free, kept) = (self.free_bytes()?, self.kept_bytes());
        let needed = ROOM_BYTES.saturating_add(whole.saturating_sub(kept));
        if free < needed { Err(Short { free, needed }.into()) } else { Ok(()) }
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.0.parent().map_or(Ok(u64::MAX), free_bytes)
    }

    fn kept_bytes(&self) -> u64 {
        fs::metadata(&self.0).map_or(0, |facts| facts.len())
    }

    /// Deletes the reserve.
    pub(super) fn free(&self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(error = %error, "the spool's reserve can't be deleted");
        }
    }
}
