//! Rows of quarantined reports.

use comm_server_core::ingest::{Arrival, readable};
use comm_server_core::tenancy::Scope;
use jiff::Timestamp;
use sqlx::AnyConnection;
use wire::ids::GatewayId;
use wire::report::Lane;

use super::{GatewayRef, LaneRef};
use crate::db::row::stored;
use crate::db::{StoreError, failed, row, sql};

const TABLE: &str = "quarantine";

/// The last entry of a page of quarantined reports: gateway, lane, number; empty before the first.
pub(crate) type Position = (String, String, i64);

/// A quarantined report.
pub(crate) struct Row {
    pub(crate) gateway: GatewayId,
    pub(crate) lane: Lane,
    pub(crate) seq: u64,
    pub(crate) received_at: Timestamp,
    pub(crate) body: String,
}

impl Row {
    pub(crate) fn position(&self) -> Result<Position, StoreError> {
        Ok((self.gateway.to_string(), self.lane.name().to_owned(), stored(self.seq, "quarantine.seq")?))
    }
}

/// Inserts a report that could not be used, unless one with its number is already quarantined.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    LaneRef { of, lane }: LaneRef<'_>,
    received_at: Timestamp,
    arrival: &Arrival,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO quarantine (tenant, gateway, lane, seq, received_ms, reason, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, gateway, lane, seq) DO NOTHING",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(lane.name())
    .bind(stored(arrival.seq, "quarantine.seq")?)
    .bind(received_at.as_millisecond())
    .bind(readable(reason))
    .bind(arrival.body.clone())
    .execute(connection)
    .await
    .map_err(failed("quarantine report"))?;
    Ok(())
}

/// Quarantined reports after a position; of one gateway, or of all.
pub(crate) async fn after(
    connection: &mut AnyConnection,
    scope: &Scope,
    only: Option<&GatewayId>,
    after: Position,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    let within = sql::gateway_within(scope, "gateway");
    let sql = format!(
        "SELECT gateway, lane, seq, received_ms, body FROM quarantine WHERE tenant = $1{within} \
         AND ($2 = '' OR gateway = $2) \
         AND (gateway > $3 OR (gateway = $3 AND (lane > $4 OR (lane = $4 AND seq > $5)))) \
         ORDER BY gateway, lane, seq LIMIT $6"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(scope.tenant().to_string())
        .bind(row::text_or_empty(only))
        .bind(after.0)
        .bind(after.1)
        .bind(after.2)
        .bind(limit)
        .fetch_all(connection)
        .await
        .map_err(failed("read quarantine"))?;
    let report = |found| {
        let gateway: GatewayId = row::parsed(found, (TABLE, "gateway"), "a row")?;
        Ok(Row {
            lane: row::parsed(found, (TABLE, "lane"), gateway.as_str())?,
            gateway,
            seq: row::count(found, "seq")?,
            received_at: row::time(found, "received_ms")?,
            body: row::text(found, "body")?,
        })
    };
    rows.iter().map(report).collect()
}

/// Deletes a quarantined report.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    LaneRef { of, lane }: LaneRef<'_>,
    seq: u64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM quarantine WHERE tenant = $1 AND gateway = $2 AND lane = $3 AND seq = $4")
        .bind(of.tenant.to_string())
        .bind(of.gateway.to_string())
        .bind(lane.name())
        .bind(stored(seq, "quarantine.seq")?)
        .execute(connection)
        .await
        .map_err(failed("delete from quarantine"))?;
    Ok(())
}

/// Deletes quarantined reports that were received before a time; returns how many.
pub(crate) async fn delete_before(
    connection: &mut AnyConnection,
    of: GatewayRef<'_>,
    before_ms: i64,
) -> Result<u64, StoreError> {
    let delete =
        sqlx::query("DELETE FROM quarantine WHERE tenant = $1 AND gateway = $2 AND received_ms < $3")
            .bind(of.tenant.to_string())
            .bind(of.gateway.to_string())
            .bind(before_ms);
    Ok(delete.execute(connection).await.map_err(failed("delete from quarantine"))?.rows_affected())
}
