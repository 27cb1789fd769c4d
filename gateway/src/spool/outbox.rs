//! The outbox in the store: reads batches, removes what is acknowledged, evicts superseded reports when the spool is
//! full.

use gateway_core::outbox::{self, EvictionClass, LaneState, Stored};
use jiff::Timestamp;
use wire::report::{Envelope, Lane, Lanes, Loss, Report};

use super::SpoolError;
use super::disk::{Disk, DiskError};
use super::layout::{self, Key, StoredReport};

/// When the spool is full, this fraction of its limit is freed, so that it isn't full again at once.
const FREE_AT_ONCE: u64 = 16;

/// The oldest unacknowledged reports that fit into `byte_limit`.
pub(super) fn waiting(
    disk: &Disk,
    lane: Lane,
    state: &LaneState,
    byte_limit: usize,
) -> Result<Vec<Envelope>, SpoolError> {
    let mut reports = Vec::new();
    let mut sizes = Vec::new();
    let last = state.numbered();
    if last == state.acknowledged {
        return Ok(reports);
    }
    let from = Key::Report(lane, state.acknowledged.saturating_add(1)).bytes();
    let to = Key::Report(lane, last).bytes();
    for entry in disk.range(&from, &to) {
        let (key, value) = entry.map_err(unreadable)?;
        let Some((number, stored)) = numbered(state, &key, &value)? else { continue };
        sizes.push(stored.report.get().len());
        if outbox::batch_length(sizes.iter().copied(), byte_limit) < sizes.len() {
            break;
        }
        reports.push(Envelope { seq: number, at: stored.at, report: stored.report });
    }
    Ok(reports)
}

fn numbered(state: &LaneState, key: &[u8], value: &[u8]) -> Result<Option<(u64, StoredReport)>, SpoolError> {
    let number = layout::report_key(key).and_then(|(_, place)| state.number(place));
    let Some(number) = number else { return Ok(None) };
    Ok(Some((number, layout::decode(key, value)?)))
}

/// Adds the removal of positions up to `up_to` to a batch; returns the bytes that this frees.
pub(super) fn free(
    disk: &Disk,
    batch: &mut sled::Batch,
    lane: Lane,
    from: u64,
    up_to: u64,
) -> Result<u64, DiskError> {
    let mut freed = 0_u64;
    let range = disk.range(&Key::Report(lane, from).bytes(), &Key::Report(lane, up_to).bytes());
    for entry in range {
        let (key, value) = entry?;
        freed = freed.saturating_add(stored_bytes(&key, &value));
        batch.remove(key);
    }
    Ok(freed)
}

/// The size of a stored report, bytes.
pub(super) fn stored_bytes(key: &[u8], value: &[u8]) -> u64 {
    u64::try_from(key.len().saturating_add(value.len())).unwrap_or(u64::MAX)
}

/// Evicts reports until `needed` bytes are free. Each is replaced by a short loss, so that numbers stay without gaps.
/// Returns the bytes that this frees.
pub(super) fn make_room(
    disk: &Disk,
    batch: &mut sled::Batch,
    lanes: &Lanes<LaneState>,
    needed: u64,
    limit: u64,
    now: Timestamp,
) -> Result<u64, SpoolError> {
    let stored = stored(disk, lanes)?;
    let going = outbox::make_room(&stored, needed.max(limit / FREE_AT_ONCE));
    let mut freed = 0_u64;
    let mut gone = Lanes::<u64>::default();
    for (lane, place) in going {
        let key = Key::Report(lane, place).bytes();
        let old = disk.get(&key).map_err(unreadable_disk)?;
        let Some(old) = old else { continue };
        let lost: StoredReport = layout::decode(&key, &old)?;
        let loss = Loss { lane, reports: 1, detail: format!("the spool was full; made {}", lost.at) };
        let value = layout::encode_report(now, &Report::Loss(loss))?;
        freed = freed.saturating_add(stored_bytes(&key, &old).saturating_sub(stored_bytes(&key, &value)));
        *gone.of_mut(lane) += 1;
        batch.insert(key, value);
    }
    tracing::warn!(bulk = gone.bulk, urgent = gone.urgent, bytes = freed, "spool full: reports evicted");
    metrics::counter!("platen_gateway_reports_lost_total").increment(gone.bulk.saturating_add(gone.urgent));
    Ok(freed)
}

/// The unacknowledged reports, oldest first, without losses.
fn stored(disk: &Disk, lanes: &Lanes<LaneState>) -> Result<Vec<Stored>, SpoolError> {
    let mut all = Vec::new();
    for lane in [Lane::Bulk, Lane::Urgent] {
        let state = lanes.of(lane);
        for entry in disk.scan(layout::report_prefix(lane)) {
            let (key, value) = entry.map_err(unreadable)?;
            let Some((_, place)) = layout::report_key(&key).filter(|(_, p)| *p > state.acknowledged) else {
                continue;
            };
            let envelope: StoredReport = layout::decode(&key, &value)?;
            let report: Report = serde_json::from_str(envelope.report.get()).map_err(|error| {
                SpoolError::Record { key: format!("{lane}/{place}"), problem: error.to_string() }
            })?;
            if !matches!(report, Report::Loss(_)) {
                all.push(Stored {
                    lane,
                    place,
                    bytes: stored_bytes(&key, &value),
                    class: EvictionClass::of(&report),
                });
            }
        }
    }
    Ok(all)
}

fn unreadable(error: sled::Error) -> SpoolError {
    unreadable_disk(DiskError::from(error))
}

fn unreadable_disk(error: DiskError) -> SpoolError {
    SpoolError::Read { problem: error.to_string() }
}
