//! A gateway's certificate limits it to its own data: it can't read another gateway's data, respond to its
//! commands or report in its name.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::operator::Operator;
use tests::site::{Site, SiteSpec};
use tests::trust::{self, bring_authority};

/// A gateway's side of the API, by curl.
struct Gateway<'a> {
    site: &'a Site,
    name: &'a str,
}

impl Gateway<'_> {
    fn ask(&self, of: &str, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let dir = self.site.dir(self.name).join("identity");
        let file = |name: &str| dir.join(name).display().to_string();
        let url = format!("https://{}{path}", self.site.address(of)?);
        let (certificate, key, root) = (file("cert.pem"), file("key.pem"), file("root.pem"));
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--http1.1",
            "--max-time",
            "20",
            "-X",
            method,
            "-w",
            "\n%{http_code}",
            "--cert",
            &certificate,
        ]);
        curl.args(["--key", &key, "--cacert", &root, "-H", "content-type: application/json", &url]);
        if let Some(body) = body {
            curl.args(["--data-binary", &body.to_string()]);
        }
        let output = curl.output()?;
        ensure!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let (body, status) = text.rsplit_once('\n').context("no status")?;
        Ok((status.parse()?, serde_json::from_str(body).unwrap_or_default()))
    }

    fn poll(&self, spool: &str) -> Result<Value> {
        let poll = json!({
            "at": "2026-01-01T00:00:00Z", "version": "0.1.0", "spool": spool, "uptime_s": 1,
            "made": {"urgent": 0, "bulk": 0}, "devices": 0, "devices_offline": 0,
        });
        let (status, answer) = self.ask("comm.gateways", "POST", "/v1/polls", Some(&poll))?;
        ensure!(status == 200, "poll: {status} {answer}");
        Ok(answer)
    }
}

async fn command(operator: &Operator, gateway: &str) -> Result<String> {
    let order = json!({"gateway": gateway, "order": {"kind": "diagnostics"}});
    let made = operator.post("/api/v1/commands", &order).await?;
    Ok(made["command"].as_str().context("no command")?.to_owned())
}

fn site(dir: &Path) -> Result<Site> {
    let mut spec = SiteSpec::new(dir.to_owned());
    spec.comm_server = json!({"enrollment": trust::enrollment(dir)});
    let mut site = Site::new(spec)?;
    site.make_trust_domain()?;
    bring_authority(&site)?;
    for name in ["gw-a", "gw-b"] {
        site.issue("gateway", name, &site.dir(name))?;
    }
    site.start_global_server()?;
    site.start_comm_server()?;
    Ok(site)
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_a_can_not_read_answer_or_take_what_is_bs() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = site(dir.path())?;
    let operator = site.first_log_in().await?;
    let (a, b) = (Gateway { site: &site, name: "gw-a" }, Gateway { site: &site, name: "gw-b" });
    let (spool_a, spool_b) = ("01980000-0000-7000-8000-00000000000a", "01980000-0000-7000-8000-00000000000b");
    a.poll(spool_a)?;
    b.poll(spool_b)?;

    // A command for B: A doesn't receive it, and A's response to it is rejected.
    let order = command(&operator, "gw-b").await?;
    let given = a.poll(spool_a)?;
    let ids = |given: &Value| given["commands"].to_string();
    assert!(!ids(&given).contains(&order), "{given}");
    let answer = json!({"state": "done", "at": "2026-01-01T00:00:00Z", "detail": "by A"});
    let path = format!("/v1/responses/{order}");
    assert_eq!(a.ask("comm.gateways", "POST", &path, Some(&answer))?.0, 404);
    let state = |commands: &[Value]| {
        commands.iter().find(|c| c["command"] == order).map(|c| c["state"].clone()).unwrap_or_default()
    };
    assert_eq!(state(&operator.list("/api/v1/commands?gateway=gw-b").await?), "queued");
    let given = b.poll(spool_b)?;
    assert!(ids(&given).contains(&order), "{given}");
    assert_eq!(b.ask("comm.gateways", "POST", &path, Some(&answer))?.0, 200);

    // Reports don't name a gateway: what A sends is A's. A field that would name another is rejected.
    let report = json!({"kind": "counter_set", "device": "ricoh:SHARED1", "read_at": "2026-01-01T00:00:00Z",
        "counters": {"total": 5}, "evidence": {}});
    let batch = |extra: Option<&str>| {
        let mut batch = json!({"reports": [{"seq": 1, "at": "2026-01-01T00:00:00Z", "report": report}]});
        if let Some(extra) = extra {
            batch[extra] = json!("gw-b");
        }
        batch
    };
    let (status, refused) =
        a.ask("comm.gateways", "POST", "/v1/reports/bulk", Some(&batch(Some("gateway"))))?;
    assert_eq!(status, 400, "{refused}");
    let (status, taken) = a.ask("comm.gateways", "POST", "/v1/reports/bulk", Some(&batch(None)))?;
    assert_eq!(status, 200, "{taken}");
    let devices = operator.list("/api/v1/devices").await?;
    let owners: Vec<&Value> = devices.iter().map(|device| &device["gateway"]).collect();
    assert!(owners.iter().all(|owner| *owner == "gw-a"), "{devices:?}");
    assert!(operator.get("/api/v1/gateways/gw-b/devices/ricoh:SHARED1").await.is_err());

    // Neither enrollment nor any operator interface is open to it, and from the global server it gets only
    // what every gateway gets.
    let (status, _) = a.ask("comm.gateways", "POST", "/.well-known/est/simpleenroll", None)?;
    assert_eq!(status, 404);
    for path in ["/api/v1/gateways", "/api/v1/gateways/gw-b", "/v1/gateways/gw-b", "/"] {
        assert_eq!(a.ask("comm.gateways", "GET", path, None)?.0, 404, "{path}");
    }
    assert_eq!(a.ask("comm.operators", "GET", "/api/v1/gateways/gw-b", None)?.0, 401);
    assert_eq!(a.ask("global.listen", "GET", "/v1/metadata/targets.json", None)?.0, 200);
    for (method, path) in
        [("PUT", "/v1/metadata/targets.json"), ("POST", "/v1/images/x"), ("DELETE", "/v1/images/x")]
    {
        let (status, _) = a.ask("global.listen", method, path, Some(&json!({})))?;
        assert!((400..500).contains(&status), "{method} {path}: {status}");
    }
    site.stop()
}
