//! The running server's responses against its own OpenAPI document, by schemathesis: every operation with
//! examples, edge cases and generated input. No response may have a status, media type or form that the
//! document doesn't describe.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tests::site::{GATEWAY, PATIENCE, Site, SiteSpec};
use tests::until::until;

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

fn schemathesis() -> PathBuf {
    let python = std::env::var_os("PLATEN_PYTHON").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python"),
        PathBuf::from,
    );
    python.with_file_name("schemathesis")
}

/// Runs it on some paths; `login` is the cookie and the CSRF token.
fn run(site: &Site, (cookie, csrf): (&str, &str), paths: &[&str]) -> Result<()> {
    let base = format!("https://{}", site.address("comm.operators")?);
    let root = site.root().display().to_string();
    let mut command = Command::new(schemathesis());
    command.args(["run", &format!("{base}/api/v1/openapi.json"), "--tls-verify", &root]);
    command.args(["-H", &format!("Cookie: {cookie}"), "-H", &format!("x-csrf-token: {csrf}")]);
    command.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "-n", "20", "--seed", "1"]);
    command.args(["--no-color", "--generation-database", "none"]).args(paths).current_dir(site.dir(""));
    let output = command.output().context("schemathesis: ./test installs it")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    ensure!(said.contains("Tested: "), "nothing was tested: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn real_responses_match_the_document() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = Site::new(SiteSpec::new(dir.path().to_owned()))?;
    site.make_trust_domain()?;
    site.start_lan()?;
    site.start_comm_server()?;
    site.start_gateway()?;
    let operator = site.first_log_in().await?;
    // Lists that are not empty.
    until("the gateway's devices", PATIENCE, || async {
        Ok((operator.list("/api/v1/devices").await?.len() == 2).then_some(()))
    })
    .await?;
    let order = json!({"gateway": GATEWAY, "order": {"kind": "diagnostics"}});
    operator.post("/api/v1/commands", &order).await?;

    let (cookie, csrf) = operator.credentials();
    // Wrong passwords end the session.
    let people = [
        "/api/v1/session",
        "/api/v1/account/password",
        "/api/v1/account/recovery-codes",
        "/api/v1/account/second-factor",
        "/api/v1/account/second-factor/removal",
    ];
    run(&site, (cookie, csrf), &people.map(|path| ["--exclude-path", path]).concat())?;
    // Without a login, every response is an error in the documented form.
    run(&site, ("__Host-platen_session=x", "x"), &people.map(|path| ["--exclude-path", path]).concat())?;
    // Last, because it ends the session.
    run(&site, (cookie, csrf), &people.map(|path| ["--include-path", path]).concat())?;
    site.stop()
}
