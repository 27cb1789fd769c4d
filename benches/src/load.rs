//! The communication server under the load of many gateways, compared with nginx with a static response and a
//! bare rustls server, over the same mutual TLS, on the same machine, one after another in the same run.

mod engines;
mod known;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fixtures::postgresql::{Postgresql, PostgresqlError};
use serde_json::{Value, json};
use tests::program::{self, Running};
use tests::site;

use self::engines::Filled;
use crate::figures::Figures;
use crate::process::{cpu_s, memory};

/// Gateways, each with its own certificate.
const GATEWAYS: usize = 200;

/// A load of polls alone.
const POLLS: [&str; 2] = ["--reporting", "0"];

/// Requests in flight at the same time.
const AT_ONCE: usize = 32;

/// The identities, and the programs under load.
struct Bench {
    dir: PathBuf,
    seconds: u64,
}

/// A server under load.
struct Server {
    address: SocketAddr,
    pids: Vec<u32>,
    _running: Running,
}

/// Runs everything, `seconds` per load.
pub(crate) fn measure(seconds: u64, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let bench = Bench { dir: dir.path().to_owned(), seconds };
    bench.issue()?;
    let bare = bench.bare()?;
    bench.load("bare rustls", &bare, &["--root"], figures)?;
    drop(bare);
    match bench.nginx()? {
        None => figures.skip("nginx"),
        Some(nginx) => {
            bench.load("nginx static 200", &nginx, &["--root"], figures)?;
            bench.load("nginx static 200, kept", &nginx, &["--root", "--keep"], figures)?;
        }
    }
    bench.on_sqlite(figures)?;
    bench.many_known(figures)?;
    match Postgresql::start(&[]) {
        Err(PostgresqlError::NotInstalled) => figures.skip("PostgreSQL"),
        Err(error) => return Err(error.into()),
        Ok(engine) => bench.on_postgresql(&engine, figures)?,
    }
    Ok(())
}

impl Server {
    fn pid(&self) -> Result<u32> {
        self.pids.first().copied().context("a server without a process")
    }

    fn cpu_s(&self) -> Result<f64> {
        self.pids.iter().map(|&pid| cpu_s(pid)).sum()
    }
}

impl Bench {
    fn on_sqlite(&self, figures: &mut Figures) -> Result<()> {
        let ours = self.comm_server("sqlite", None)?;
        let fresh = memory(ours.pid()?)?.resident;
        self.load("polls into SQLite", &ours, &POLLS, figures)?;
        let memory = memory(ours.pid()?)?;
        let (busy, highest) = (memory.resident, memory.highest);
        figures.print("memory of the server, fresh", fresh, "MiB", "");
        figures.print("memory of the server, after the polls", busy, "MiB", &format!("{highest:.1} at most"));
        self.load("polls into SQLite, kept", &ours, &["--reporting", "0", "--keep"], figures)?;
        let slow = ["--reporting", "0", "--slow", "2000"];
        self.load("polls into SQLite beside 2,000 slow senders", &ours, &slow, figures)?;
        let per_s = self.reports("SQLite", &ours, figures)?;
        self.reconnect("SQLite", &ours, figures)?;
        drop(ours);
        let dir = self.dir.join("sqlite");
        filled("SQLite", per_s, &engines::of_sqlite(&dir.join("platen.db"), &dir)?, figures);
        Ok(())
    }

    fn on_postgresql(&self, engine: &Postgresql, figures: &mut Figures) -> Result<()> {
        let url = engine.create_database("platen")?;
        let ours = self.comm_server("postgresql", Some(&url))?;
        self.load("polls into PostgreSQL", &ours, &POLLS, figures)?;
        let per_s = self.reports("PostgreSQL", &ours, figures)?;
        self.reconnect("PostgreSQL", &ours, figures)?;
        drop(ours);
        filled("PostgreSQL", per_s, &engines::of_postgresql(engine, "platen")?, figures);
        Ok(())
    }

