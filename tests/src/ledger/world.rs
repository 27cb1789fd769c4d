//! The world that is disturbed: devices, gateways, communication servers and their database, each a real
//! program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fixtures::fault_proxy::FaultProxy;
use fixtures::postgresql::Postgresql;
use reqwest::Method;
use serde_json::{Value, json};

use super::books::{DeviceTruth, LaneTruth, Truth};
use super::{Engine, Spec};
use crate::operator::{Operator, plain_client};
use crate::program::{self, Running};
use crate::site::{self, Lan};
use crate::small_disk::Ballast;

/// The gateways' intervals are divided by this: an hour is 18 seconds, a minute 0.3.
const SPEEDUP: u32 = 200;

/// Size of a small disk, MiB.
const DISK_MIB: u32 = 64;

/// A gateway and its folders.
#[derive(Debug)]
pub struct Gateway {
    /// Its name.
    pub name: String,
    /// Its devices, by their number in the LAN.
    pub devices: Vec<usize>,
    dir: PathBuf,
    running: Option<Running>,
    local: Option<SocketAddr>,
}

/// A communication server.
#[derive(Debug)]
pub struct Server {
    dir: PathBuf,
    running: Option<Running>,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Server {
    /// The address of a listener, `gateways` or `operators`.
    ///
    /// # Errors
    /// The server was never started.
    pub fn address(&self, of: &str) -> Result<SocketAddr> {
        self.addresses.get(of).copied().context("the server was never started")
    }
}

/// Everything.
#[derive(Debug)]
pub struct World {
    dir: PathBuf,
    lan: Lan,
    _devices: Running,
    /// The gateways.
    pub gateways: Vec<Gateway>,
    /// The communication servers.
    pub servers: Vec<Server>,
    /// The database server, if it is PostgreSQL.
    pub postgresql: Option<Postgresql>,
    /// Between gateways and servers.
    pub network: FaultProxy,
    /// In front of the servers' operator port; kept alive here.
    _operators: FaultProxy,
    /// A logged-in operator.
    pub operator: Operator,
    /// What actually happened.
    pub truth: Truth,
    disks: Disks,
}

impl World {
    /// Creates and starts everything.
    ///
    /// # Errors
    /// A part doesn't start.
    pub async fn start(dir: &Path, spec: &Spec) -> Result<Self> {
        trust_domain(dir, spec)?;
        let postgresql = match spec.engine {
            Engine::Sqlite => None,
            Engine::Postgresql => {
                let server = Postgresql::start(&["max_connections=60"])?;
                server.create_database("platen")?;
                Some(server)
            }
        };
        let mut disks = Disks::default();
        let gateways = gateways(dir, spec, &mut disks)?;
        let (devices, lan) = devices(dir, spec)?;
        let mut servers = Vec::new();
        for number in 1..=spec.servers {
            let dir = dir.join(format!("comm-{number}")).join("data");
            if spec.engine == Engine::Sqlite {
                disks.mount(&dir)?;
            }
            servers.push(Server { dir, running: None, addresses: BTreeMap::new() });
        }
        let network = FaultProxy::start(Vec::new()).await?;
        let operators = FaultProxy::start(Vec::new()).await?;
        for (number, server) in servers.iter_mut().enumerate() {
            start_server(dir, postgresql.as_ref(), number, server)?;
        }
        let lead = |what: &str| servers.iter().filter_map(|s| s.addresses.get(what).copied()).collect();
        network.lead_to(lead("gateways"));
        operators.lead_to(lead("operators"));
        let operator = log_in(dir, &servers, &operators).await?;
        let truth = truth(&lan, &gateways).await?;
        let dir = dir.to_owned();
        let mut world = Self {
            dir,
            lan,
            _devices: devices,
            gateways,
            servers,
            postgresql,
            network,
            _operators: operators,
            operator,
            truth,
            disks,
        };
        for number in 0..world.gateways.len() {
            world.start_gateway(number)?;
        }
        Ok(world)
    }

    /// URL of the database.
    #[must_use]
    pub fn database(&self) -> String {
        database(&self.dir, self.postgresql.as_ref())
    }

