//! squid between the gateway and its servers: enrollment, polls and renewal all go through it, and there is
//! no other route.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pki::spiffe::PartyKind;
use serde_json::{Value, json};
use tests::operator::plain_client;
use tests::site::{GATEWAY, PATIENCE, Site, SiteSpec};
use tests::trust::{self, bring_authority, enroll, issue_days_ago};
use tests::until::until;

struct Squid(Child);

impl Drop for Squid {
    fn drop(&mut self) {
        // Killed by SIGKILL, it would leave its shared memory behind.
        if let Ok(id) = i32::try_from(self.0.id()) {
            // It may have ended already.
            kill(Pid::from_raw(id), Signal::SIGTERM).ok();
        }
        drop(self.0.wait());
    }
}

/// A squid that permits tunnels to loopback and logs each.
fn squid(dir: &Path, at: SocketAddr) -> Result<Squid> {
    let dir_text = dir.display();
    let config = format!(
        "http_port {at}\nacl all_loopback dst 127.0.0.0/8\nhttp_access allow CONNECT all_loopback\n\
         http_access deny all\naccess_log stdio:{dir_text}/access.log\ncache_log {dir_text}/cache.log\n\
         pid_filename {dir_text}/squid.pid\ncache deny all\ncoredump_dir {dir_text}\nshutdown_lifetime 1 second\n\
         cache_effective_user proxy\nlogfile_rotate 0\npinger_enable off\nmemory_cache_shared off\nmax_filedescriptors 1024\n"
    );
    let file = dir.join("squid.conf");
    std::fs::write(&file, config)?;
    let child = Command::new("/usr/sbin/squid")
        // Squids with the same name share memory.
        .args(["-N", "-n", &format!("platen{}", std::process::id()), "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("squid isn't installed: ./test installs it")?;
    Ok(Squid(child))
}

#[tokio::test(flavor = "multi_thread")]
async fn enrollment_polls_and_renewal_go_through_squid() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let at: SocketAddr = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let cache = dir.path().join("squid");
    std::fs::create_dir_all(&cache)?;
    // Started as root, squid switches to another user, who needs access.
    for (path, mode) in [(dir.path(), 0o755), (cache.as_path(), 0o777)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    let _squid = squid(&cache, at)?;
    until("squid", PATIENCE, || async { Ok(std::net::TcpStream::connect(at).ok().map(drop)) }).await?;

    let mut spec = SiteSpec { speedup: 600, ..SiteSpec::new(dir.path().join("site")) };
    spec.comm_server = json!({"enrollment": trust::enrollment(&dir.path().join("site"))});
    let mut site = Site::new(spec)?;
    site.make_trust_domain()?;
    issue_days_ago(&site, PartyKind::Gateway, GATEWAY, &site.dir("gateway"), 66)?;
    bring_authority(&site)?;
    site.start_comm_server()?;
    let proxy = format!("http://{at}");
    let token = trust::token(&site, "gw-far")?;
    let out = dir.path().join("far").display().to_string();
    let enrolled = enroll(&site, &token, &["--out", &out, "--proxy", &proxy])?;
    ensure!(enrolled.status.success(), "{}", String::from_utf8_lossy(&enrolled.stderr));

    let uplink = site.address("comm.gateways")?;
    site.set_gateway(json!({"comm_server": {"url": format!("https://{uplink}"), "proxy": proxy}}));
    site.start_gateway()?;
    let url = format!("http://{}/status", site.address("gateway.local")?);
    until("a renewal and a poll through squid", PATIENCE, || async {
        let status: Value = plain_client()?.get(&url).send().await?.json().await?;
        let polled = status["link"]["last_poll"].is_string();
        Ok((polled && status["certificate"]["state"] == "valid").then_some(()))
    })
    .await?;
    // A tunnel is logged when it ends.
    site.gateway.take().context("it runs")?.stop()?;
    let log = std::fs::read_to_string(cache.join("access.log"))?;
    let tunnels = |to: SocketAddr| log.lines().filter(|l| l.contains(&format!("CONNECT {to}"))).count();
    // The first contact and the enrollment; cacerts and the renewal share one, then the polls.
    ensure!(tunnels(site.address("comm.enrollment")?) >= 2, "{log}");
    ensure!(tunnels(uplink) >= 2, "{log}");
    site.stop()
}
