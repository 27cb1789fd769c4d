//! Supplies that show no level, a waste box, a total from two objects, a device that sleeps in German: what
//! operators see of each, from start to end.

use std::net::SocketAddr;

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use tests::operator::Operator;
use tests::site::{Device, Lan, PATIENCE, Site, SiteSpec};
use tests::until::until;

/// The minimum by which the standard count exceeds the maker's, on the virtual Kyocera devices.
const MISFEEDS: u64 = 18;

fn is_open(call: &Value) -> bool {
    call["cleared_at"].is_null()
}

struct Seen<'a> {
    operator: &'a Operator,
    lan: &'a Lan,
    device: &'a Device,
    gateway: SocketAddr,
}

impl Seen<'_> {
    async fn control(&self, method: Method, path: &str) -> Result<()> {
        self.lan.control(self.device.number, method, path).await
    }

    /// All calls of this kind of the device, newest first.
    async fn calls(&self, kind: &str) -> Result<Vec<Value>> {
        let id = format!("{}:{}", self.device.vendor, self.device.serial);
        let calls = self.operator.list(&format!("/api/v1/calls?kind={kind}")).await?;
        Ok(calls.into_iter().filter(|call| call["device"] == id).collect())
    }

    /// Waits until there is exactly one call of this kind, and it is open or closed.
    async fn until(&self, kind: &str, open: bool) -> Result<Value> {
        until(&format!("{kind}, open: {open}"), PATIENCE, async || {
            let calls = self.calls(kind).await?;
            anyhow::ensure!(calls.len() <= 1, "doubled: {calls:?}");
            Ok(calls.into_iter().find(|call| is_open(call) == open))
        })
        .await
    }

    /// The total that the gateway read last, regardless of how the server uses it.
    async fn total(&self) -> Result<Option<u64>> {
        let status: Value = reqwest::get(format!("http://{}/status", self.gateway)).await?.json().await?;
        let devices = status["devices"].as_array().cloned().unwrap_or_default();
        let own = |device: &&Value| device["serial"] == self.device.serial.as_str();
        Ok(devices.iter().find(own).and_then(|device| device["total"].as_u64()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_level_is_called_and_ends_as_well() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let gateway = json!({"sensing": {"status_s": 60, "idle_s": 60, "reading_s": 120}});
    let mut site = Site::new(SiteSpec { gateway, ..SiteSpec::new(dir.path().to_owned()) })?;
    site.make_trust_domain()?;
    site.start_comm_server()?;
    let lan = site.start_lan()?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    until("both devices in the fleet", PATIENCE, async || {
        let read = operator.list("/api/v1/devices").await?;
        Ok((read.iter().filter(|device| device["total"].is_u64()).count() == 2).then_some(()))
    })
    .await?;
    let device =
        |vendor| lan.devices.iter().find(|own| own.vendor == vendor).expect("the LAN has both makers");
    let gateway = site.address("gateway.local")?;
    let ricoh = Seen { operator: &operator, lan: &lan, device: device("ricoh"), gateway };
    let kyocera = Seen { operator: &operator, lan: &lan, device: device("kyocera"), gateway };

    // One toner without a level among others: the bit refers to it, and the end call doesn't end the near-end
    // call.
    ricoh.control(Method::POST, "faults/no_level?color=cyan").await?;
    ricoh.control(Method::POST, "faults/toner_near_end?color=cyan").await?;
    let near = ricoh.until("supply_near_end", true).await?;
    assert!(near["detail"].as_str().is_some_and(|text| text.to_lowercase().contains("cyan")), "{near}");
    assert_ne!(near["subject"], "", "{near}");
    ricoh.control(Method::POST, "faults/toner_end?color=cyan").await?;
    let end = ricoh.until("supply_end", true).await?;
    assert_eq!(end["subject"], near["subject"], "{end}");
    assert!(is_open(&ricoh.calls("supply_near_end").await?[0]));
    ricoh.control(Method::POST, "supplies/cyan/replace").await?;
    ricoh.until("supply_end", false).await?;
    ricoh.until("supply_near_end", false).await?;

    // A waste box is full, the device sleeps, the box is emptied: its row is gone, and so is the call.
    kyocera.control(Method::POST, "faults/waste_full").await?;
    kyocera.until("supply_end", true).await?;
    kyocera.control(Method::POST, "faults/power_saver").await?;
    kyocera.control(Method::DELETE, "faults/waste_full").await?;
    kyocera.until("supply_end", false).await?;

    // The maker's own total is missing for a while, and the standard one is higher.
    let before = kyocera.total().await?;
    kyocera.control(Method::POST, "faults/no_private_total").await?;
    let standard = until("the standard total", PATIENCE, async || {
        Ok(kyocera.total().await?.filter(|total| *total >= before.unwrap_or_default() + MISFEEDS))
    })
    .await?;
    kyocera.control(Method::DELETE, "faults/no_private_total").await?;
    until("the maker's total", PATIENCE, async || {
        Ok(kyocera.total().await?.filter(|total| *total < standard))
    })
    .await?;
    assert!(operator.list("/api/v1/calls?kind=counter_regression").await?.is_empty());
    site.stop()
}
