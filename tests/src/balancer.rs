//! Debian's HAProxy in TCP mode in front of several servers, as in production: it sees connections only.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::program::Running;
use crate::until::until;

/// Debian's path of the program.
const PROGRAM: &str = "/usr/sbin/haproxy";

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running balancer; stopped when dropped.
#[derive(Debug)]
pub struct Balancer {
    _running: Running,
    addresses: Vec<SocketAddr>,
}

/// Whether it is installed.
#[must_use]
pub fn is_installed() -> bool {
    Path::new(PROGRAM).exists()
}

impl Balancer {
    /// Starts it with one address per group of servers, whose members get connections in turn. A server that
    /// is down is skipped after one failed check; a connection that it refuses goes to the next one.
    ///
    /// # Errors
    /// It isn't installed, or doesn't start.
    pub async fn start(dir: &Path, groups: &[Vec<SocketAddr>]) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut settings = String::from(
            "defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 1m\n  timeout server 1m\n  retries 3\n  \
             option redispatch 1\n  default-server check inter 300ms fall 1 rise 1 on-marked-down shutdown-sessions\n",
        );
        let mut addresses = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            settings += &format!("listen group{number}\n  bind {address}\n  balance roundrobin\n");
            for (place, server) in group.iter().enumerate() {
                settings += &format!("  server s{place} {server}\n");
            }
            addresses.push(address);
        }
        let file = dir.join("haproxy.cfg");
        std::fs::write(&file, settings)?;
        let mut command = Command::new(PROGRAM);
        command.arg("-db").arg("-f").arg(&file);
        let running = Running::spawned("haproxy", command, dir)?;
        until("the balancer", PATIENCE, || async {
            let all = addresses.iter().all(|address| TcpStream::connect(address).is_ok());
            Ok(all.then_some(()))
        })
        .await
        .context("haproxy")?;
        Ok(Self { _running: running, addresses })
    }

    /// The address of a group.
    ///
    /// # Errors
    /// There is no such group.
    pub fn address(&self, group: usize) -> Result<SocketAddr> {
        self.addresses.get(group).copied().context("no such group of servers")
    }
}