    /// Starts a gateway that isn't running.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start_gateway(&mut self, number: usize) -> Result<()> {
        let gateway = self.gateways.get_mut(number).context("no such gateway")?;
        let devices: Vec<Value> = gateway
            .devices
            .iter()
            .filter_map(|&n| self.lan.devices.get(n))
            .map(|device| json!({"address": format!("{}:{}", device.address, SNMP_PORT)}))
            .collect();
        let config = json!({
            "gateway": gateway.name, "data_dir": gateway.dir,
            "identity": site::identity(&self.dir.join(&gateway.name)),
            "comm_server": {"url": format!("https://{}", self.network.address())},
            "local": {"listen": "127.0.0.1:0"}, "devices": devices,
            "sensing": {"timeout_ms": 1000, "retries": 3},
            "spool": {"limit_mib": 16},
            "demonstration": {"speedup": SPEEDUP}, "log": {"level": "info"},
        });
        let dir = self.dir.join(&gateway.name);
        let (running, addresses) = start("platen-gateway", &dir, &gateway.dir, &config)?;
        gateway.local = addresses.get("local").copied();
        gateway.running = Some(running);
        Ok(())
    }

    /// Kills a gateway.
    ///
    /// # Errors
    /// It isn't running.
    pub(crate) fn kill_gateway(&mut self, number: usize) -> Result<()> {
        let gateway = self.gateways.get_mut(number).context("no such gateway")?;
        gateway.running.take().context("the gateway isn't running")?.kill()
    }

    /// Starts a server that isn't running, at its former address.
    ///
    /// # Errors
    /// It doesn't start.
    pub(crate) fn start_server(&mut self, number: usize) -> Result<()> {
        let server = self.servers.get_mut(number).context("no such server")?;
        start_server(&self.dir, self.postgresql.as_ref(), number, server)
    }

    /// Kills a server.
    ///
    /// # Errors
    /// It isn't running.
    pub fn kill_server(&mut self, number: usize) -> Result<()> {
        let server = self.servers.get_mut(number).context("no such server")?;
        server.running.take().context("the server isn't running")?.kill()
    }

    /// Fills a gateway's disk; returns the file that fills it, or `None` if its disk isn't a small one.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn fill_gateway(&self, number: usize) -> Result<Option<Ballast>> {
        let dir = &self.gateways.get(number).context("no such gateway")?.dir;
        if self.disks.0.contains(dir) { Ballast::fill(dir).map(Some) } else { Ok(None) }
    }

    /// Fills a server's disk, like [`World::fill_gateway`].
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn fill_server(&self, number: usize) -> Result<Option<Ballast>> {
        let dir = &self.servers.get(number).context("no such server")?.dir;
        if self.disks.0.contains(dir) { Ballast::fill(dir).map(Some) } else { Ok(None) }
    }

    /// Whether there are small disks that can be filled.
    #[must_use]
    pub(crate) fn has_small_disks(&self) -> bool {
        !self.disks.0.is_empty()
    }

    /// Makes a device print.
    ///
    /// # Errors
    /// The device's control rejects the request.
    pub async fn print(&mut self, device: usize, pages: u32) -> Result<()> {
        let id = self.device_id(device)?;
        let url = format!("http://{}/devices/{device}/print", self.lan.control);
        let order = json!({"pages": pages, "instant": true});
        plain_client()?.post(url).json(&order).send().await?.error_for_status()?;
        let own = self.truth.devices.get_mut(&id).context("no such device")?;
        own.printed += u64::from(pages);
        Ok(())
    }

    /// Raises or ends a service call on a device.
    ///
    /// # Errors
    /// The device's control rejects the request.
    pub async fn service_call(&mut self, device: usize, raised: bool) -> Result<()> {
        let (method, path) =
            if raised { (Method::POST, "faults/sc?code=SC542") } else { (Method::DELETE, "faults/sc") };
        self.lan.control(device, method, path).await?;
        if raised {
            let id = self.device_id(device)?;
            self.truth.devices.get_mut(&id).context("no such device")?.service_calls += 1;
        }
        Ok(())
    }

    /// Id of a device.
    ///
    /// # Errors
    /// There is no such device.
    pub(crate) fn device_id(&self, device: usize) -> Result<String> {
        let device = self.lan.devices.get(device).context("no such device")?;
        Ok(format!("{}:{}", device.vendor, device.serial))
    }

    /// Number of devices.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.lan.devices.len()
    }

    /// A gateway's `/status`.
    ///
    /// # Errors
    /// It doesn't respond.
    pub async fn status(&self, number: usize) -> Result<Value> {
        let gateway = self.gateways.get(number).context("no such gateway")?;
        let local = gateway.local.context("the gateway was never started")?;
        Ok(plain_client()?.get(format!("http://{local}/status")).send().await?.json().await?)
    }

    /// Records the state of the lanes according to the gateways.
    ///
    /// # Errors
    /// A gateway doesn't respond.
    pub async fn note_lanes(&mut self) -> Result<()> {
        for number in 0..self.gateways.len() {
            let status = self.status(number).await?;
            let name = self.gateways.get(number).context("no such gateway")?.name.clone();
            for lane in ["urgent", "bulk"] {
                let state = &status["lanes"][lane];
                let made = state["made"].as_u64().context("a lane without numbers")?;
                let acknowledged = state["acknowledged"].as_u64().context("a lane without numbers")?;
                let truth = LaneTruth { made, acknowledged };
                self.truth.lanes.insert((name.clone(), lane.to_owned()), truth);
            }
        }
        Ok(())
    }

    /// Compares the devices' totals, read from their control, with what was ordered.
    ///
    /// # Errors
    /// A device counted something else.
    pub async fn check_devices(&self) -> Result<()> {
        for device in 0..self.devices() {
            let id = self.device_id(device)?;
            let own = self.truth.devices.get(&id).context("no such device")?;
            let (expected, total) = (own.first_total + own.printed, total(&self.lan, device).await?);
            if total != expected {
                bail!("{id} shows {total}, {expected} was ordered");
            }
        }
        Ok(())
    }
}

