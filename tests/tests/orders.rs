//! A command of a later server, with a field that this gateway does not know, is never executed in part.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::operator::Operator;
use tests::site::{GATEWAY, PATIENCE, Site, SiteSpec};
use tests::until::until;

async fn queue(operator: &Operator, kind: &str) -> Result<String> {
    let order = json!({"gateway": GATEWAY, "order": {"kind": kind}});
    let queued = operator.post("/api/v1/commands", &order).await?;
    Ok(queued["command"].as_str().context("no id")?.to_owned())
}

async fn ended(operator: &Operator, id: &str) -> Result<Value> {
    until("the command to end", PATIENCE * 2, || async {
        let commands = operator.list(&format!("/api/v1/commands?gateway={GATEWAY}")).await?;
        let own = commands.into_iter().find(|c| c["command"] == id).context("the command is gone")?;
        Ok(["done", "failed"].iter().any(|end| own["state"] == *end).then_some(own))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_an_unknown_field_fails_and_holds_up_no_other() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = Site::new(SiteSpec { speedup: 600, ..SiteSpec::new(dir.path().to_owned()) })?;
    site.make_trust_domain()?;
    site.start_comm_server()?;
    site.start_lan()?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    until("both devices in the fleet", PATIENCE, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == 2).then_some(()))
    })
    .await?;
    // While the gateway is down, both commands wait for one poll.
    site.gateway.take().context("no gateway")?.kill()?;
    let limited = queue(&operator, "counter_request").await?;
    let plain = queue(&operator, "diagnostics").await?;
    let change = format!(
        ".timeout 10000\nupdate commands set body = json_set(body, '$.only_colour', json('true')) where command = '{limited}';\
         \nselect body from commands where command = '{limited}';"
    );
    let database = site.dir("comm-server").join("platen.db");
    let output = Command::new("sqlite3").arg(database).args(change.lines()).output()?;
    let body = String::from_utf8(output.stdout)?;
    ensure!(body.contains("only_colour"), "{body} {}", String::from_utf8_lossy(&output.stderr));
    site.start_gateway()?;

    assert_eq!(ended(&operator, &plain).await?["state"], "done");
    let failed = ended(&operator, &limited).await?;
    assert_eq!(failed["state"], "failed", "{failed:#}");
    let detail = failed["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("unsupported: ") && detail.contains("`only_colour`"), "{detail}");
    site.stop()
}
