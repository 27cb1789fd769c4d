//! The matrix of bad input: every listener of the running programs, and a gateway against every bad server.
//! Each is rejected, the log has the reason, a metric counts it by reason, and valid clients are served
//! meanwhile.

mod certificates;
mod clients;
mod good;
mod servers;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use pki::authority::Authority;
use serde_json::json;
use tests::site::{PATIENCE, Site, SiteSpec};
use tests::trust::{self, bring_authority, identity_with_lists, metric};
use tests::until::until;

use certificates::Maker;
use clients::{Sends, Sent};
use good::Others;

/// A listener: the key of its address, its program, its name in logs and metrics.
const LISTENERS: [(&str, &str, &str); 4] = [
    ("comm.gateways", "comm.local", "gateways"),
    ("comm.enrollment", "comm.local", "enrollment"),
    ("comm.operators", "comm.local", "operators"),
    ("global.listen", "global.local", "listen"),
];

fn site(dir: &std::path::Path) -> Result<Site> {
    let mut spec = SiteSpec::new(dir.to_owned());
    // No tolerance, so that the moment of a rejection is known.
    let tolerance = json!({"clock_skew_s": 0, "crl_grace_s": 0});
    spec.comm_server = json!({
        "identity": identity_with_lists(dir, "comm-server"), "tolerance": tolerance,
        "enrollment": trust::enrollment(dir),
    });
    spec.global_server =
        json!({"identity": identity_with_lists(dir, "global-server"), "tolerance": tolerance});
    let mut site = Site::new(spec)?;
    site.make_trust_domain()?;
    bring_authority(&site)?;
    site.issue("gateway", "gw-revoked", &site.dir("revoked"))?;
    trust::revoke(&site, "gateway/gw-revoked")?;
    site.start_global_server()?;
    site.start_comm_server()?;
    Ok(site)
}

/// Sends one case to one listener, and checks that it is rejected, counted and logged.
async fn refused(site: &Site, listener: (&str, &str, &str), sent: &Sent) -> Result<()> {
    let (of, local, name) = listener;
    let (address, local) = (site.address(of)?, site.address(local)?);
    let counter =
        |reason: &str| format!("platen_handshakes_refused_total{{listener=\"{name}\",reason=\"{reason}\"}}");
    let mut before = Vec::new();
    for reason in sent.reasons {
        before.push(metric(local, &counter(reason)).await?);
    }
    let answer = sent.send(address).await.with_context(|| format!("{} to {of}", sent.name))?;
    ensure!(!answer.contains("HTTP/1.1"), "{} to {of} was served: {answer}", sent.name);
    let what = format!("{} to {of} to be counted as {:?}; it saw: {answer}", sent.name, sent.reasons);
    let reason = until(&what, Duration::from_secs(15), || async {
        for (reason, before) in sent.reasons.iter().zip(&before) {
            if metric(local, &counter(reason)).await? > *before {
                return Ok(Some(*reason));
            }
        }
        Ok(None)
    })
    .await?;
    let program = if of.starts_with("global") { &site.global_server } else { &site.comm_server };
    let log = program.as_ref().context("it runs")?.log();
    let told = log.lines().any(|line| {
        line.contains("handshake rejected")
            && line.contains(&format!("listener=\"{name}\""))
            && line.contains(&format!("reason=\"{reason}\""))
            && line.contains("why=")
    });
    ensure!(told, "{} to {of}: the log doesn't say {reason}", sent.name);
    Ok(())
}