/// Small disks in memory; unmounted when dropped.
#[derive(Debug, Default)]
struct Disks(Vec<PathBuf>);

impl Disks {
    /// Mounts a disk at the folder, if the system permits.
    fn mount(&mut self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir)?;
        let size = format!("size={DISK_MIB}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            self.0.push(dir.to_owned());
        }
        Ok(())
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for dir in &self.0 {
            // If unmounting fails, a folder in memory remains until the machine restarts.
            drop(Command::new("umount").arg("--lazy").arg(dir).status());
        }
    }
}

const SNMP_PORT: u16 = 1161;

fn trust_domain(dir: &Path, spec: &Spec) -> Result<()> {
    let ca = dir.join("pki").display().to_string();
    program::run(
        "platen-pki",
        &["init", "--dir", &ca, "--trust-domain", "ledger.example", "--insecure-no-passphrase"],
    )?;
    let gateways = (1..=spec.gateways).map(|n| ("gateway", format!("gw-{n}")));
    let servers = (1..=spec.servers).map(|n| ("comm-server", format!("comm-{n}")));
    for (profile, name) in gateways.chain(servers) {
        let out = dir.join(&name).join("identity").display().to_string();
        std::fs::create_dir_all(dir.join(&name))?;
        let mut arguments = vec!["issue", "--dir", &ca, "--profile", profile, "--name", &name, "--out", &out];
        if profile == "comm-server" {
            arguments.extend(["--ip", "127.0.0.1"]);
        }
        program::run("platen-pki", &arguments)?;
    }
    Ok(())
}

fn gateways(dir: &Path, spec: &Spec, disks: &mut Disks) -> Result<Vec<Gateway>> {
    let mut gateways = Vec::new();
    for number in 0..spec.gateways {
        let name = format!("gw-{}", number + 1);
        let own = dir.join(&name).join("data");
        disks.mount(&own)?;
        let first = number * spec.devices_of_gateway;
        let devices = (first..first + spec.devices_of_gateway).collect();
        gateways.push(Gateway { name, devices, dir: own, running: None, local: None });
    }
    Ok(gateways)
}

