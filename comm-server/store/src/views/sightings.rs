//! Devices that several gateways see: each counts once, at the gateway that saw it first.
//!
//! An id that consists of an address only is valid in its own network: such devices are never merged.

use sqlx::AssertSqlSafe;
use wire::ids::{DeviceId, GatewayId};

use crate::Scoped;
use crate::db::{StoreError, failed, row};

/// Whether the device `d` counts under its gateway: no other gateway that sees it has precedence.
pub(super) const COUNTED: &str = "(d.device LIKE 'addr:%' OR NOT EXISTS (SELECT 1 FROM devices o \
    WHERE o.tenant = d.tenant AND o.device = d.device AND o.gateway <> d.gateway \
    AND (o.offline < d.offline OR (o.offline = d.offline AND (o.first_seen_ms < d.first_seen_ms \
     OR (o.first_seen_ms = d.first_seen_ms AND o.gateway < d.gateway))))))";

/// Gateways that see the device `d`.
pub(super) const SEEN_BY: &str = "(CASE WHEN d.device LIKE 'addr:%' THEN 1 ELSE (SELECT COUNT(*) FROM devices o \
    WHERE o.tenant = d.tenant AND o.device = d.device) END)";

/// Another gateway that sees a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The gateway.
    pub gateway: GatewayId,
    /// Whether the device counts there.
    pub counted: bool,
}

impl Scoped {
    /// The other gateways that see a device, in the order of their names; at most 100.
    pub async fn other_sightings(
        &self,
        gateway: &GatewayId,
        device: &DeviceId,
    ) -> Result<Vec<Sighting>, StoreError> {
        let within = self.within("d.gateway");
        let sql = format!(
            "SELECT d.gateway, CASE WHEN {COUNTED} THEN 1 ELSE 0 END AS counted FROM devices d \
             WHERE d.tenant = $1{within} AND d.device = $2 AND d.gateway <> $3 AND d.device NOT LIKE 'addr:%' \
             ORDER BY d.gateway LIMIT 100"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(self.tenant().to_string())
            .bind(device.to_string())
            .bind(gateway.to_string())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read sightings"))?;
        let sighting = |r| {
            let gateway = row::parsed(r, ("devices", "gateway"), "a row")?;
            Ok(Sighting { gateway, counted: row::flag(r, "counted")? })
        };
        rows.iter().map(sighting).collect()
    }
}

#[cfg(test)]
mod tests {
    use comm_server_core::cadence::Cadence;
    use comm_server_core::ingest;
    use jiff::Timestamp;
    use serde_json::{Value, json};
    use wire::report::Lane;

    use super::*;
    use crate::testing::{id, scope};
    use crate::tests::opened;
    use crate::{Caller, DeviceFilter, FleetFilter, Store};

    async fn report(store: &Store, gateway: &str, seq: u64, second: i64, report: Value) {
        let now = Timestamp::from_second(second).unwrap();
        let envelope = json!({"reports": [{"seq": seq, "at": now, "report": report}]});
        let arrivals = ingest::parse(&serde_json::from_value(envelope).unwrap());
        let lane = if report_is_call(&arrivals) { Lane::Urgent } else { Lane::Bulk };
        let caller = Caller {
            tenant: scope().tenant().clone(),
            gateway: gateway.parse().unwrap(),
            cadence: Cadence::default(),
            now,
        };
        store.ingest(caller, lane, arrivals).await.unwrap();
    }

    fn report_is_call(arrivals: &[ingest::Arrival]) -> bool {
        format!("{arrivals:?}").contains("Call(")
    }

    fn meters(device: &str) -> Value {
        json!({"kind": "counter_set", "device": device, "read_at": "2026-01-01T00:00:00Z",
            "counters": {"total": 7}, "evidence": {"total": {"oid": "1.3", "value": 7}}})
    }

    fn offline(device: &str) -> Value {
        json!({"kind": "call", "device": device, "call": "device_offline", "edge": "raised", "subject": "",
            "detail": "no answer", "seen_at": "2026-01-01T00:00:00Z"})
    }

    async fn counted(store: &Scoped) -> Vec<(String, String, i64)> {
        let page = store.devices(&DeviceFilter::default(), None).await.unwrap();
        page.items.into_iter().map(|d| (d.gateway.into(), d.device.into(), d.seen_by)).collect()
    }

    #[tokio::test]
    async fn a_device_that_two_gateways_see_counts_once() {
        let opened = opened().await;
        let store = &opened.store;
        let own = &store.of(&scope());
        report(store, "gw-b", 1, 100, meters("ricoh:E1")).await;
        report(store, "gw-a", 1, 200, meters("ricoh:E1")).await;
        report(store, "gw-a", 2, 200, meters("addr:10.0.0.5")).await;
        report(store, "gw-b", 2, 200, meters("addr:10.0.0.5")).await;
        let row = |gateway: &str, device: &str, by| (gateway.to_owned(), device.to_owned(), by);
        let expected =
            [row("gw-a", "addr:10.0.0.5", 1), row("gw-b", "addr:10.0.0.5", 1), row("gw-b", "ricoh:E1", 2)];
        assert_eq!(counted(own).await, expected);
        let now = Timestamp::from_second(300).unwrap();
        assert_eq!(own.fleet_numbers(now).await.unwrap().devices, 3);
        assert_eq!(own.fleet("", FleetFilter::All, None, Timestamp::now()).await.unwrap().items.len(), 3);
        let others = own.other_sightings(&id("gw-a"), &id("ricoh:E1")).await.unwrap();
        assert_eq!(others, [Sighting { gateway: id("gw-b"), counted: true }]);
        let of_gateway = DeviceFilter { gateway: Some(id("gw-a")), ..DeviceFilter::default() };
        let all = own.devices(&of_gateway, None).await.unwrap().items;
        assert_eq!(all.iter().map(|d| d.counted).collect::<Vec<_>>(), [true, false]);

        // The one where it counts no longer sees it: it counts where it is seen.
        report(store, "gw-b", 1, 400, offline("ricoh:E1")).await;
        assert_eq!(counted(own).await[1], row("gw-a", "ricoh:E1", 2));
        let numbers = own.fleet_numbers(now).await.unwrap();
        assert_eq!((numbers.devices, numbers.offline), (3, 0));
    }
}
