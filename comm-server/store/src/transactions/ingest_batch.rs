//! Batches: stored in one transaction, which also advances the lane's acknowledged number.

mod batch;
pub(super) mod effects;
pub(super) mod known;

use comm_server_core::ingest::{self, Arrival, BatchError, Content, fresh, in_order};
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::ids::GatewayId;
use wire::report::{BatchResponse, Lane, Quarantined};

use super::register_gateway::register_gateway;
use crate::db::StoreError;
use crate::db::writer::{Caller, Urgency};
use crate::tables::{GatewayRef, LaneRef, calls, lanes, quarantine, reports};
use crate::{Scoped, Store};

/// The result of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingested {
    /// The response; what it acknowledges is committed.
    pub answer: BatchResponse,
    /// Number of new reports, including quarantined ones.
    pub fresh: usize,
    /// Number of duplicates.
    pub duplicates: usize,
}

/// Why a batch is rejected.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Earlier reports are missing.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Stores a batch whose numbers are consecutive.
    ///
    /// # Errors
    /// Earlier reports are missing, or the database failed; nothing is stored then.
    pub async fn ingest(
        &self,
        caller: Caller,
        lane: Lane,
        mut arrivals: Vec<Arrival>,
    ) -> Result<Ingested, IngestError> {
        let outcome = self
            .writer()
            .write_of(caller.key(), urgency(lane), move |connection| {
                Box::pin(async move { take(connection, &caller, lane, &mut arrivals).await })
            })
            .await?;
        Ok(outcome?)
    }
}

async fn take(
    connection: &mut AnyConnection,
    caller: &Caller,
    lane: Lane,
    arrivals: &mut [Arrival],
) -> Result<Result<Ingested, BatchError>, StoreError> {
    let of = GatewayRef { tenant: &caller.tenant, gateway: &caller.gateway };
    let at = LaneRef { of, lane };
    register_gateway(connection, caller).await?;
    let before = lanes::acknowledged(connection, at).await?;
    let duplicates = match fresh(before, arrivals) {
        Ok(new) => arrivals.len() - new.len(),
        Err(error) => return Ok(Err(error)),
    };
    let (old, new) = arrivals.split_at_mut(duplicates);
    quarantine_conflicts(connection, at, old, caller.now).await?;
    let known = known::load(connection, of, new).await?;
    in_order(&known, new);
    let new = &*new;
    effects::apply(connection, at, ingest::effects(known, lane, new), caller.now).await?;
    let after = new.last().map_or(before, |last| last.seq);
    if after > before {
        lanes::set_acknowledged(connection, at, after).await?;
    }
    let open = calls::count_service_calls(connection, of).await?;
    let answer = BatchResponse {
        acknowledged: after,
        next_poll_s: caller.cadence.next_poll_s(open),
        quarantined: new.iter().filter_map(quarantined).collect(),
    };
    Ok(Ok(Ingested { answer, fresh: new.len(), duplicates: old.len() }))
}

const fn urgency(lane: Lane) -> Urgency {
    match lane {
        Lane::Urgent => Urgency::Urgent,
        Lane::Bulk => Urgency::Regular,
    }
}

fn quarantined(arrival: &Arrival) -> Option<Quarantined> {
    match &arrival.content {
        Content::Usable(_) => None,
        Content::Unusable { reason } => Some(Quarantined { seq: arrival.seq, reason: reason.clone() }),
    }
}

/// Quarantines reports that have the number of an accepted report but another time: a recreated spool began its
/// numbers again. Such a report can't be used, but must not be lost.
async fn quarantine_conflicts(
    connection: &mut AnyConnection,
    at: LaneRef<'_>,
    duplicates: &[Arrival],
    now: Timestamp,
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (duplicates.first(), duplicates.last()) else { return Ok(()) };
    for (seq, made) in reports::times(connection, at, first.seq, last.seq).await? {
        let conflict = duplicates.iter().find(|d| d.seq == seq && d.at.as_millisecond() != made);
        if let Some(conflict) = conflict {
            let reason = "a report of this number was accepted before, made at another time";
            quarantine::insert(connection, at, now, conflict, reason).await?;
        }
    }
    Ok(())
}

impl Scoped {
    /// The acknowledged number of a gateway's lane.
    pub async fn acknowledged(&self, gateway: &GatewayId, lane: Lane) -> Result<u64, StoreError> {
        let at = LaneRef { of: GatewayRef { tenant: self.tenant(), gateway }, lane };
        lanes::acknowledged(&mut *self.reader().await?, at).await
    }
}
