//! The life of certificates in running programs: renewal without a lost connection, live revocation,
//! recovery.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result};
use fixtures::mailbox::Mailbox;
use pki::spiffe::PartyKind;
use serde_json::{Value, json};
use tests::operator::plain_client;
use tests::site::{GATEWAY, PATIENCE, Site, SiteSpec};
use tests::trust::{self, bring_authority, enroll, identity_with_lists, issue_days_ago, metric};
use tests::until::until;

/// A site whose servers know the revocation lists, and whose gateway's certificate has some age.
fn site(dir: &std::path::Path, days: i64, enrolls: bool, mail: Option<SocketAddr>) -> Result<Site> {
    // A poll every six seconds.
    let mut spec = SiteSpec { speedup: 600, mail, ..SiteSpec::new(dir.to_owned()) };
    spec.comm_server = json!({"identity": identity_with_lists(dir, "comm-server")});
    if enrolls {
        spec.comm_server["enrollment"] = trust::enrollment(dir);
    }
    spec.global_server = json!({"identity": identity_with_lists(dir, "global-server")});
    let mut site = Site::new(spec)?;
    site.make_trust_domain()?;
    issue_days_ago(&site, PartyKind::Gateway, GATEWAY, &site.dir("gateway"), days)?;
    bring_authority(&site)?;
    trust::publish(&site)?;
    site.start_global_server()?;
    site.start_comm_server()?;
    Ok(site)
}

async fn status(site: &Site) -> Result<Value> {
    let url = format!("http://{}/status", site.address("gateway.local")?);
    Ok(plain_client()?.get(url).send().await?.json().await?)
}

async fn polled(site: &Site) -> Result<()> {
    until("a poll", PATIENCE, || async {
        let link = status(site).await?["link"].clone();
        Ok((link["last_poll"].is_string() && link["last_error"].is_null()).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_renews_at_two_thirds_and_loses_no_connection() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = site(dir.path(), 66, true, None)?;
    let file = site.dir("gateway").join("identity/cert.pem");
    let old = std::fs::read(&file)?;
    site.start_lan()?;
    site.start_gateway()?;
    let renewed = until("a renewal", PATIENCE, || async {
        let certificate = status(&site).await?["certificate"].clone();
        Ok((certificate["state"] == "valid").then_some(certificate))
    })
    .await?;
    assert!(renewed["renew_at"].is_string(), "{renewed}");
    assert_ne!(std::fs::read(&file)?, old);
    polled(&site).await?;
    let local = site.address("gateway.local")?;
    assert_eq!(metric(local, "platen_gateway_renewals_total").await?, 1.0);
    assert_eq!(metric(local, "platen_gateway_exchange_failures_total").await?, 0.0);
    assert_eq!(metric(local, "platen_gateway_certificate_alarm").await?, 0.0);
    // The old one is revoked; nothing uses it any more.
    let ledger = std::fs::read_to_string(site.dir("pki").join("issued.jsonl"))?;
    let records = ledger.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
    let serial =
        records.last().context("the ledger is empty")?["serial"].as_str().context("no serial")?.to_owned();
    let pki = site.dir("pki").display().to_string();
    let revoke = ["revoke", "--dir", &pki, "--serial", &serial, "--reason", "superseded"];
    tests::program::run("platen-pki", &revoke)?;
    trust::publish(&site)?;
    let comm = site.address("comm.local")?;
    until("the lists to be taken", PATIENCE, || async {
        Ok((metric(comm, "platen_identity_reloads_total").await? >= 1.0).then_some(()))
    })
    .await?;
    let before = status(&site).await?["link"]["last_poll"].clone();
    until("a later poll", PATIENCE * 2, || async {
        Ok((status(&site).await?["link"]["last_poll"] != before).then_some(()))
    })
    .await?;
    let log = site.gateway.as_ref().context("it runs")?.log();
    assert!(!log.contains("the exchange failed") && !log.contains("ERROR"), "{log}");
    site.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_gateway_is_out_within_a_minute_and_comes_back_with_a_token() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = site(dir.path(), 1, true, None)?;
    site.start_lan()?;
    site.start_gateway()?;
    polled(&site).await?;
    let comm = site.address("comm.local")?;
    let began = Instant::now();
    trust::revoke(&site, &format!("gateway/{GATEWAY}"))?;
    until("the lists to be taken", PATIENCE, || async {
        Ok((metric(comm, "platen_identity_reloads_total").await? >= 1.0).then_some(()))
    })
    .await?;
    assert!(began.elapsed().as_secs() < 60);
    let by_reason = "platen_handshakes_refused_total{listener=\"gateways\",reason=\"revoked\"}";
    until("a refused handshake", PATIENCE * 2, || async {
        Ok((metric(comm, by_reason).await? >= 1.0).then_some(()))
    })
    .await?;
    let told = until("the gateway to tell", PATIENCE, || async {
        Ok(status(&site).await?["link"]["last_error"].as_str().map(str::to_owned))
    })
    .await?;
    assert!(told.contains("CertificateRevoked") || told.contains("TLS"), "{told}");

    // Recovery: a new token, one command, no restart.
    let token = trust::token(&site, GATEWAY)?;
    let config = site.dir("gateway").join("config.yaml").display().to_string();
    let refused = enroll(&site, &token, &["--config", &config])?;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--replace"));
    let enrolled = enroll(&site, &token, &["--config", &config, "--replace"])?;
    assert!(enrolled.status.success(), "{}", String::from_utf8_lossy(&enrolled.stderr));
    until("polls to be answered again", PATIENCE * 2, || async {
        Ok(status(&site).await?["link"]["last_error"].is_null().then_some(()))
    })
    .await?;
    site.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_renewal_is_reported_and_the_old_certificate_stays() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mailbox = Mailbox::start("127.0.0.1:0".parse()?).await?;
    let mut site = site(dir.path(), 75, false, Some(mailbox.address()))?;
    let file = site.dir("gateway").join("identity/cert.pem");
    let old = std::fs::read(&file)?;
    site.start_lan()?;
    site.start_gateway()?;
    polled(&site).await?;
    let certificate = until("the alarm", PATIENCE, || async {
        let certificate = status(&site).await?["certificate"].clone();
        Ok((certificate["state"] == "ending").then_some(certificate))
    })
    .await?;
    assert!(certificate["problem"].as_str().is_some_and(|why| why.contains("404")), "{certificate}");
    let local = site.address("gateway.local")?;
    assert_eq!(metric(local, "platen_gateway_certificate_alarm").await?, 1.0);
    let page = plain_client()?.get(format!("http://{local}/")).send().await?.text().await?;
    assert!(page.contains("renewal fails"), "{page}");
    let is_alarm = |text: &str| text.contains("[Platen] Certificate of gateway gw-demo needs attention");
    let letter = tokio::time::timeout(PATIENCE, mailbox.wait_for(|letter| is_alarm(&letter.text())));
    let letter = letter.await.context("no letter in time")?.context("no letter")?;
    assert_eq!(letter.to, ["it@demo.example"]);
    // Quoted-printable breaks its lines anywhere.
    let text = letter.text().replace("=\r\n", "");
    assert!(text.contains("renewal fails"), "{text}");
    assert_eq!(std::fs::read(&file)?, old);
    assert!(site.gateway.as_ref().context("it runs")?.log().contains("renewal fails"));
    site.stop()
}
