//! A whole site on loopback: a trust domain, both servers, one gateway and a LAN of virtual devices.

mod lan;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::operator::Operator;
use crate::program::{self, Heard, Running};
use crate::small_disk::SmallDisk;

pub use lan::{Device, Lan, write_image};

/// Id of the site's gateway.
pub const GATEWAY: &str = "gw-demo";

/// The parameters of a site.
#[derive(Debug, Clone)]
pub struct SiteSpec {
    /// Folder of everything; created if missing.
    pub dir: PathBuf,
    /// Virtual devices; at most 1,000.
    pub devices: u16,
    /// The gateway's intervals are divided by this.
    pub speedup: u32,
    /// The mail server of the gateway.
    pub mail: Option<SocketAddr>,
    /// Level of all logs.
    pub log: String,
    /// The address at which the gateway reaches the communication server, if it isn't the server's own: a
    /// proxy that counts or cuts.
    pub uplink_through: Option<SocketAddr>,
    /// Additional keys of the gateway's configuration, as an object; none when null.
    pub gateway: Value,
    /// The same for the communication server.
    pub comm_server: Value,
    /// The same for the global server.
    pub global_server: Value,
}

impl SiteSpec {
    /// A quiet site with few devices and no mail.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        let (log, gateway, comm_server, global_server) =
            ("info".to_owned(), Value::Null, Value::Null, Value::Null);
        let (devices, speedup, mail, uplink_through) = (2, 60, None, None);
        Self { dir, devices, speedup, mail, log, uplink_through, gateway, comm_server, global_server }
    }
}

/// A site; each part is absent until it is started.
#[derive(Debug)]
pub struct Site {
    spec: SiteSpec,
    network: [u8; 3],
    snmp_port: u16,
    password: String,
    /// The virtual devices.
    pub lan: Option<Running>,
    /// The global server.
    pub global_server: Option<Running>,
    /// The communication server.
    pub comm_server: Option<Running>,
    /// The gateway.
    pub gateway: Option<Running>,
    /// The disk of the gateway's data, if it is a small one.
    pub small_disk: Option<SmallDisk>,
    /// The log destination of programs that are started from now on.
    pub heard: Heard,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Site {
    /// A site in which nothing runs yet.
    ///
    /// # Errors
    /// The folder can't be created, or no loopback network is free.
    pub fn new(spec: SiteSpec) -> Result<Self> {
        std::fs::create_dir_all(&spec.dir).with_context(|| spec.dir.display().to_string())?;
        let snmp_port = if bindable(Ipv4Addr::LOCALHOST, 161, true) { 161 } else { 1161 };
        let network = free_network(snmp_port).context("no loopback network is free for the devices")?;
        let (lan, global_server, comm_server, gateway) = (None, None, None, None);
        let addresses = BTreeMap::new();
        let password = uuid::Uuid::now_v7().simple().to_string();
        let small_disk = None;
        Ok(Self {
            spec,
            network,
            snmp_port,
            password,
            lan,
            global_server,
            comm_server,
            gateway,
            small_disk,
            heard: Heard::default(),
            addresses,
        })
    }

    /// A site in which everything runs, and its operator.
    ///
    /// # Errors
    /// A part can't be started.
    pub async fn start(spec: SiteSpec) -> Result<(Self, Operator)> {
        let mut site = Self::new(spec)?;
        site.make_trust_domain()?;
        site.start_global_server()?;
        site.start_comm_server()?;
        site.start_lan()?;
        site.start_gateway()?;
        let operator = site.first_log_in().await?;
        Ok((site, operator))
    }

    /// Sets keys of the gateway's configuration, from its next start on.
    pub fn set_gateway(&mut self, keys: Value) {
        self.spec.gateway = keys;
    }

    /// Sets keys of the communication server's configuration, from its next start on.
    pub fn set_comm_server(&mut self, keys: Value) {
        self.spec.comm_server = keys;
    }

    /// Folder of a part.
    #[must_use]
    pub fn dir(&self, part: &str) -> PathBuf {
        self.spec.dir.join(part)
    }

    /// The password that the operator sets at the first login, different for each site.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The root certificate.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.dir("pki").join("root.pem")
    }

