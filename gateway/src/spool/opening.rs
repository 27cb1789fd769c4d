//! Opens the store: ensures that there is room, that it is intact, and that it is not older than its mark.

use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use wire::report::{Lane, Loss, Report};

use super::disk::{Disk, DiskError, Reserve};
use super::error::SpoolError;
use super::layout::{self, Epoch, Key, Restored};
use super::{compact, outbox, recovery};

/// An open store and its contents.
pub(super) struct Opened {
    pub(super) disk: Disk,
    pub(super) epoch: Epoch,
    pub(super) restored: Restored,
    pub(super) waiting_bytes: u64,
}

/// Opens the store in any condition. A damaged one is moved away and replaced; one that is older than `mark` is
/// logged, and continues from the mark.
pub(super) fn open(path: &Path, reserve: &Reserve, mark: Option<Epoch>) -> Result<Opened, SpoolError> {
    if let Err(error) = path.parent().map_or(Ok(()), fs::create_dir_all) {
        return Err(refused(path, error));
    }
    if let Err(error) = compact::forget_remains(path) {
        return Err(refused(path, error));
    }
    match reserve.room_to_open() {
        Ok(Ok(())) => {}
        Ok(Err(short)) => return Err(refused(path, short.into())),
        Err(error) => return Err(refused(path, error)),
    }
    let is_new = mark.is_none() && !path.join("db").exists();
    let disk = match Disk::open(path) {
        Ok(disk) => disk,
        Err(DiskError::Io(error)) => return Err(refused(path, error)),
        Err(DiskError::Damaged(why)) => return anew(path, None, &why, mark),
    };
    match recovery::restore(&disk, is_new) {
        Ok((mut epoch, restored, waiting_bytes)) => {
            if let Some(mark) = mark.filter(|mark| mark.batch > epoch.batch) {
                let opened = Opened { disk, epoch, restored, waiting_bytes };
                return go_on(opened, &mark).map_err(|error| failed(path, error));
            }
            for lane in Lane::ALL {
                *epoch.lanes.of_mut(lane) = epoch.lanes.of(lane).opened();
            }
            Ok(Opened { disk, epoch, restored, waiting_bytes })
        }
        Err(DiskError::Io(error)) => Err(refused(path, error)),
        Err(DiskError::Damaged(why)) => {
            let recovered = recovery::read(&disk);
            disk.close();
            anew(path, Some(recovered), &why, mark)
        }
    }
}

/// Moves a damaged store away and creates a new one.
fn anew(
    path: &Path,
    recovered: Option<recovery::Recovered>,
    why: &str,
    mark: Option<Epoch>,
) -> Result<Opened, SpoolError> {
    let now = Timestamp::now();
    recovery::rename_damaged(path, now)?;
    let disk = Disk::open(path).map_err(|error| failed(path, error))?;
    let recovered = recovered.unwrap_or(recovery::Recovered { records: std::collections::BTreeMap::new() });
    let detail = recovery::refill(&disk, recovered, mark, now)?;
    tracing::error!(why, detail, "the spool is damaged");
    metrics::counter!("platen_gateway_spool_damages_total").increment(1);
    let (epoch, mut restored, waiting_bytes) =
        recovery::restore(&disk, false).map_err(|error| failed(path, error))?;
    restored.damage = detail;
    Ok(Opened { disk, epoch, restored, waiting_bytes })
}

/// Continues a store that is older than its mark from the mark: numbers that may have been used are not used again,
/// reports that the server is known to have are removed, and the loss is reported once the server has stated its
/// number.
fn go_on(opened: Opened, mark: &Epoch) -> Result<Opened, DiskError> {
    let Opened { disk, epoch: found, mut restored, mut waiting_bytes } = opened;
    let unusable = |error: SpoolError| DiskError::Damaged(error.to_string());
    let changes = mark.batch.saturating_sub(found.batch);
    let mut epoch = Epoch { batch: mark.batch.saturating_add(1), ..mark.clone() };
    let mut batch = sled::Batch::default();
    let mut went = 0_u64;
    for lane in Lane::ALL {
        let (old, marked) = (found.lanes.of(lane), mark.lanes.of(lane));
        let state = old.continued(marked);
        let from = old.acknowledged.saturating_add(1);
        if from <= state.acknowledged {
            let freed = outbox::free(&disk, &mut batch, lane, from, state.acknowledged)?;
            waiting_bytes = waiting_bytes.saturating_sub(freed);
        }
        went = went.saturating_add(marked.made.saturating_sub(old.made.max(marked.acknowledged)));
        *epoch.lanes.of_mut(lane) = state;
    }
    let detail =
        format!("the spool's store lost its last {changes} changes, with {went} unacknowledged reports");
    let loss = Report::Loss(Loss { lane: Lane::Bulk, reports: 0, detail: detail.clone() });
    let key = Key::Report(Lane::Urgent, epoch.lanes.urgent.make()).bytes();
    let value = layout::encode_report(Timestamp::now(), &loss).map_err(unusable)?;
    waiting_bytes = waiting_bytes.saturating_add(outbox::stored_bytes(&key, &value));
    batch.insert(key, value);
    batch.insert(Key::Epoch.bytes(), layout::encode(&Key::Epoch, &epoch).map_err(unusable)?);
    disk.apply(batch)?;
    tracing::error!(
        changes,
        reports = went,
        "the spool's store is older than its high-water mark: it continues from the mark"
    );
    metrics::counter!("platen_gateway_spool_damages_total").increment(1);
    restored.damage = detail;
    Ok(Opened { disk, epoch, restored, waiting_bytes })
}

fn failed(path: &Path, error: DiskError) -> SpoolError {
    match error {
        DiskError::Io(error) => refused(path, error),
        damaged @ DiskError::Damaged(_) => {
            SpoolError::Unusable { path: path.to_owned(), problem: damaged.to_string() }
        }
    }
}

fn refused(path: &Path, error: io::Error) -> SpoolError {
    let (path, problem) = (path.to_owned(), error.to_string());
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        SpoolError::NoRoom { path, problem }
    } else {
        SpoolError::Unusable { path, problem }
    }
}
