//! The partitions of `reports`, if an administrator has partitioned the table (`docs/scaling.md`).

use comm_server_core::partitions::Partition;
use sqlx::AnyConnection;

use crate::db::{Engine, StoreError, failed, row};

/// Timeout of a change of partitions for its lock on the table; after that it is postponed by an hour.
const PATIENCE: &str = "SET LOCAL lock_timeout = '2s'";

/// Whether the reports are in partitions.
pub(crate) async fn are_used(connection: &mut AnyConnection) -> Result<bool, StoreError> {
    if Engine::of_connection(connection) != Engine::Postgresql {
        return Ok(false);
    }
    let found = sqlx::query(
        "SELECT COUNT(*) AS partitioned FROM pg_partitioned_table WHERE partrelid = to_regclass('reports')",
    );
    let found = found.fetch_one(connection).await.map_err(failed("read partitions"))?;
    Ok(row::number(&found, "partitioned")? > 0)
}

/// Locks the partitions against changes by other servers, until the transaction ends.
pub(crate) async fn lock(connection: &mut AnyConnection) -> Result<(), StoreError> {
    execute(connection, PATIENCE.to_owned()).await?;
    let first = "SELECT tenant FROM tenants ORDER BY tenant LIMIT 1 FOR NO KEY UPDATE";
    execute(connection, first.to_owned()).await
}

/// Creates a partition.
pub(crate) async fn create(connection: &mut AnyConnection, partition: Partition) -> Result<(), StoreError> {
    let Partition { name, from_ms, to_ms } = partition;
    let from = from_ms.map_or_else(|| "MINVALUE".to_owned(), |ms| ms.to_string());
    let sql = format!("CREATE TABLE \"{name}\" PARTITION OF reports FOR VALUES FROM ({from}) TO ({to_ms})");
    execute(connection, sql).await
}

/// Drops a partition with its reports.
pub(crate) async fn drop_partition(connection: &mut AnyConnection, name: &str) -> Result<(), StoreError> {
    execute(connection, format!("DROP TABLE \"{}\"", name.replace('"', "\"\""))).await
}

async fn execute(connection: &mut AnyConnection, sql: String) -> Result<(), StoreError> {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await;
    done.map(drop).map_err(failed("change partitions"))
}

/// The existing partitions. A default partition has no bounds, and is ignored.
pub(crate) async fn existing(connection: &mut AnyConnection) -> Result<Vec<Partition>, StoreError> {
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
