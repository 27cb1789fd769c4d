//! Numbers for the overview and the metrics.

use std::collections::BTreeMap;
use std::str::FromStr;

use comm_server_core::commands::CommandState;
use serde::Serialize;
use wire::report::CallKind;

use crate::Scoped;
use crate::db::{StoreError, failed, row};

/// How many of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Gateways.
    pub gateways: i64,
    /// Devices.
    pub devices: i64,
    /// Offline devices.
    pub devices_offline: i64,
    /// Open calls by kind; a kind without any is absent.
    pub open_calls: BTreeMap<CallKind, u64>,
    /// Commands by state; a state without any is absent.
    pub commands: BTreeMap<CommandState, u64>,
    /// Quarantined reports.
    pub quarantined: i64,
}

impl Statistics {
    /// Adds the numbers of another tenant.
    pub fn add(&mut self, other: &Self) {
        self.gateways += other.gateways;
        self.devices += other.devices;
        self.devices_offline += other.devices_offline;
        self.quarantined += other.quarantined;
        for (kind, count) in &other.open_calls {
            *self.open_calls.entry(*kind).or_default() += count;
        }
        for (state, count) in &other.commands {
            *self.commands.entry(*state).or_default() += count;
        }
    }
}

impl Scoped {
    /// How many of each a tenant has.
    pub async fn statistics(&self) -> Result<Statistics, StoreError> {
        let counts = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM gateways WHERE tenant = $1) AS gateways, \
             (SELECT COUNT(*) FROM devices WHERE tenant = $1) AS devices, \
             (SELECT COUNT(*) FROM devices WHERE tenant = $1 AND offline = 1) AS devices_offline, \
             (SELECT COUNT(*) FROM quarantine WHERE tenant = $1) AS quarantined",
        )
        .bind(self.tenant().to_string())
        .fetch_one(&mut *self.reader().await?)
        .await
        .map_err(failed("count rows"))?;
        Ok(Statistics {
            gateways: row::number(&counts, "gateways")?,
            devices: row::number(&counts, "devices")?,
            devices_offline: row::number(&counts, "devices_offline")?,
            quarantined: row::number(&counts, "quarantined")?,
            open_calls: self
                .counted(
                    ("calls", "kind"),
                    "SELECT kind, COUNT(*) AS rows_of_it FROM calls \
                     WHERE tenant = $1 AND is_open = 1 GROUP BY kind ORDER BY kind",
                )
                .await?,
            commands: self
                .counted(
                    ("commands", "state"),
                    "SELECT state, COUNT(*) AS rows_of_it FROM commands \
                     WHERE tenant = $1 GROUP BY state ORDER BY state",
                )
                .await?,
        })
    }

    /// The numbers of rows by the value of a column.
    async fn counted<K: FromStr + Ord>(
        &self,
        of: (&'static str, &'static str),
        sql: &'static str,
    ) -> Result<BTreeMap<K, u64>, StoreError> {
        let rows = sqlx::query(sql)
            .bind(self.tenant().to_string())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("count rows"))?;
        rows.iter().map(|r| Ok((row::parsed(r, of, "a group")?, row::count(r, "rows_of_it")?))).collect()
    }
}
