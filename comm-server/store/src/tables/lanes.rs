//! Rows of lanes: the acknowledged number, and the newest number that the gateway made.

use sqlx::AnyConnection;
use wire::report::Lane;

use super::LaneRef;
use crate::db::multi_row::{self, Statement};
use crate::db::row::stored;
use crate::db::writer::Caller;
use crate::db::{StoreError, failed, row};

/// Stores the sequence numbers of the last reports made.
static UPSERT_LANES: Statement = Statement::new(|rows| {
    let made = multi_row::rows(rows, 4, 0, multi_row::plain).replace(')', ", 0)");
    format!(
        "INSERT INTO lanes (tenant, gateway, lane, made, acknowledged) VALUES {made} \
         ON CONFLICT (tenant, gateway, lane) DO UPDATE SET made = excluded.made"
    )
});

/// The acknowledged number of a lane, 0 if it has no row.
pub(crate) async fn acknowledged(
    connection: &mut AnyConnection,
    LaneRef { of, lane }: LaneRef<'_>,
) -> Result<u64, StoreError> {
    let found =
        sqlx::query("SELECT acknowledged FROM lanes WHERE tenant = $1 AND gateway = $2 AND lane = $3")
            .bind(of.tenant.to_string())
            .bind(of.gateway.to_string())
            .bind(lane.name())
            .fetch_optional(connection)
            .await
            .map_err(failed("read lane"))?;
    found.map_or(Ok(0), |found| row::count(&found, "acknowledged"))
}

/// Sets the acknowledged number of a lane, and raises the newest number made to at least the same.
pub(crate) async fn set_acknowledged(
    connection: &mut AnyConnection,
    LaneRef { of, lane }: LaneRef<'_>,
    acknowledged: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO lanes (tenant, gateway, lane, acknowledged, made) VALUES ($1, $2, $3, $4, $4) \
         ON CONFLICT (tenant, gateway, lane) DO UPDATE SET acknowledged = excluded.acknowledged, \
         made = CASE WHEN lanes.made < excluded.made THEN excluded.made ELSE lanes.made END",
    )
    .bind(of.tenant.to_string())
    .bind(of.gateway.to_string())
    .bind(lane.name())
    .bind(stored(acknowledged, "lanes.acknowledged")?)
    .execute(connection)
    .await
    .map_err(failed("update lane"))?;
    Ok(())
}

/// Stores the numbers of the last reports that gateways made.
pub(crate) async fn set_made(
    connection: &mut AnyConnection,
    made: &[(&Caller, Lane, i64)],
) -> Result<(), StoreError> {
    for (sql, now) in UPSERT_LANES.split(made) {
        let mut insert = sqlx::query(sql);
        for (caller, lane, number) in now {
            insert = insert
                .bind(caller.tenant.to_string())
                .bind(caller.gateway.to_string())
                .bind(lane.name())
                .bind(*number);
        }
        insert.execute(&mut *connection).await.map_err(failed("upsert lanes"))?;
    }
    Ok(())
}