/// Sends a case to one of its listeners.
async fn to(site: &Site, listener: (&str, &str, &str), sent: &Sent) -> Result<()> {
    if sent.to.contains(&listener.2) { refused(site, listener, sent).await } else { Ok(()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_listener_refuses_every_bad_client_and_serves_the_others() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = site(dir.path())?;
    let maker = Maker::new(&site, &dir.path().join("made"))?;
    let others = Others::start(&site)?;
    let cases = clients::table(&maker, &site)?;
    ensure!(cases.len() >= 35, "{} cases", cases.len());
    // Clients that send nothing wait for their deadline in parallel with the rest.
    let slow = Sent { name: "slow handshake", sends: Sends::Slow, reasons: &["timeout"], to: &[] };
    let mut slowly = Vec::new();
    for listener in LISTENERS {
        slowly.push(refused(&site, listener, &slow));
    }
    let rest = async {
        let mut wrong = Vec::new();
        for sent in &cases {
            let [a, b, c, d] = LISTENERS.map(|listener| to(&site, listener, sent));
            let (a, b, c, d) = tokio::join!(a, b, c, d);
            wrong.extend([a, b, c, d].into_iter().filter_map(|sent| Some(format!("{:#}", sent.err()?))));
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    };
    let slowly = async {
        for one in slowly {
            one.await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(rest, slowly)?;
    let (served, slowest) = others.stop().await?;
    ensure!(served >= 20, "others were served only {served} times");
    // A handshake that waits ten seconds delays nobody else; the limit allows for a loaded machine.
    ensure!(slowest < Duration::from_secs(5), "another client waited {slowest:?}");
    site.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_list_refuses_everybody_and_a_fresh_one_lets_them_in_again() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = site(dir.path())?;
    ensure!(good::is_served(&site, "comm.gateways").await?);
    let authority = Authority::open(&site.dir("pki"))?;
    let now = Timestamp::now();
    authority.revocation_lists(now, now + SignedDuration::from_secs(15))?.write(&site.dir("lists"))?;
    let began = Instant::now();
    for listener in [LISTENERS[0], LISTENERS[1], LISTENERS[3]] {
        let counter = format!(
            "platen_handshakes_refused_total{{listener=\"{}\",reason=\"stale_revocation_list\"}}",
            listener.2
        );
        until("a refusal for a stale list", PATIENCE, || async {
            let served = good::is_served(&site, listener.0).await?;
            Ok((!served && metric(site.address(listener.1)?, &counter).await? >= 1.0).then_some(()))
        })
        .await?;
    }
    ensure!(began.elapsed() < Duration::from_secs(60));
    let log = site.comm_server.as_ref().context("it runs")?.log();
    until("the error in the log", PATIENCE, || async {
        let log = site.comm_server.as_ref().context("it runs")?.log();
        Ok(log.contains("a revocation list is too old: its issuer's peers are rejected").then_some(()))
    })
    .await
    .context(log)?;
    trust::publish(&site)?;
    until("everybody to be let in again", PATIENCE, || async {
        Ok(good::is_served(&site, "comm.gateways").await?.then_some(()))
    })
    .await?;
    site.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_from_the_future_or_overdue_never_replaces_a_good_one() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut site = site(dir.path())?;
    ensure!(good::is_served(&site, "comm.gateways").await?);
    let authority = Authority::open(&site.dir("pki"))?;
    let hour = SignedDuration::from_hours(1);
    let now = Timestamp::now();
    let rejected = async |reason: &str, date: &str| -> Result<()> {
        let counter = format!("platen_crl_rejected_total{{reason=\"{reason}\"}}");
        for local in ["comm.local", "global.local"] {
            until(&format!("{local} to reject a list: {reason}"), PATIENCE, || async {
                Ok((metric(site.address(local)?, &counter).await? >= 1.0).then_some(()))
            })
            .await?;
        }
        for listener in [LISTENERS[0], LISTENERS[1], LISTENERS[3]] {
            ensure!(good::is_served(&site, listener.0).await?, "{reason}: {} refuses", listener.0);
        }
        let log = site.comm_server.as_ref().context("it runs")?.log();
        ensure!(log.lines().any(|line| line.contains("are rejected") && line.contains(date)), "{log}");
        Ok(())
    };
    authority.revocation_lists(now + hour, now + hour + hour)?.write(&site.dir("lists"))?;
    rejected("future", "whose thisUpdate, ").await?;
    authority.revocation_lists(now - hour - hour, now - hour)?.write(&site.dir("lists"))?;
    rejected("overdue", "whose nextUpdate, ").await?;
    // A valid server is accepted after all of that.
    trust::publish(&site)?;
    until("new lists", PATIENCE, || async {
        Ok((metric(site.address("comm.local")?, "platen_identity_reloads_total").await? >= 1.0).then_some(()))
    })
    .await?;
    ensure!(good::is_served(&site, "comm.gateways").await?);
    site.stop()
}