fn devices(dir: &Path, spec: &Spec) -> Result<(Running, Lan)> {
    let own = dir.join("lan");
    std::fs::create_dir_all(&own)?;
    let ready = own.join("ready.json");
    let [a, b, c] = site::free_network(SNMP_PORT).context("no loopback network is free for the devices")?;
    let arguments = [
        "--lan",
        &(spec.gateways * spec.devices_of_gateway).to_string(),
        "--base",
        &format!("{a}.{b}.{c}.1"),
        "--snmp-port",
        &SNMP_PORT.to_string(),
        "--firmware-port",
        "9100",
        "--control",
        "127.0.0.1:0",
        "--speed",
        "0",
        "--ready-file",
        &ready.display().to_string(),
    ];
    let mut running = Running::start("platen-mfp", &arguments, &own)?;
    let lan: Lan = serde_json::from_str(&running.wait_for(&ready)?).context("the LAN's ready file")?;
    Ok((running, lan))
}

async fn total(lan: &Lan, device: usize) -> Result<u64> {
    let url = format!("http://{}/devices/{device}", lan.control);
    let state: Value = plain_client()?.get(url).send().await?.json().await?;
    state["total"].as_u64().context("a device without a total")
}

async fn truth(lan: &Lan, gateways: &[Gateway]) -> Result<Truth> {
    let mut truth = Truth::default();
    for gateway in gateways {
        for &number in &gateway.devices {
            let device = lan.devices.get(number).context("no such device")?;
            let first_total = total(lan, number).await?;
            let own = DeviceTruth { gateway: gateway.name.clone(), first_total, ..DeviceTruth::default() };
            truth.devices.insert(format!("{}:{}", device.vendor, device.serial), own);
        }
    }
    Ok(truth)
}

fn database(dir: &Path, postgresql: Option<&Postgresql>) -> String {
    let file = || format!("sqlite://{}", dir.join("comm-1").join("data").join("platen.db").display());
    postgresql.map_or_else(file, |server| server.url("platen"))
}

fn start_server(
    dir: &Path,
    postgresql: Option<&Postgresql>,
    number: usize,
    server: &mut Server,
) -> Result<()> {
    let name = format!("comm-{}", number + 1);
    let again = |what: &str| {
        server.addresses.get(what).map_or_else(|| "127.0.0.1:0".to_owned(), SocketAddr::to_string)
    };
    let config = json!({
        "name": name, "data_dir": server.dir, "identity": site::identity(&dir.join(&name)),
        "database": database(dir, postgresql),
        "gateways": {"listen": again("gateways")}, "operators": {"listen": again("operators")},
        "local": {"listen": "127.0.0.1:0"}, "log": {"level": "info"},
    });
    let (running, addresses) = start("platen-comm-server", &dir.join(&name), &server.dir, &config)?;
    server.addresses = addresses;
    server.running = Some(running);
    Ok(())
}

/// Starts a program with a configuration; its logs are in `dir`, its data in `data_dir`.
fn start(
    program: &str,
    dir: &Path,
    data_dir: &Path,
    config: &Value,
) -> Result<(Running, BTreeMap<String, SocketAddr>)> {
    std::fs::create_dir_all(dir)?;
    let file = dir.join("config.yaml");
    std::fs::write(&file, serde_yaml::to_string(config)?)?;
    let addresses = data_dir.join("addresses.json");
    if addresses.exists() {
        std::fs::remove_file(&addresses)?;
    }
    let mut running = Running::start(program, &["--config", &file.display().to_string(), "run"], dir)?;
    let addresses = running.wait_for_addresses(data_dir)?;
    Ok((running, addresses))
}

async fn log_in(dir: &Path, servers: &[Server], operators: &FaultProxy) -> Result<Operator> {
    let printed: String = servers.iter().filter_map(|s| s.running.as_ref()).map(Running::printed).collect();
    let logins: Vec<&str> = printed.lines().filter_map(|l| l.strip_prefix("first login: admin ")).collect();
    let &[one_time] = logins.as_slice() else { bail!("expected one first login, not {}", logins.len()) };
    let base = format!("https://{}", operators.address());
    let password = uuid::Uuid::now_v7().simple().to_string();
    Operator::first_log_in(&base, &dir.join("pki").join("root.pem"), one_time.trim(), &password).await
}
