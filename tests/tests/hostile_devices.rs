//! A device that sends false, slow or excessive responses never delays the others.

use anyhow::Result;
use reqwest::Method;
use tests::site::{PATIENCE, Site, SiteSpec};
use tests::until::until;

#[tokio::test(flavor = "multi_thread")]
async fn broken_devices_do_not_delay_a_good_one() -> Result<()> {
    const FAULTS: [&str; 6] = [
        "corrupt_truncated",
        "corrupt_oversized",
        "corrupt_wrong_id",
        "corrupt_random",
        "silent",
        "slow?delay_ms=30000",
    ];
    let dir = tempfile::tempdir()?;
    let devices = u16::try_from(FAULTS.len())? + 1;
    let (mut site, operator) = {
        let mut site = Site::new(SiteSpec { devices, speedup: 600, ..SiteSpec::new(dir.path().to_owned()) })?;
        site.make_trust_domain()?;
        site.start_comm_server()?;
        let lan = site.start_lan()?;
        for (device, fault) in FAULTS.iter().enumerate() {
            lan.control(device, Method::POST, &format!("faults/{fault}")).await?;
        }
        site.start_gateway()?;
        let operator = site.first_log_in().await?;
        let good = lan.devices[FAULTS.len()].clone();
        until("the good device in the fleet", PATIENCE, || async {
            let fleet = operator.list("/api/v1/devices").await?;
            Ok(fleet.iter().any(|d| d["serial"] == good.serial.as_str()).then_some(()))
        })
        .await?;
        // It is not only found but watched, together with the others.
        lan.control(good.number, Method::POST, "faults/jam").await?;
        until("the good device's jam", PATIENCE, || async {
            let jams = operator.list("/api/v1/calls?kind=jam&state=open").await?;
            Ok(jams
                .iter()
                .any(|c| c["device"].as_str().is_some_and(|d| d.ends_with(&good.serial)))
                .then_some(()))
        })
        .await?;
        // Once repaired, they are found automatically as well.
        for (device, fault) in FAULTS.iter().enumerate() {
            let name = fault.split('?').next().unwrap_or(fault);
            lan.control(device, Method::DELETE, &format!("faults/{name}")).await?;
        }
        let order = serde_json::json!({"gateway": tests::site::GATEWAY, "order": {"kind": "discovery"}});
        operator.post("/api/v1/commands", &order).await?;
        (site, operator)
    };
    until("all devices in the fleet", PATIENCE * 3, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == usize::from(devices)).then_some(()))
    })
    .await?;
    let log = site.gateway.as_ref().map(tests::program::Running::log).unwrap_or_default();
    assert!(!log.contains("panicked"), "{log}");
    site.stop()
}