    /// The devices' network.
    #[must_use]
    pub fn cidr(&self) -> String {
        let [a, b, c] = self.network;
        let prefix = if self.spec.devices > 250 { 22 } else { 24 };
        format!("{a}.{b}.{c}.0/{prefix}")
    }

    /// Address of a part: `comm.gateways`, `comm.operators`, `comm.local`, `global.listen`, `gateway.local`.
    ///
    /// # Errors
    /// That part isn't started.
    pub fn address(&self, of: &str) -> Result<SocketAddr> {
        self.addresses.get(of).copied().with_context(|| format!("{of} isn't started"))
    }

    /// Creates the trust domain and a certificate for each party.
    ///
    /// # Errors
    /// `platen-pki` fails.
    pub fn make_trust_domain(&self) -> Result<()> {
        let ca = self.dir("pki").display().to_string();
        program::run(
            "platen-pki",
            &["init", "--dir", &ca, "--trust-domain", "demo.example", "--insecure-no-passphrase"],
        )?;
        for (profile, name) in
            [("comm-server", "comm-1"), ("global-server", "global-1"), ("gateway", GATEWAY)]
        {
            self.issue(profile, name, &self.dir(profile))?;
        }
        Ok(())
    }

    /// Issues a certificate into `DIR/identity`.
    ///
    /// # Errors
    /// `platen-pki` fails.
    pub fn issue(&self, profile: &str, name: &str, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir)?;
        let (ca, out) = (self.dir("pki").display().to_string(), dir.join("identity").display().to_string());
        let mut arguments = vec!["issue", "--dir", &ca, "--profile", profile, "--name", name, "--out", &out];
        if profile.ends_with("server") {
            arguments.extend(["--ip", "127.0.0.1", "--dns", "localhost"]);
        }
        program::run("platen-pki", &arguments).map(drop)
    }

    /// Creates the firmware repository and starts the global server.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start_global_server(&mut self) -> Result<()> {
        let dir = self.dir("global-server");
        let repository = dir.join("repository");
        if !repository.exists() {
            program::run(
                "platen-global-server",
                &["init", "--repository", &repository.display().to_string()],
            )?;
        }
        let config = json!({
            "name": "global-1", "data_dir": dir, "identity": identity(&dir), "listen": "127.0.0.1:0",
            "local": {"listen": "127.0.0.1:0"}, "repository": repository, "log": {"level": self.spec.log},
        });
        let config = with(config, &self.spec.global_server);
        self.global_server = Some(self.run("global", "platen-global-server", "serve", &dir, &config)?);
        Ok(())
    }

    /// Publishes a firmware image.
    ///
    /// # Errors
    /// `platen-global-server` fails.
    pub fn publish(&self, vendor: &str, model: &str, version: &str, image: &Path) -> Result<()> {
        let repository = self.dir("global-server").join("repository").display().to_string();
        let image = image.display().to_string();
        let arguments = [
            "publish",
            "--repository",
            &repository,
            "--vendor",
            vendor,
            "--model",
            model,
            "--version",
            version,
            &image,
        ];
        program::run("platen-global-server", &arguments).map(drop)
    }

    /// Withdraws a firmware image.
    ///
    /// # Errors
    /// `platen-global-server` fails.
    pub fn withdraw(&self, vendor: &str, model: &str, version: &str) -> Result<()> {
        let repository = self.dir("global-server").join("repository").display().to_string();
        let image = ["--vendor", vendor, "--model", model, "--version", version];
        let arguments = [&["withdraw", "--repository", &repository], image.as_slice()].concat();
        program::run("platen-global-server", &arguments).map(drop)
    }

    /// Starts the communication server.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start_comm_server(&mut self) -> Result<()> {
        let dir = self.dir("comm-server");
        let mut config = json!({
            "name": "comm-1", "data_dir": dir, "identity": identity(&dir),
            "gateways": {"listen": self.again("comm.gateways")},
            "operators": {"listen": self.again("comm.operators")},
            "local": {"listen": "127.0.0.1:0"}, "log": {"level": self.spec.log},
        });
        if let Ok(global) = self.address("global.listen") {
            config["global_server"] = json!({"url": format!("https://{global}")});
        }
        let config = with(config, &self.spec.comm_server);
        self.comm_server = Some(self.run("comm", "platen-comm-server", "run", &dir, &config)?);
        Ok(())
    }

    /// Starts the virtual devices.
    ///
    /// # Errors
    /// They don't start.
    pub fn start_lan(&mut self) -> Result<Lan> {
        let dir = self.dir("lan");
        std::fs::create_dir_all(&dir)?;
        let ready = dir.join("ready.json");
        let [a, b, c] = self.network;
        let arguments = [
            "--lan",
            &self.spec.devices.to_string(),
            "--base",
            &format!("{a}.{b}.{c}.1"),
            "--snmp-port",
            &self.snmp_port.to_string(),
            "--firmware-port",
            "9100",
            "--control",
            "127.0.0.1:0",
            "--ready-file",
            &ready.display().to_string(),
        ];
        let mut lan = Running::start_heard("platen-mfp", &arguments, &dir, self.heard)?;
        let text = lan.wait_for(&ready)?;
        self.lan = Some(lan);
        let mut lan: Lan = serde_json::from_str(&text).context("the LAN's ready file")?;
        for (number, device) in lan.devices.iter_mut().enumerate() {
            device.number = number;
        }
        Ok(lan)
    }

    /// Mounts a disk of `mib` MiB for the gateway's data, from its next start on; `false` if this user isn't
    /// permitted to.
    ///
    /// # Errors
    /// Its folder can't be created.
    pub fn mount_small_disk(&mut self, mib: u32) -> Result<bool> {
        self.small_disk = SmallDisk::mount(&self.dir("small-disk"), mib)?;
        Ok(self.small_disk.is_some())
    }

    /// The folder of the gateway's data.
    fn data_dir(&self) -> PathBuf {
        if self.small_disk.is_some() { self.dir("small-disk") } else { self.dir("gateway") }
    }

    /// Starts the gateway.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start_gateway(&mut self) -> Result<()> {
        self.begin_gateway()?;
        self.await_gateway()
    }

    /// Starts the gateway without waiting until it listens.
    ///
    /// # Errors
    /// It can't be started.
    pub fn begin_gateway(&mut self) -> Result<()> {
        let dir = self.dir("gateway");
        let uplink = self.spec.uplink_through.map_or_else(|| self.address("comm.gateways"), Ok)?;
        let mut config = json!({
            "gateway": GATEWAY, "data_dir": self.data_dir(), "identity": identity(&dir),
            "comm_server": {"url": format!("https://{uplink}")},
            "local": {"listen": self.again("gateway.local")},
            "site": {"name": "Demo site", "time_zone": "Europe/Berlin"},
            "networks": [{"cidr": self.cidr(), "port": self.snmp_port, "community": "public"}],
            "demonstration": {"speedup": self.spec.speedup}, "log": {"level": self.spec.log},
        });
        if let Ok(global) = self.address("global.listen") {
            let root = self.dir("global-server").join("repository/metadata/root.json");
            config["global_server"] = json!({"url": format!("https://{global}"), "root": root});
        }
        if let Some(mail) = self.spec.mail {
            config["mail"] = json!({
                "server": mail, "security": "none", "from": "gateway@demo.example", "to": ["it@demo.example"],
            });
        }
        let config = with(config, &self.spec.gateway);
        let seen = self.seen_data_dir();
        let file = prepare(&dir, &seen, &config)?;
        let arguments = ["--config", &file.display().to_string(), "run"];
        let mut command = match &self.small_disk {
            Some(disk) => disk.command(&program::path("platen-gateway")?),
            None => Command::new(program::path("platen-gateway")?),
        };
        command.args(arguments).stdin(Stdio::null());
        self.gateway = Some(Running::spawned_heard("platen-gateway", command, &dir, self.heard)?);
        Ok(())
    }

    /// Waits until the gateway listens.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn await_gateway(&mut self) -> Result<()> {
        let seen = self.seen_data_dir();
        let running = self.gateway.as_mut().context("the gateway isn't started")?;
        for (name, address) in running.wait_for_addresses(&seen)? {
            self.addresses.insert(format!("gateway.{name}"), address);
        }
        Ok(())
    }

    fn seen_data_dir(&self) -> PathBuf {
        let dir = self.data_dir();
        self.small_disk.as_ref().map_or_else(|| dir.clone(), |disk| disk.seen(&dir))
    }

    /// Logs in with the password that the communication server printed on its first start.
    ///
    /// # Errors
    /// It printed none, or the login is rejected.
    pub async fn first_log_in(&self) -> Result<Operator> {
        let printed = self.comm_server.as_ref().context("the communication server isn't started")?.printed();
        let line = printed.lines().find_map(|line| line.strip_prefix("first login: admin "));
        let one_time = line.context("no first login was printed")?.trim().to_owned();
        let base = format!("https://{}", self.address("comm.operators")?);
        Operator::first_log_in(&base, &self.root(), &one_time, &self.password).await
    }

    /// Stops everything by SIGTERM, the gateway first.
    ///
    /// # Errors
    /// A program exits with an error.
    pub fn stop(&mut self) -> Result<()> {
        let parts = [&mut self.gateway, &mut self.comm_server, &mut self.global_server, &mut self.lan];
        parts.into_iter().filter_map(Option::take).try_for_each(Running::stop)
    }

    /// The former address of a part, so that its peers find it again; otherwise any free port.
    fn again(&self, of: &str) -> String {
        self.addresses.get(of).map_or_else(|| "127.0.0.1:0".to_owned(), SocketAddr::to_string)
    }

    fn run(
        &mut self,
        part: &str,
        program: &str,
        command: &str,
        dir: &Path,
        config: &Value,
    ) -> Result<Running> {
        let file = prepare(dir, dir, config)?;
        let arguments = ["--config", &file.display().to_string(), command];
        let mut running = Running::start_heard(program, &arguments, dir, self.heard)?;
        for (name, address) in running.wait_for_addresses(dir)? {
            self.addresses.insert(format!("{part}.{name}"), address);
        }
        Ok(running)
    }
}

