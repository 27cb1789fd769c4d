//! A damaged store: moved away for later analysis; what can be read of it is copied into a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use gateway_core::outbox::LaneState;
use jiff::Timestamp;
use wire::report::{Lane, Lanes, Loss, Report};

use super::disk::{Disk, DiskError};
use super::error::SpoolError;
use super::layout::{self, Epoch, Key, Restored};

/// Maximum number of damaged stores that are kept.
const KEPT: usize = 3;

/// The readable part of a damaged store.
pub(super) struct Recovered {
    pub(super) records: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Reads from the front until the damage, and from the back. A panic of sled is where the damage begins.
pub(super) fn read(disk: &Disk) -> Recovered {
    let mut records = BTreeMap::new();
    let mut front = || {
        for (key, value) in disk.all().map_while(Result::ok) {
            records.insert(key.to_vec(), value.to_vec());
        }
    };
    let read = catch_unwind(AssertUnwindSafe(&mut front));
    let mut back = || {
        for (key, value) in disk.all().rev().map_while(Result::ok) {
            if records.insert(key.to_vec(), value.to_vec()).is_some() {
                break;
            }
        }
    };
    if read.and_then(|()| catch_unwind(AssertUnwindSafe(&mut back))).is_err() {
        tracing::warn!("reading the damaged store panicked");
    }
    Recovered { records }
}

/// Moves the damaged store away.
pub(super) fn rename_damaged(store: &Path, now: Timestamp) -> Result<(), SpoolError> {
    let aside = store.with_extension(format!("damaged-{}", now.as_millisecond()));
    fs::rename(store, &aside).map_err(|error| SpoolError::Unusable {
        path: store.to_owned(),
        problem: format!("it is damaged and can't be moved away: {error}"),
    })?;
    tracing::error!(aside = %aside.display(), "the spool is damaged: it was moved away and replaced by a new one");
    forget_old(store);
    Ok(())
}

fn forget_old(store: &Path) {
    let Some((parent, name)) = store.parent().zip(store.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    let prefix = format!("{name}.damaged-");
    let named = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|n| n.starts_with(&prefix));
    let mut aside: Vec<_> = fs::read_dir(parent).into_iter().flatten().flatten().filter(named).collect();
    aside.sort_by_key(fs::DirEntry::file_name);
    let old = aside.len().saturating_sub(KEPT);
    for entry in aside.into_iter().take(old) {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(error = %error, "an old damaged spool can't be removed");
        }
    }
}

/// Fills a new store with what was recovered. If the spool's own state was recovered, or is in the high-water mark,
/// numbering continues: missing reports between others become losses, and the number of the last one is requested
/// from the server. Without that state, the numbers are requested from the server.
pub(super) fn refill(
    disk: &Disk,
    recovered: Recovered,
    mark: Option<Epoch>,
    now: Timestamp,
) -> Result<String, SpoolError> {
    let mut batch = sled::Batch::default();
    let epoch_key = Key::Epoch.bytes();
    let own =
        recovered.records.get(&epoch_key).and_then(|value| layout::decode::<Epoch>(&epoch_key, value).ok());
    let old = own.into_iter().chain(mark).max_by_key(|epoch| epoch.batch);
    let mut epoch = old.clone().unwrap_or_else(Epoch::begin);
    let mut reports: Lanes<BTreeMap<u64, Vec<u8>>> = Lanes::default();
    let mut kept = 0_u64;
    for (key, value) in recovered.records {
        if let Some((lane, place)) = layout::report_key(&key) {
            reports.of_mut(lane).insert(place, value);
        } else if key != epoch_key {
            kept += 1;
            batch.insert(key, value);
        }
    }
    let (mut here, mut lost) = (0, 0);
    for lane in Lane::ALL {
        let (state, own) = (epoch.lanes.of_mut(lane), std::mem::take(reports.of_mut(lane)));
        here += own.len();
        if old.is_none() {
            for value in own.into_values() {
                batch.insert(Key::Report(lane, state.make()).bytes(), value);
            }
            continue;
        }
        lost += keep_places(&mut batch, lane, state, &own, now)?;
    }
    let numbers =
        if old.is_some() { "numbering continues" } else { "the numbers are requested from the server" };
    let detail = format!(
        "the spool was damaged and replaced: {here} reports and {kept} records recovered, {lost} reports known to be lost, {numbers}",
    );
    let loss = Loss { lane: Lane::Bulk, reports: 0, detail: detail.clone() };
    let place = epoch.lanes.urgent.make();
    batch.insert(Key::Report(Lane::Urgent, place).bytes(), layout::encode_report(now, &Report::Loss(loss))?);
    epoch.batch = epoch.batch.saturating_add(1);
    batch.insert(epoch_key, layout::encode(&Key::Epoch, &epoch)?);
    disk.apply(batch).map_err(|error: DiskError| SpoolError::Read { problem: error.to_string() })?;
    Ok(detail)
}

