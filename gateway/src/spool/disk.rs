//! The store on the disk: opens it, makes batches durable, keeps a reserve for a full disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// sled's cache, bytes.
const CACHE_BYTES: u64 = 4 << 20;

/// A file of this size is freed when the disk is full, so that the store can be opened again, bytes.
const RESERVE_BYTES: usize = 4 << 20;

/// The store could not be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    /// The disk or the file system refuses: the store itself is whole.
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
}

impl Disk {
    /// Opens or begins the store in `path`. sled panics on some damage: that is damage as well.
    pub(super) fn open(path: &Path) -> Result<Self, DiskError> {
        fs::create_dir_all(path)?;
        let config = sled::Config::new()
            .path(path)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        let db = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_| DiskError::Damaged("it can't be opened".to_owned()))??;
        let file = File::open(path.join("db"))?;
        Ok(Self { db, file })
    }

    /// Makes a batch durable. `flush` alone would leave it in the file system's cache: a second handle syncs the file.
    pub(super) fn apply(&self, batch: sled::Batch) -> Result<(), DiskError> {
        self.db.apply_batch(batch)?;
        self.db.flush()?;
        self.file.sync_all()?;
        Ok(())
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

/// The reserve beside the store.
#[derive(Debug)]
pub(super) struct Reserve(PathBuf);

impl Reserve {
    pub(super) fn beside(store: &Path) -> Self {
        Self(store.with_extension("reserve"))
    }

    /// Takes the space, with real bytes on the disk.
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

    /// Gives the space to the store.
    pub(super) fn free(&self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(error = %error, "the spool's reserve can't be freed");
        }
    }
}
