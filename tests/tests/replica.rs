//! A streaming standby of PostgreSQL serves only data that may be some seconds old: whoever changed something
//! sees the change at once, and a standby that is down or behind is not read.

use anyhow::Result;
use fixtures::postgresql::{Postgresql, PostgresqlError};
use serde_json::{Value, json};
use tests::operator::{Operator, plain_client};
use tests::site::{PATIENCE, Site, SiteSpec};
use tests::trust::metric;
use tests::until::until;

/// Maximum lag that is longer than the test, so that a paused standby is still used.
const LONG_S: u32 = 3600;

/// Maximum lag for tests of a standby that is too far behind.
const SHORT_S: u32 = 1;

struct Scene {
    site: Site,
    primary: Postgresql,
    standby: Postgresql,
}

impl Scene {
    fn start(dir: &std::path::Path) -> Result<Self, anyhow::Error> {
        let primary = Postgresql::start(&[])?;
        primary.create_database("platen")?;
        let standby = primary.standby()?;
        let site = Site::new(SiteSpec::new(dir.to_owned()))?;
        site.make_trust_domain()?;
        let mut scene = Self { site, primary, standby };
        scene.serve(LONG_S)?;
        Ok(scene)
    }

    /// Starts the server, or restarts it with another limit.
    fn serve(&mut self, behind_s: u32) -> Result<()> {
        if let Some(running) = self.site.comm_server.take() {
            running.stop()?;
        }
        self.site.set_comm_server(json!({
            "database": self.primary.url("platen"), "database_replica": self.standby.url("platen"),
            "database_replica_behind_s": behind_s,
        }));
        self.site.start_comm_server()
    }

    async fn pause(&self) -> Result<()> {
        self.standby.sql("platen", "SELECT pg_wal_replay_pause()")?;
        until("the standby to stand still", PATIENCE, || async {
            let state = self.standby.sql("platen", "SELECT pg_get_wal_replay_pause_state()")?;
            Ok((state == "paused").then_some(()))
        })
        .await
    }

    fn resume(&self) -> Result<()> {
        Ok(self.standby.sql("platen", "SELECT pg_wal_replay_resume()").map(drop)?)
    }

    /// Enrolls a gateway through another server.
    fn gateway(&self, name: &str) -> Result<()> {
        let sql = format!(
            "INSERT INTO gateways (tenant, gateway, first_seen_ms, next_poll_s) VALUES ('default', '{name}', 1, 3600)"
        );
        Ok(self.primary.sql("platen", &sql).map(drop)?)
    }

    async fn log_in(&self) -> Result<Operator> {
        let base = format!("https://{}", self.site.address("comm.operators")?);
        Operator::log_in(&base, &self.site.root(), "admin", self.site.password()).await
    }

    /// Waits until `/healthz` satisfies the condition; its status is always 200.
    async fn health(&self, what: &str, is: impl Fn(&str) -> bool) -> Result<()> {
        let url = format!("http://{}/healthz", self.site.address("comm.local")?);
        until(what, PATIENCE, || async {
            let answer = plain_client()?.get(&url).send().await?.error_for_status()?.text().await?;
            if is(&answer) { Ok(Some(())) } else { Err(anyhow::anyhow!("/healthz says {answer}")) }
        })
        .await
    }

    async fn is_read(&self) -> Result<()> {
        self.health("the standby to be read", |answer| answer == "ok\n").await
    }
}

fn names(of: &[Value]) -> Vec<&str> {
    of.iter().filter_map(|item| item["gateway"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_read_where_seconds_do_not_matter() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut scene = match Scene::start(dir.path()) {
        Err(error) if matches!(error.downcast_ref(), Some(PostgresqlError::NotInstalled)) => {
            println!("skipped: {error}");
            return Ok(());
        }
        scene => scene?,
    };
    drop(scene.site.first_log_in().await?);
    scene.is_read().await?;
    scene.pause().await?;
    scene.gateway("gw-1")?;

    // Logins, sessions and decisions use the primary; lists come from the standby, which is paused.
    let (one, other) = (scene.log_in().await?, scene.log_in().await?);
    assert!(one.list("/api/v1/gateways").await?.is_empty());
    let local = scene.site.address("comm.local")?;
    assert!(metric(local, "platen_comm_replica_reads_total").await? >= 1.0);
    assert!((metric(local, "platen_comm_replica_used").await? - 1.0).abs() < f64::EPSILON);
    let order = json!({"gateway": "gw-1", "order": {"kind": "counter_request"}});
    one.post("/api/v1/commands", &order).await?;
    assert_eq!(names(&one.list("/api/v1/commands").await?), ["gw-1"], "who changed it sees it");
    assert_eq!(names(&one.list("/api/v1/gateways").await?), ["gw-1"]);
    assert!(other.list("/api/v1/commands").await?.is_empty(), "others see it some seconds later");
    scene.resume()?;
    until("the others to see it", PATIENCE, || async {
        Ok((other.list("/api/v1/commands").await?.len() == 1).then_some(()))
    })
    .await?;

    // Too far behind: the primary is read, and that is reported.
    scene.serve(SHORT_S)?;
    let other = scene.log_in().await?;
    scene.is_read().await?;
    scene.pause().await?;
    scene.gateway("gw-2")?;
    scene
        .health("the standby to be behind", |answer| {
            answer.contains("s behind the primary, the maximum is 1")
        })
        .await?;
    assert_eq!(names(&other.list("/api/v1/gateways").await?), ["gw-1", "gw-2"]);
    scene.resume()?;
    scene.is_read().await?;

    // Stopped, and started again.
    scene.standby.crash()?;
    assert_eq!(names(&other.list("/api/v1/gateways").await?), ["gw-1", "gw-2"]);
    scene.health("it to be missed", |answer| answer.contains("the replica is not used")).await?;
    assert_eq!(names(&other.list("/api/v1/gateways").await?), ["gw-1", "gw-2"]);
    scene.standby.start_again()?;
    scene.is_read().await?;
    let log = scene.site.comm_server.as_ref().map(tests::program::Running::log).unwrap_or_default();
    assert!(log.contains("queries use the primary, because the replica can't be used"), "{log}");
    scene.site.stop()?;
    Ok(())
}