    /// Creates a trust domain with a server and many gateways.
    fn issue(&self) -> Result<()> {
        let ca = self.dir.join("pki").display().to_string();
        program::run(
            "platen-pki",
            &["init", "--dir", &ca, "--trust-domain", "bench.example", "--insecure-no-passphrase"],
        )?;
        let issue = |profile: &str, name: &str, out: &Path| {
            let out = out.display().to_string();
            let mut arguments =
                vec!["issue", "--dir", &ca, "--profile", profile, "--name", name, "--out", &out];
            if profile == "comm-server" {
                arguments.extend(["--ip", "127.0.0.1"]);
            }
            program::run("platen-pki", &arguments).map(drop)
        };
        issue("comm-server", "comm-1", &self.dir.join("server").join("identity"))?;
        for n in 0..GATEWAYS {
            issue("gateway", &format!("gw-{n}"), &self.dir.join("gateways").join(format!("{n:05}")))?;
        }
        Ok(())
    }

    fn server_file(&self, name: &str) -> PathBuf {
        self.dir.join("server").join("identity").join(name)
    }

    fn comm_server(&self, name: &str, database: Option<&str>) -> Result<Server> {
        let dir = self.dir.join(name);
        std::fs::create_dir_all(&dir)?;
        let any = json!({"listen": "127.0.0.1:0"});
        let mut config = json!({"name": "comm-1", "data_dir": dir, "gateways": any, "operators": any, "local": any,
            "identity": site::identity(&self.dir.join("server")), "log": {"level": "warn"}});
        if let Some(url) = database {
            config["database"] = json!(url);
        }
        let file = dir.join("config.yaml");
        std::fs::write(&file, config.to_string())?;
        let file = file.display().to_string();
        let mut running = Running::start("platen-comm-server", &["--config", &file, "run"], &dir)?;
        let addresses = running.wait_for_addresses(&dir)?;
        let address = *addresses.get("gateways").context("no address for gateways")?;
        Ok(Server { address, pids: vec![running.id()], _running: running })
    }

    /// This program again, with only TLS and a response.
    fn bare(&self) -> Result<Server> {
        let identity = self.dir.join("server").join("identity").display().to_string();
        let address = free_address()?;
        let listen = address.to_string();
        let arguments = ["bare-server", "--identity", &identity, "--listen", &listen];
        let running = Running::start("benches", &arguments, &self.dir)?;
        until_it_listens(address, &running)?;
        Ok(Server { address, pids: vec![running.id()], _running: running })
    }

    fn nginx(&self) -> Result<Option<Server>> {
        let program = Path::new("/usr/sbin/nginx");
        if !program.exists() {
            return Ok(None);
        }
        let address = free_address()?;
        let dir = self.dir.join("nginx");
        std::fs::create_dir_all(&dir)?;
        let file = |name: &str| self.server_file(name).display().to_string();
        let config = format!(
            "daemon off; worker_processes 2; pid {dir}/pid; error_log {dir}/error.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; client_body_temp_path {dir}/body; keepalive_requests 1000000;\n\
             server {{ listen {address} ssl; ssl_protocols TLSv1.3; ssl_session_tickets off;\n\
             ssl_session_cache off; ssl_certificate {}; ssl_certificate_key {};\n\
             ssl_client_certificate {}; ssl_verify_client on; ssl_verify_depth 3;\n\
             location / {{ return 200 \"{{}}\"; }} }} }}\n",
            file("cert.pem"),
            file("key.pem"),
            file("root.pem"),
            dir = dir.display()
        );
        let path = dir.join("nginx.conf");
        std::fs::write(&path, config)?;
        let mut child = Command::new(program);
        child.arg("-p").arg(&dir).arg("-c").arg(&path).stdin(Stdio::null());
        let running = Running::spawned("nginx", child, &dir)?;
        until_it_listens(address, &running)?;
        let mut pids = vec![running.id()];
        pids.extend(children(running.id())?);
        Ok(Some(Server { address, pids, _running: running }))
    }

