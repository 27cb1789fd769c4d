//! Quarantined reports, with the reason of each.

use jiff::Timestamp;
use serde::Serialize;
use wire::ids::GatewayId;
use wire::report::Lane;

use crate::Scoped;
use crate::db::page::{InvalidCursor, Page};
use crate::db::{StoreError, failed, row};

/// A report that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// Gateway.
    pub gateway: GatewayId,
    /// Lane.
    pub lane: Lane,
    /// Number.
    pub seq: i64,
    /// When the server received it.
    pub received_at: Timestamp,
    /// Why it can't be used; names the path.
    pub reason: String,
    /// The report as received.
    pub body: String,
}

impl Scoped {
    /// Quarantined reports by gateway, lane and number.
    ///
    /// # Errors
    /// The database failed, or the cursor is not valid.
    pub async fn quarantine(&self, cursor: Option<&str>) -> Result<Page<Quarantined>, StoreError> {
        let (gateway, lane, seq) = match cursor {
            None => (String::new(), String::new(), -1),
            Some(cursor) => position(cursor)?,
        };
        let within = self.within("gateway");
        let sql = format!(
            "SELECT gateway, lane, seq, received_ms, reason, body FROM quarantine WHERE tenant = $1{within} \
             AND (gateway > $2 OR (gateway = $2 AND (lane > $3 OR (lane = $3 AND seq > $4)))) \
             ORDER BY gateway, lane, seq LIMIT $5"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(gateway)
            .bind(lane)
            .bind(seq)
            .bind(self.rows().and_one())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read quarantine"))?;
        let one = |r| {
            Ok(Quarantined {
                gateway: row::parsed(r, ("quarantine", "gateway"), "a row")?,
                lane: row::parsed(r, ("quarantine", "lane"), "a row")?,
                seq: row::number(r, "seq")?,
                received_at: row::time(r, "received_ms")?,
                reason: row::text(r, "reason")?,
                body: row::text(r, "body")?,
            })
        };
        let items = rows.iter().map(one).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Page::of(items, self.rows(), |q| format!("{},{},{}", q.gateway, q.lane, q.seq)))
    }
}

fn position(cursor: &str) -> Result<(String, String, i64), InvalidCursor> {
    let parts: Vec<&str> = cursor.split(',').collect();
    let &[gateway, lane, seq] = parts.as_slice() else { return Err(InvalidCursor) };
    Ok((gateway.to_owned(), lane.to_owned(), seq.parse().map_err(|_| InvalidCursor)?))
}