/// Writes a configuration, and removes the file with the program's former addresses; returns the
/// configuration's file.
fn prepare(dir: &Path, data_dir: &Path, config: &Value) -> Result<PathBuf> {
    std::fs::create_dir_all(dir)?;
    let file = dir.join("config.yaml");
    std::fs::write(&file, serde_yaml::to_string(config)?)?;
    let addresses = data_dir.join("addresses.json");
    if addresses.exists() {
        std::fs::remove_file(&addresses)?;
    }
    Ok(file)
}

/// A configuration with additional keys.
fn with(mut config: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    config
}

/// The section `identity` for a folder that a certificate was issued into.
#[must_use]
pub fn identity(dir: &Path) -> Value {
    let dir = dir.join("identity");
    json!({"certificate": dir.join("cert.pem"), "key": dir.join("key.pem"), "root": dir.join("root.pem")})
}

fn bindable(address: Ipv4Addr, port: u16, if_in_use: bool) -> bool {
    match UdpSocket::bind((address, port)) {
        Ok(_) => true,
        Err(error) => if_in_use && error.kind() == std::io::ErrorKind::AddrInUse,
    }
}

/// A /22 in 127.0.0.0/8 in which nothing listens on the SNMP port; each process starts its search at a
/// different network.
pub(crate) fn free_network(snmp_port: u16) -> Option<[u8; 3]> {
    let start = std::process::id();
    (0..4096_u32).find_map(|step| {
        let [.., b, c] = (start.wrapping_mul(7).wrapping_add(step)).wrapping_mul(4).to_be_bytes();
        let b = 32 | (b & 63);
        bindable(Ipv4Addr::new(127, b, c, 1), snmp_port, false).then_some([127, b, c])
    })
}

/// How long a step of a site may take on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
