//! The high-water mark beside the store: the spool's newest durable state, updated with each batch. A store that is
//! older than its mark has lost data, which sled doesn't report: after a torn log it opens at an earlier state.
//!
//! There are two slots of one page each, written in turn and in place: a torn write leaves the other one intact, and
//! a full disk has room for both. A slot is its length, a checksum, and the [`Epoch`] as JSON.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::layout::Epoch;

/// Size of a slot, bytes.
const SLOT: usize = 4096;

/// Size of length and checksum before the JSON, bytes.
const HEAD: usize = 8;

#[derive(Debug)]
pub(super) struct HighWaterMark {
    path: PathBuf,
    file: Option<File>,
}

impl HighWaterMark {
    pub(super) fn beside(store: &Path) -> Self {
        Self { path: store.with_extension("mark"), file: None }
    }

    /// The newest mark; `None` if there is none or it can't be read.
    pub(super) fn read(&self) -> Option<Epoch> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(error = %error, "the spool's high-water mark can't be read");
                return None;
            }
        };
        let newest = bytes.chunks(SLOT).take(2).filter_map(decode).max_by_key(|epoch| epoch.batch);
        if newest.is_none() {
            tracing::warn!(
                "the spool's high-water mark is damaged: it can't be detected whether the store is outdated"
            );
        }
        newest
    }

    /// Records durably that the store has this state.
    pub(super) fn write(&mut self, epoch: &Epoch) -> io::Result<()> {
        let slot = encode(epoch)?;
        let file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        let place = if epoch.batch.is_multiple_of(2) { 0 } else { u64::try_from(SLOT).unwrap_or(u64::MAX) };
        file.write_all_at(&slot, place)?;
        file.sync_data()?;
        self.file = Some(file);
        Ok(())
    }

    /// The file, with both pages allocated on the disk.
    fn open(&self) -> io::Result<File> {
        let whole = u64::try_from(SLOT * 2).unwrap_or(u64::MAX);
        if !fs::metadata(&self.path).is_ok_and(|facts| facts.len() == whole) {
            durable::write(&self.path, &[0; SLOT * 2], 0o644)?;
        }
        OpenOptions::new().write(true).open(&self.path)
    }
}

fn encode(epoch: &Epoch) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(epoch)?;
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
    if json.len() > SLOT - HEAD {
        return Err(io::Error::other("the spool's state is too large for the high-water mark"));
    }
    let mut slot = Vec::with_capacity(SLOT);
    slot.extend(length.to_be_bytes());
    slot.extend(checksum(&json).to_be_bytes());
    slot.extend(json);
    slot.resize(SLOT, 0);
    Ok(slot)
}

fn decode(slot: &[u8]) -> Option<Epoch> {
    let word = |from: usize| {
        let bytes = slot.get(from..from + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let length = usize::try_from(word(0)?).ok()?;
    let json = slot.get(HEAD..HEAD.checked_add(length)?)?;
    (!json.is_empty() && checksum(json) == word(4)?).then(|| serde_json::from_slice(json).ok())?
}

/// 32-bit FNV-1a: detects torn pages, not forgery.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_mark_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("spool");
        let mut mark = HighWaterMark::beside(&store);
        assert_eq!(mark.read(), None);
        let mut epoch = Epoch::begin();
        for batch in 1..=5 {
            epoch.batch = batch;
            epoch.lanes.bulk.make();
            mark.write(&epoch).unwrap();
            assert_eq!(HighWaterMark::beside(&store).read().as_ref(), Some(&epoch));
        }
        let whole = fs::read(&mark.path).unwrap();
        assert_eq!(whole.len(), 2 * SLOT);
        for torn in [0, 3, 7, 20, 150] {
            // The fifth mark is in the second slot.
            let mut bytes = whole.clone();
            bytes[SLOT + torn] ^= 0x40;
            fs::write(&mark.path, &bytes).unwrap();
            assert_eq!(mark.read().map(|epoch| epoch.batch), Some(4), "{torn}");
        }
        fs::write(&mark.path, &whole[..SLOT + 100]).unwrap();
        assert_eq!(mark.read().map(|epoch| epoch.batch), Some(4));
        for nothing in [&b""[..], b"x", &[0xff; 2 * SLOT]] {
            fs::write(&mark.path, nothing).unwrap();
            assert_eq!(mark.read(), None);
        }
        epoch.batch = 6;
        HighWaterMark::beside(&store).write(&epoch).unwrap();
        assert_eq!(mark.read(), Some(epoch));
    }
}
