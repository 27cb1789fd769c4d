//! Batches: stored, and their lane's acknowledged number moved, in one transaction.

mod apply;
mod known;
mod together;

use comm_server_core::ingest::{Arrival, BatchError, Content, effects, fresh, in_order};
use sqlx::AnyConnection;
use wire::report::{BatchResponse, Lane, Quarantined};

use super::polls::{Caller, register};
use super::writer::Urgency;
use super::{Store, StoreError, failed, row};

pub(super) use apply::{Place, stored};
pub(super) use known::{acknowledged, load, open_service_calls};
pub(super) use together::apply_all;

/// What a batch led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingested {
    /// The answer; what it acknowledges is on the disk.
    pub answer: BatchResponse,
    /// Reports that were new, those put aside included.
    pub fresh: usize,
    /// Reports that were there already.
    pub duplicates: usize,
}

/// Why a batch isn't taken.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Reports before it are missing.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Stores a batch that is in sequence.
    ///
    /// # Errors
    /// Reports before it are missing, or the database; nothing is stored then.
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
    let at = Place { caller, lane };
    let (tenant, gateway) = (caller.tenant.as_str(), caller.gateway.as_str());
    register(connection, caller).await?;
    let before = acknowledged(connection, (tenant, gateway), lane).await?;
    let duplicates = match fresh(before, arrivals) {
        Ok(new) => arrivals.len() - new.len(),
        Err(error) => return Ok(Err(error)),
    };
    let (old, new) = arrivals.split_at_mut(duplicates);
    apply::put_aside_impostors(connection, &at, old).await?;
    let known = load(connection, (tenant, gateway), new).await?;
    in_order(&known, new);
    let new = &*new;
    apply_all(connection, &at, effects(known, lane, new)).await?;
    let after = new.last().map_or(before, |last| last.seq);
    if after > before {
        move_lane(connection, (tenant, gateway), lane, after).await?;
    }
    let open = open_service_calls(connection, tenant, gateway).await?;
    let answer = BatchResponse {
        acknowledged: after,
        next_poll_s: caller.cadence.next_poll_s(open),
        quarantined: new.iter().filter_map(put_aside).collect(),
    };
    Ok(Ok(Ingested { answer, fresh: new.len(), duplicates: old.len() }))
}

const fn urgency(lane: Lane) -> Urgency {
    match lane {
        Lane::Urgent => Urgency::Urgent,
        Lane::Bulk => Urgency::Regular,
    }
}

fn put_aside(arrival: &Arrival) -> Option<Quarantined> {
    match &arrival.content {
        Content::Usable(_) => None,
        Content::Unusable { reason } => Some(Quarantined { seq: arrival.seq, reason: reason.clone() }),
    }
}

async fn move_lane(
    connection: &mut AnyConnection,
    (tenant, gateway): (&str, &str),
    lane: Lane,
    acknowledged: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO lanes (tenant, gateway, lane, acknowledged, made) VALUES ($1, $2, $3, $4, $4) \
         ON CONFLICT (tenant, gateway, lane) DO UPDATE SET acknowledged = excluded.acknowledged, \
         made = CASE WHEN lanes.made < excluded.made THEN excluded.made ELSE lanes.made END",
    )
    .bind(tenant.to_owned())
    .bind(gateway.to_owned())
    .bind(lane.name())
    .bind(stored(acknowledged, "lanes.acknowledged")?)
    .execute(connection)
    .await
    .map_err(failed("a lane"))?;
    Ok(())
}

impl Store {
    /// The acknowledged number of a gateway's lane.
    ///
    /// # Errors
    /// The database.
    pub async fn acknowledged(&self, tenant: &str, gateway: &str, lane: Lane) -> Result<u64, StoreError> {
        let found =
            sqlx::query("SELECT acknowledged FROM lanes WHERE tenant = $1 AND gateway = $2 AND lane = $3")
                .bind(tenant.to_owned())
                .bind(gateway.to_owned())
                .bind(lane.name())
                .fetch_optional(&mut *self.reader().await?)
                .await
                .map_err(failed("to read a lane"))?;
        found.map_or(Ok(0), |found| row::count(&found, "acknowledged"))
    }
}
