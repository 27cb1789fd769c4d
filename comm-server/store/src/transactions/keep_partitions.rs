//! Reports in monthly partitions, where somebody made the table so (`docs/scaling.md`, decision 0013): months are made
//! ahead, and those that are too old are dropped as a whole instead of row by row.

use comm_server_core::partitions::{self, Partition, Plan};
use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::db::{DEFAULT_TENANT, Engine, StoreError, failed, row};

/// How long a change of partitions waits for a lock on the table; after that it is postponed to the next hour.
const PATIENCE: &str = "SET LOCAL lock_timeout = '2s'";

/// Whether the reports are in partitions.
pub(super) async fn are_used(connection: &mut AnyConnection) -> Result<bool, StoreError> {
    if Engine::of_connection(connection) != Engine::Postgresql {
        return Ok(false);
    }
    let found = sqlx::query(
        "SELECT COUNT(*) AS partitioned FROM pg_partitioned_table WHERE partrelid = to_regclass('reports')",
    );
    let found = found.fetch_one(connection).await.map_err(failed("read partitions"))?;
    Ok(row::number(&found, "partitioned")? > 0)
}

/// Makes and drops what is to be; how many. Another server that does the same is waited for, and leaves nothing to do.
pub(super) async fn keep_partitions(
    connection: &mut AnyConnection,
    now: Timestamp,
    days: u32,
) -> Result<u64, StoreError> {
    if !are_used(connection).await? {
        return Ok(0);
    }
    execute(connection, PATIENCE.to_owned()).await?;
    // One server at a time, until this transaction ends.
    let first = format!("SELECT tenant FROM tenants WHERE tenant = '{DEFAULT_TENANT}' FOR NO KEY UPDATE");
    execute(connection, first).await?;
    let Plan { make, drop } = partitions::plan(&existing(connection).await?, now, days);
    let done = make.len() + drop.len();
    for Partition { name, from_ms, to_ms } in make {
        let from = from_ms.map_or_else(|| "MINVALUE".to_owned(), |ms| ms.to_string());
        let sql =
            format!("CREATE TABLE \"{name}\" PARTITION OF reports FOR VALUES FROM ({from}) TO ({to_ms})");
        execute(connection, sql).await?;
    }
    for name in drop {
        tracing::info!(partition = name, "reports that are kept no longer");
        execute(connection, format!("DROP TABLE \"{}\"", name.replace('"', "\"\""))).await?;
    }
    Ok(done as u64)
}

async fn execute(connection: &mut AnyConnection, sql: String) -> Result<(), StoreError> {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await;
    done.map(drop).map_err(failed("change partitions"))
}

/// The partitions that there are; one for all the rest has no bounds, and isn't ours to touch.
async fn existing(connection: &mut AnyConnection) -> Result<Vec<Partition>, StoreError> {
    let rows = sqlx::query(
        "SELECT CAST(child.relname AS TEXT) AS name, \
         pg_get_expr(child.relpartbound, child.oid) AS bounds FROM pg_inherits \
         JOIN pg_class child ON child.oid = pg_inherits.inhrelid \
         WHERE pg_inherits.inhparent = to_regclass('reports')",
    );
    let rows = rows.fetch_all(connection).await.map_err(failed("read partitions"))?;
    let mut found = Vec::new();
    for r in &rows {
        if let Some((from_ms, to_ms)) = bounds(&row::text(r, "bounds")?) {
            found.push(Partition { name: row::text(r, "name")?, from_ms, to_ms });
        }
    }
    Ok(found)
}

/// `FOR VALUES FROM ('1') TO ('2')`, as PostgreSQL writes it.
fn bounds(text: &str) -> Option<(Option<i64>, i64)> {
    let (from, to) = text.strip_prefix("FOR VALUES FROM (")?.split_once(") TO (")?;
    let number = |text: &str| text.trim_matches('\'').parse().ok();
    Some((number(from), number(to.strip_suffix(')')?)?))
}

#[cfg(test)]
mod tests {
    use super::bounds;

    #[test]
    fn bounds_are_read_as_postgresql_writes_them() {
        assert_eq!(bounds("FOR VALUES FROM ('17') TO ('19')"), Some((Some(17), 19)));
        assert_eq!(bounds("FOR VALUES FROM (MINVALUE) TO ('19')"), Some((None, 19)));
        assert_eq!(bounds("DEFAULT"), None);
    }
}