    /// Runs one load; returns its figures.
    fn run(&self, server: &Server, more: &[&str]) -> Result<(Value, f64)> {
        let at_once = AT_ONCE.to_string();
        let more: Vec<&str> = ["--at-once", &at_once].into_iter().chain(more.iter().copied()).collect();
        self.run_for(&self.seconds.to_string(), server, &more)
    }

    /// The same for another duration, with a timeout.
    fn run_for(&self, seconds: &str, server: &Server, more: &[&str]) -> Result<(Value, f64)> {
        let identities = self.dir.join("gateways").display().to_string();
        let address = server.address.to_string();
        let mut arguments = vec![&*address, "--identities", &identities, "--seconds", seconds, "--json"];
        arguments.extend(more);
        let before = server.cpu_s()?;
        let output = program::run("platen-load", &arguments)?;
        let cpu = server.cpu_s()? - before;
        Ok((serde_json::from_slice(&output.stdout).context("the load's figures")?, cpu))
    }

    fn load(&self, name: &str, server: &Server, more: &[&str], figures: &mut Figures) -> Result<()> {
        let (measured, cpu) = self.run(server, more)?;
        let number = |key: &str| measured[key].as_f64().unwrap_or_default();
        let note = format!(
            "{:.0} in a second of the clock, p50 {:.1} ms, p99 {:.1} ms",
            number("per_second"),
            number("p50_ms"),
            number("p99_ms")
        );
        figures.print(&format!("{name}: requests"), number("answered") / cpu.max(0.01), "per CPU s", &note);
        Ok(())
    }

    fn reports(&self, engine: &str, server: &Server, figures: &mut Figures) -> Result<f64> {
        let (measured, cpu) = self.run(server, &["--reporting", "100", "--batch", "50", "--keep"])?;
        let number = |key: &str| measured[key].as_f64().unwrap_or_default();
        let note =
            format!("{:.0} per CPU s, p99 {:.0} ms", number("reports") / cpu.max(0.01), number("p99_ms"));
        let per_s = number("reports") / number("seconds");
        figures.print(&format!("reports into {engine}"), per_s, "per s", &note);
        Ok(per_s)
    }

    /// All gateways at once, each with a batch and a poll.
    fn reconnect(&self, engine: &str, server: &Server, figures: &mut Figures) -> Result<()> {
        let more = ["--scenario", "reconnect", "--batch", "50"];
        let (measured, _) = self.run(server, &more)?;
        let number = |key: &str| measured[key].as_f64().unwrap_or_default();
        let all = 100_000.0 * number("seconds") / number("served").max(1.0);
        let note = format!(
            "{} of {GATEWAYS} served, {} refused meanwhile; at the same pace, not measured, {all:.0} s for 100,000",
            number("served"),
            number("refused")
        );
        figures.print(&format!("reconnect of all, {engine}"), number("seconds"), "s", &note);
        Ok(())
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn until_it_listens(address: SocketAddr, running: &Running) -> Result<()> {
    let began = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        if began.elapsed() > Duration::from_secs(10) {
            bail!("nothing listens at {address}: {}", running.log());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The contents of a database after a load, and the speed of the engine by itself.
fn filled(engine: &str, per_s: f64, filled: &Filled, figures: &mut Figures) {
    let note = format!(
        "{:.0} reports of five meters again; ours is {:.1} %",
        filled.reports,
        100.0 * per_s / filled.per_s
    );
    figures.print(&format!("the same rows by {engine} alone"), filled.per_s, "per s", &note);
    let year = 365.0 * filled.octets_each / 1024.0;
    figures.print(
        &format!("a report of five meters in {engine}"),
        filled.octets_each,
        "bytes",
        &format!("indices included; {year:.0} KiB for a device and year at one a day"),
    );
}

/// Children of a process.
fn children(pid: u32) -> Result<Vec<u32>> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).context("children")?;
    Ok(list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}
