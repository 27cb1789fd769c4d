//! The daily request for a gateway's meters.

use comm_server_core::meters::{self, MeterDecision};
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::command::{Order, OrderKind};

use super::queue_command::queue_command;
use crate::Store;
use crate::db::StoreError;
use crate::tables::gateways::{self, MetersDue};
use crate::tables::{GatewayRef, commands};

/// Gateways whose meters one transaction requests.
const BATCH: i64 = 200;

impl Store {
    /// Requests the meters of gateways that are due; returns their number. `random` returns a random number for each.
    pub async fn request_due_meters(
        &self,
        now: Timestamp,
        random: impl FnMut() -> u32 + Clone + Send + 'static,
    ) -> Result<u64, StoreError> {
        let mut requested = 0;
        loop {
            let mut random = random.clone();
            let (found, some) = self
                .writer()
                .write(move |c| Box::pin(async move { request_due(c, now, &mut random).await }))
                .await?;
            requested += some;
            if found < BATCH {
                return Ok(requested);
            }
        }
    }
}

/// Decides about a gateway's meters, and requests them if due; returns whether it did. If several servers find the
/// same gateway due, one of them changes the time of the next request, and only that one requests.
pub(super) async fn request_meters(
    connection: &mut AnyConnection,
    due: &MetersDue,
    now: Timestamp,
    random: u32,
) -> Result<bool, StoreError> {
    let of = GatewayRef::of(&due.key);
    let outstanding = commands::count_open(connection, of, OrderKind::CounterRequest, now).await? > 0;
    let (requests, next) = match meters::decide(due.at, outstanding, now, random) {
        MeterDecision::Wait => return Ok(false),
        MeterDecision::Skip { next } => (false, next),
        MeterDecision::Ask { next } => (true, next),
    };
    if !gateways::move_meters_due(connection, due, next).await? || !requests {
        return Ok(false);
    }
    queue_command(connection, of, &Order::CounterRequest { devices: None }, "server", now).await?;
    Ok(true)
}

/// The number of gateways that were due, at most [`BATCH`], and of those whose meters were requested.
async fn request_due(
    connection: &mut AnyConnection,
    now: Timestamp,
    random: &mut (dyn FnMut() -> u32 + Send),
) -> Result<(i64, u64), StoreError> {
    let mut due = gateways::meters_due(connection, now, BATCH).await?;
    // In the order in which all changes lock gateways.
    due.sort_by(|one, other| one.key.cmp(&other.key));
    let mut requested = 0;
    for gateway in &due {
        if request_meters(connection, gateway, now, random()).await? {
            requested += 1;
        }
    }
    Ok((i64::try_from(due.len()).unwrap_or(i64::MAX), requested))
}