/// Inserts the recovered reports of a lane at their positions, and losses for missing ones between them. Returns the
/// number of losses.
fn keep_places(
    batch: &mut sled::Batch,
    lane: Lane,
    state: &mut LaneState,
    own: &BTreeMap<u64, Vec<u8>>,
    now: Timestamp,
) -> Result<u64, SpoolError> {
    let mut lost = 0;
    let last = own.keys().rev().find(|place| **place <= state.made);
    let last = last.copied().unwrap_or(0).max(state.acknowledged);
    for place in state.acknowledged.saturating_add(1)..=last {
        let value = match own.get(&place) {
            Some(value) => value.clone(),
            None => {
                lost += 1;
                let detail = "the spool is damaged".to_owned();
                layout::encode_report(now, &Report::Loss(Loss { lane, reports: 1, detail }))?
            }
        };
        batch.insert(Key::Report(lane, place).bytes(), value);
    }
    let found = LaneState { made: last, ..*state };
    *state = found.continued(state);
    Ok(lost)
}

/// Loads an intact store; `Err` is damage that shows when it is read. sled opens a store whose pages were overwritten
/// as an empty one, so this checks that the spool's own state exists and no report is missing.
pub(super) fn restore(disk: &Disk, is_new: bool) -> Result<(Epoch, Restored, u64), DiskError> {
    catch_unwind(AssertUnwindSafe(|| restore_whole(disk, is_new)))
        .unwrap_or_else(|_| Err(DiskError::Damaged("it can't be read".to_owned())))
}

fn restore_whole(disk: &Disk, is_new: bool) -> Result<(Epoch, Restored, u64), DiskError> {
    let mut restored = Restored::default();
    let mut epoch: Option<Epoch> = None;
    let mut places = BTreeSet::new();
    let mut waiting_bytes = 0_u64;
    for entry in disk.all() {
        let (key, value) = entry?;
        if key == Key::Epoch.bytes() {
            let read = layout::decode::<Epoch>(&key, &value);
            epoch = Some(read.map_err(|error| DiskError::Damaged(error.to_string()))?);
        } else if let Some(place) = layout::report_key(&key) {
            places.insert(place);
            waiting_bytes = waiting_bytes.saturating_add(super::outbox::stored_bytes(&key, &value));
        } else {
            restored.take(&key, &value);
        }
    }
    let epoch = match epoch {
        Some(epoch) => epoch,
        None if is_new => begin(disk)?,
        None => return Err(DiskError::Damaged("its own state is missing".to_owned())),
    };
    for lane in Lane::ALL {
        let state = epoch.lanes.of(lane);
        let range = (lane, state.acknowledged.saturating_add(1))..=(lane, state.made);
        let here = if range.is_empty() { 0 } else { places.range(range).count() };
        let expected = usize::try_from(state.waiting()).unwrap_or(usize::MAX);
        if here != expected {
            let problem =
                format!("only {here} of {expected} unacknowledged reports of lane {lane} were found");
            return Err(DiskError::Damaged(problem));
        }
    }
    Ok((epoch, restored, waiting_bytes))
}

/// A new store begins with the spool's own state.
fn begin(disk: &Disk) -> Result<Epoch, DiskError> {
    let epoch = Epoch::begin();
    let value = layout::encode(&Key::Epoch, &epoch).map_err(|error| DiskError::Damaged(error.to_string()))?;
    let mut batch = sled::Batch::default();
    batch.insert(Key::Epoch.bytes(), value);
    disk.apply(batch)?;
    Ok(epoch)
}
