//! Calls for pages and lists.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::any::AnyRow;
use wire::ids::{DeviceId, GatewayId};
use wire::report::{CallKind, Lane};

use crate::Scoped;
use crate::db::page::{InvalidCursor, Page};
use crate::db::{StoreError, failed, row};

/// A call, with the names of its device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Gateway.
    pub gateway: GatewayId,
    /// Lane of the report that opened it.
    pub lane: Lane,
    /// Sequence number of the report that opened it.
    pub seq: i64,
    /// Device.
    pub device: DeviceId,
    /// Its kind.
    pub kind: CallKind,
    /// Part of the device.
    pub subject: String,
    /// A text for people.
    pub detail: String,
    /// When the gateway saw it.
    pub raised_at: Timestamp,
    /// When the server received it.
    pub received_at: Timestamp,
    /// Whether it has not ended.
    pub open: bool,
    /// When it ended.
    pub cleared_at: Option<Timestamp>,
    /// Detail of the report that ended it.
    pub cleared_detail: Option<String>,
    /// Model of the device, "" when unknown.
    pub device_model: String,
    /// Name of the device, "" when unknown.
    pub device_name: String,
}

/// A filter of calls.
#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    /// Only open calls, or only ended ones.
    pub open: Option<bool>,
    /// Only calls of this kind.
    pub kind: Option<CallKind>,
    /// Only calls of this gateway.
    pub gateway: Option<GatewayId>,
    /// Only calls of this device; requires `gateway`.
    pub device: Option<DeviceId>,
    /// Only those that changed at or after this time.
    pub updated_since: Option<Timestamp>,
}

fn call(row: &AnyRow) -> Result<Call, StoreError> {
    let seq = row::number(row, "raised_seq")?;
    let key = format!("report {seq}");
    Ok(Call {
        gateway: row::parsed(row, ("calls", "gateway"), &key)?,
        lane: row::parsed(row, ("calls", "raised_lane"), &key)?,
        seq,
        device: row::parsed(row, ("calls", "device"), &key)?,
        kind: row::parsed(row, ("calls", "kind"), &key)?,
        subject: row::text(row, "subject")?,
        detail: row::text(row, "detail")?,
        raised_at: row::time(row, "raised_ms")?,
        received_at: row::time(row, "received_ms")?,
        open: row::flag(row, "is_open")?,
        cleared_at: row::maybe_time(row, "cleared_ms")?,
        cleared_detail: row::maybe_text(row, "cleared_detail")?,
        device_model: row::text(row, "device_model")?,
        device_name: row::text(row, "device_name")?,
    })
}

/// The cursor of the last entry: `RAISED_MS,GATEWAY,LANE,SEQ`.
fn position(cursor: Option<&str>) -> Result<(i64, String, String, i64), InvalidCursor> {
    let Some(cursor) = cursor else { return Ok((i64::MAX, String::new(), String::new(), 0)) };
    let parts: Vec<&str> = cursor.split(',').collect();
    let &[ms, gateway, lane, seq] = parts.as_slice() else { return Err(InvalidCursor) };
    let number = |text: &str| text.parse().map_err(|_| InvalidCursor);
    Ok((number(ms)?, gateway.to_owned(), lane.to_owned(), number(seq)?))
}

impl Scoped {
    /// Calls, newest first.
    ///
    /// # Errors
    /// The database failed, or the cursor is not valid.
    pub async fn calls(&self, filter: &CallFilter, cursor: Option<&str>) -> Result<Page<Call>, StoreError> {
        let (ms, gateway, lane, seq) = position(cursor)?;
        let within = self.within("c.gateway");
        let sql = format!(
            "SELECT c.*, COALESCE(d.model, '') AS device_model, COALESCE(d.name, '') AS device_name \
             FROM calls c LEFT JOIN devices d \
             ON d.tenant = c.tenant AND d.gateway = c.gateway AND d.device = c.device \
             WHERE c.tenant = $1{within} AND ($2 < 0 OR c.is_open = $2) AND ($3 = '' OR c.kind = $3) \
             AND ($4 = '' OR c.gateway = $4) AND ($5 = '' OR c.device = $5) \
             AND (c.raised_ms < $6 OR (c.raised_ms = $6 AND (c.gateway > $7 OR (c.gateway = $7 \
              AND (c.raised_lane > $8 OR (c.raised_lane = $8 AND c.raised_seq > $9)))))) AND c.updated_ms >= $11 \
             ORDER BY c.raised_ms DESC, c.gateway, c.raised_lane, c.raised_seq LIMIT $10"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(filter.open.map_or(-1, i64::from))
            .bind(filter.kind.map_or("", CallKind::name))
            .bind(row::text_or_empty(filter.gateway.as_ref()))
            .bind(row::text_or_empty(filter.device.as_ref()))
            .bind(ms)
            .bind(gateway)
            .bind(lane)
            .bind(seq)
            .bind(self.rows().and_one())
            .bind(row::since(filter.updated_since))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read calls"))?;
        let items = rows.iter().map(call).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, self.rows(), |c| {
            format!("{},{},{},{}", c.raised_at.as_millisecond(), c.gateway, c.lane.name(), c.seq)
        }))
    }
}
