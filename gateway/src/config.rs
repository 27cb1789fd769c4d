//! The configuration file.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::calls::CallRules;
use gateway_core::firmware::UpdateRules;
use gateway_core::search::{Part, Span, Sweep};
use gateway_core::sensing::SensingRules;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use pki::spiffe::Party;
use pki::{IdentityConfig, Tolerance};
use program::identity::LiveIdentity;
use program::logging::LogConfig;
use secrecy::SecretString;
use serde::Deserialize;
use wire::ids::GatewayId;

use crate::device_place::{DevicePlace, InvalidPlace, NamedDevice};
use crate::discovery::{DiscoveryConfig, Pace};
use crate::mail::{MailConfig, Mailer};
use crate::snmp::credentials::{CredentialConfig, Gathering};
use crate::snmp::{Candidates, Credentials};
use crate::staging::{GlobalServerConfig, StagingClient};
use crate::traps::TrapsConfig;

/// Addresses that all networks together may have.
const MAX_ADDRESSES: u128 = gateway_core::search::ADDRESSES;

/// Credentials in the list.
const MAX_CREDENTIALS: usize = 16;

/// The configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The gateway's id; its certificate says the same.
    pub gateway: GatewayId,
    /// Where the gateway keeps what it must not forget.
    pub data_dir: PathBuf,
    /// Certificate, key, root.
    pub identity: IdentityConfig,
    /// How far the verifier of peers bends.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// The communication server.
    pub comm_server: CommServerConfig,
    /// The global server, for firmware.
    #[serde(default)]
    pub global_server: Option<GlobalServerConfig>,
    /// The local port.
    #[serde(default)]
    pub local: LocalConfig,
    /// The site.
    #[serde(default)]
    pub site: Option<SiteConfig>,
    /// Networks that are searched.
    #[serde(default)]
    pub networks: Vec<NetworkConfig>,
    /// Devices that are known beforehand.
    #[serde(default)]
    pub devices: Vec<DeviceConfig>,
    /// With what devices are asked, tried in this order.
    #[serde(default)]
    pub credentials: Vec<CredentialConfig>,
    /// Where traps are received; nowhere when absent.
    #[serde(default)]
    pub traps: Option<TrapsConfig>,
    /// How networks are searched.
    #[serde(default)]
    pub discovery: DiscoveryConfig,
    /// How devices are watched.
    #[serde(default)]
    pub sensing: SensingConfig,
    /// The spool.
    #[serde(default)]
    pub spool: SpoolConfig,
    /// Mail about calls.
    #[serde(default)]
    pub mail: Option<MailConfig>,
    /// Compressed waits, for demonstrations.
    #[serde(default)]
    pub demonstration: DemonstrationConfig,
    /// The log.
    #[serde(default)]
    pub log: LogConfig,
}

/// Section `comm_server`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommServerConfig {
    /// `https://HOST:PORT`.
    pub url: String,
    /// `http://[USER:PASSWORD@]HOST:PORT`, for the global server as well.
    #[serde(default)]
    pub proxy: Option<String>,
}

/// Section `local`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalConfig {
    /// Where `/healthz`, `/metrics`, `/status` and the local page are.
    pub listen: SocketAddr,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9110)) }
    }
}

/// Section `site`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteConfig {
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Its time zone, as the tz database names it.
    #[serde(default)]
    pub time_zone: Option<String>,
}

/// One of `networks`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Its addresses: a network, a range or one address.
    #[serde(alias = "range")]
    pub cidr: Span,
    /// Addresses that a search leaves out.
    #[serde(default)]
    pub exclude: Vec<Span>,
    /// Whether a search asks every address; else only what announces itself there.
    #[serde(default = "yes")]
    pub sweep: bool,
    /// Port of the agents.
    #[serde(default = "snmp_port")]
    pub port: u16,
    /// SNMP v2c community: the short form of a credential for this alone, tried before the list.
    #[serde(default, deserialize_with = "secret")]
    pub community: Option<SecretString>,
}

/// One of `devices`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceConfig {
    /// `ADDR`, `ADDR:PORT`, `NAME` or `NAME:PORT`.
    pub address: String,
    /// SNMP v2c community: the short form of a credential for this alone, tried before the list.
    #[serde(default, deserialize_with = "secret")]
    pub community: Option<SecretString>,
}

const fn yes() -> bool {
    true
}

const fn snmp_port() -> u16 {
    161
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|secret| secret.map(SecretString::from))
}

/// Section `sensing`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SensingConfig {
    /// Between two looks at a device's status, seconds; no device is looked at more often.
    pub status_s: u32,
    /// Between two looks at a device that has had no news for long, seconds.
    pub idle_s: u32,
    /// Between two looks at a device that sleeps, seconds.
    pub asleep_s: u32,
    /// Between two whole readings, seconds.
    pub reading_s: u32,
    /// Between two searches of the networks, seconds.
    pub discovery_s: u32,
    /// Time for one SNMP answer, milliseconds.
    pub timeout_ms: u32,
    /// Repetitions of an SNMP request.
    pub retries: u32,
    /// Looks without an answer after which a device is offline.
    pub offline_after: u32,
    /// Devices that are read at once.
    pub concurrency: usize,
    /// A supply is near its end at this percentage and below.
    pub near_end_percent: f64,
}

impl Default for SensingConfig {
    fn default() -> Self {
        Self {
            status_s: 60,
            idle_s: 180,
            asleep_s: 300,
            reading_s: 3600,
            discovery_s: 86_400,
            timeout_ms: 2000,
            retries: 2,
            offline_after: 3,
            concurrency: 64,
            near_end_percent: 10.0,
        }
    }
}

/// Section `spool`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolConfig {
    /// Limit of the whole, MiB.
    pub limit_mib: u64,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self { limit_mib: 256 }
    }
}

/// Section `demonstration`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DemonstrationConfig {
    /// Divides every wait: polls, sensing, looks at a device that restarts. Nothing else.
    pub speedup: f64,
}

impl Default for DemonstrationConfig {
    fn default() -> Self {
        Self { speedup: 1.0 }
    }
}

/// A configuration that can be parsed and can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct InvalidConfig {
    key: String,
    problem: String,
}

impl InvalidConfig {
    fn new(key: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self { key: key.into(), problem: problem.to_string() }
    }
}

/// What was made from a configuration while it was checked.
#[derive(Debug)]
pub struct Checked {
    /// The gateway's identity.
    pub identity: Arc<LiveIdentity>,
    /// The mailer, where mail is configured.
    pub mailer: Option<Mailer>,
    /// The client of the global server, where it is configured.
    pub staging: Option<StagingClient>,
    /// The site's time zone; UTC where none is configured.
    pub time_zone: TimeZone,
    /// With what devices are asked.
    pub credentials: Candidates,
}

impl Config {
    /// Checks what the parser can't: files, names, ranges.
    ///
    /// # Errors
    /// What is wrong, with its key.
    pub fn validate(&self) -> Result<Checked, InvalidConfig> {
        self.check_ranges()?;
        self.check_networks()?;
        let credentials = self.candidates()?;
        let identity = LiveIdentity::load(&self.identity, self.tolerance)
            .map_err(|error| InvalidConfig::new("identity", chain(&error)))?;
        let own = identity.now();
        if own.id().party != Party::Gateway(self.gateway.to_string()) {
            let problem = format!("is {}, but the certificate is for {}", self.gateway, own.id());
            return Err(InvalidConfig::new("gateway", problem));
        }
        crate::uplink::check_url(&self.comm_server.url)
            .map_err(|problem| InvalidConfig::new("comm_server.url", problem))?;
        let proxy = self.comm_server.proxy.as_deref();
        let staging = self.global_server.as_ref();
        let staging = staging.map(|config| StagingClient::new(config, Arc::clone(&identity), proxy));
        let staging =
            staging.transpose().map_err(|error| InvalidConfig::new("global_server", chain(&error)))?;
        let mailer = self.mail.as_ref().map(Mailer::new).transpose();
        let mailer = mailer.map_err(|error| InvalidConfig::new("mail", chain(&error)))?;
        Ok(Checked { identity, mailer, staging, time_zone: self.time_zone()?, credentials })
    }

    fn check_ranges(&self) -> Result<(), InvalidConfig> {
        let sensing = &self.sensing;
        let within = |key: &str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(InvalidConfig::new(key, format!("{value} is not valid: expected {low} to {high}")))
        };
        within("sensing.status_s", sensing.status_s.into(), 1, 86_400)?;
        within("sensing.idle_s", sensing.idle_s.into(), 1, 86_400)?;
        within("sensing.asleep_s", sensing.asleep_s.into(), 1, 86_400)?;
        within("discovery.packets_per_s", self.discovery.packets_per_s.into(), 1, 100_000)?;
        within("sensing.reading_s", sensing.reading_s.into(), 10, 7 * 86_400)?;
        within("sensing.discovery_s", sensing.discovery_s.into(), 10, 30 * 86_400)?;
        within("sensing.timeout_ms", sensing.timeout_ms.into(), 50, 60_000)?;
        within("sensing.retries", sensing.retries.into(), 0, 10)?;
        within("sensing.offline_after", sensing.offline_after.into(), 1, 100)?;
        within("sensing.concurrency", u64::try_from(sensing.concurrency).unwrap_or(u64::MAX), 1, 4096)?;
        within("spool.limit_mib", self.spool.limit_mib, 16, 1 << 20)?;
        if !(0.0..=100.0).contains(&sensing.near_end_percent) {
            return Err(InvalidConfig::new("sensing.near_end_percent", "expected 0 to 100"));
        }
        if !(1.0..=10_000.0).contains(&self.demonstration.speedup) {
            return Err(InvalidConfig::new("demonstration.speedup", "expected 1 to 10000"));
        }
        if !self.local.listen.ip().is_loopback() {
            let problem = format!("{} is not valid: expected a loopback address", self.local.listen);
            return Err(InvalidConfig::new("local.listen", problem));
        }
        Ok(())
    }

    fn check_networks(&self) -> Result<(), InvalidConfig> {
        let mut addresses = 0_u128;
        for (at, network) in self.networks.iter().enumerate() {
            let here = if network.sweep { network.cidr.size() } else { 0 };
            addresses = addresses.saturating_add(here);
            if addresses > MAX_ADDRESSES {
                let problem = format!("{} makes more than {MAX_ADDRESSES} addresses in all", network.cidr);
                return Err(InvalidConfig::new(format!("networks[{at}].cidr"), problem));
            }
            if network.port == 0 {
                return Err(InvalidConfig::new(format!("networks[{at}].port"), "expected 1 to 65535"));
            }
        }
        Ok(())
    }

    /// The devices that are known beforehand by their address.
    ///
    /// # Errors
    /// An address isn't one, or stands there twice.
    pub fn single_devices(&self) -> Result<Vec<SocketAddr>, InvalidConfig> {
        let placed = self.placed_devices()?.into_iter();
        Ok(placed.filter_map(|(_, place)| place.address()).collect())
    }

    /// The devices that are known beforehand by a DNS name.
    #[must_use]
    pub fn named_devices(&self) -> Vec<NamedDevice> {
        let placed = self.placed_devices().unwrap_or_default().into_iter();
        let named = |(at, place): (usize, DevicePlace)| match place {
            DevicePlace::Named { host, port } => {
                let community = self.devices.get(at).and_then(|device| device.community.clone());
                Some(NamedDevice {
                    host,
                    port,
                    credentials: community.map(|own| Credentials::V2c(own).into()),
                })
            }
            DevicePlace::Address(_) => None,
        };
        placed.filter_map(named).collect()
    }

    /// Where each device is, with its place in the list.
    fn placed_devices(&self) -> Result<Vec<(usize, DevicePlace)>, InvalidConfig> {
        let mut placed: Vec<(usize, DevicePlace)> = Vec::new();
        for (at, device) in self.devices.iter().enumerate() {
            let key = || format!("devices[{at}].address");
            let wrong = |problem: InvalidPlace| InvalidConfig::new(key(), problem);
            let place: DevicePlace = device.address.parse().map_err(wrong)?;
            if placed.iter().any(|(_, other)| *other == place) {
                let problem = format!("{} stands there twice", device.address.trim());
                return Err(InvalidConfig::new(key(), problem));
            }
            placed.push((at, place));
        }
        Ok(placed)
    }

    /// What a search sweeps.
    #[must_use]
    pub fn sweep(&self) -> Sweep {
        let part = |n: &NetworkConfig| Part { span: n.cidr, port: n.port, swept: n.sweep };
        let exclude = self.networks.iter().flat_map(|network| &network.exclude);
        Sweep {
            parts: self.networks.iter().map(part).collect(),
            exclude: exclude.chain(&self.discovery.exclude).copied().collect(),
        }
    }

    /// How a search goes.
    #[must_use]
    pub fn search_pace(&self) -> Pace {
        Pace {
            timeout: Duration::from_millis(self.sensing.timeout_ms.into()),
            retries: self.sensing.retries.min(1),
            concurrency: self.sensing.concurrency,
            packets_per_s: self.discovery.packets_per_s,
        }
    }

    /// How devices are looked at.
    #[must_use]
    pub fn sensing_rules(&self) -> SensingRules {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        SensingRules {
            status: seconds(self.sensing.status_s),
            idle: seconds(self.sensing.idle_s),
            asleep: seconds(self.sensing.asleep_s),
            offline_after: self.sensing.offline_after,
            retries: self.sensing.retries,
            speedup: self.demonstration.speedup,
        }
    }

    /// Whether the device at an address is to be watched: it is named, or a network holds it.
    #[must_use]
    pub fn holds(&self, address: SocketAddr) -> bool {
        self.single_devices().unwrap_or_default().contains(&address)
            || self.networks.iter().any(|n| n.cidr.contains(&address.ip()) && n.port == address.port())
    }

    /// With what devices are asked, in the order in which it is tried.
    ///
    /// # Errors
    /// A credential or the address of a device isn't valid, or a secret can't be read.
    pub fn candidates(&self) -> Result<Candidates, InvalidConfig> {
        let mut gathering = Gathering::default();
        for (at, place) in self.placed_devices()? {
            let community = self.devices.get(at).and_then(|device| device.community.clone());
            if let (Some(address), Some(community)) = (place.address(), community) {
                gathering.device(address, community);
            }
        }
        for network in &self.networks {
            if let Some(community) = &network.community {
                for cidr in network.cidr.networks() {
                    gathering.network(cidr, network.port, community.clone());
                }
            }
        }
        if self.credentials.len() > MAX_CREDENTIALS {
            let problem = format!("{}: expected at most {MAX_CREDENTIALS}", self.credentials.len());
            return Err(InvalidConfig::new("credentials", problem));
        }
        let mut names = BTreeSet::new();
        for (at, credential) in self.credentials.iter().enumerate() {
            if !names.insert(credential.name.as_str()) {
                let problem = format!("{:?} stands there twice", credential.name);
                return Err(InvalidConfig::new(format!("credentials[{at}].name"), problem));
            }
            let wrong = |error| InvalidConfig::new(format!("credentials[{at}]"), chain(&error));
            gathering.listed(credential).map_err(wrong)?;
        }
        Ok(gathering.finish())
    }

    fn time_zone(&self) -> Result<TimeZone, InvalidConfig> {
        let name = self.site.as_ref().and_then(|site| site.time_zone.as_deref());
        name.map_or(Ok(TimeZone::UTC), |name| {
            TimeZone::get(name).map_err(|error| InvalidConfig::new("site.time_zone", error))
        })
    }

    /// What decides about calls.
    #[must_use]
    pub fn call_rules(&self) -> CallRules {
        CallRules {
            near_end_percent: self.sensing.near_end_percent,
            offline_after: self.sensing.offline_after,
        }
    }

    /// What decides about firmware updates.
    #[must_use]
    pub fn update_rules(&self) -> UpdateRules {
        let wait = |wait: Duration, least: Duration| {
            SignedDuration::try_from(self.wait(wait).max(least)).unwrap_or(SignedDuration::MAX)
        };
        UpdateRules {
            restart_limit: wait(Duration::from_secs(900), Duration::from_secs(30)),
            read_back: wait(Duration::from_secs(10), Duration::from_millis(500)),
        }
    }

    /// A wait, divided in a demonstration.
    #[must_use]
    pub fn wait(&self, wait: Duration) -> Duration {
        wait.div_f64(self.demonstration.speedup.max(1.0))
    }

    /// Name of the site.
    #[must_use]
    pub fn site_name(&self) -> Option<&str> {
        self.site.as_ref().and_then(|site| site.name.as_deref())
    }
}

/// An error with what it came from.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Reads and checks a configuration file; `Err` is what a person should read.
///
/// # Errors
/// The file can't be read, parsed or used.
pub fn load(file: &Path) -> Result<(Config, Checked), String> {
    let config: Config = program::config::load(file).map_err(|error| chain(&error))?;
    let checked = config.validate().map_err(|error| format!("{}: {error}", file.display()))?;
    Ok((config, checked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snmp::Credentials;
    use secrecy::ExposeSecret;

    fn config(more: &str) -> Config {
        let yaml = format!(
            "{{gateway: gw-1, data_dir: /d, identity: {{certificate: c, key: k, root: r}}, \
             comm_server: {{url: 'https://c:8443'}}, {more}}}"
        );
        program::config::parse(Path::new("gateway.yaml"), &yaml).unwrap()
    }

    fn refused(more: &str) -> String {
        config(more).validate().unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key() {
        assert!(
            refused("sensing: {status_s: 0}").starts_with("sensing.status_s: 0 is not valid: expected 1")
        );
        assert!(refused("local: {listen: '0.0.0.0:9110'}").contains("expected a loopback address"));
        assert!(refused("networks: [{cidr: 10.0.0.0/8}]").starts_with("networks[0].cidr"));
        assert!(
            refused("devices: [{address: 10.0.0.x9/}]").starts_with("devices[0].address: \"10.0.0.x9/\"")
        );
        assert!(refused("devices: [{address: 10.0.0.1}, {address: '10.0.0.1:161'}]").contains("twice"));
        assert!(refused("demonstration: {speedup: 0.5}").starts_with("demonstration.speedup"));
        assert!(refused("spool: {limit_mib: 1}").starts_with("spool.limit_mib"));
        assert!(refused("credentials: [{name: a}]").starts_with("credentials[0]: community: missing"));
        let twice = "credentials: [{name: a, community: x}, {name: a, community: y}]";
        assert!(refused(twice).starts_with("credentials[1].name: \"a\" stands there twice"));
        assert!(refused("site: {name: x}").starts_with("identity: "), "the files are missing");
    }

    #[test]
    fn a_device_is_asked_with_its_own_community_or_the_narrowest_networks() {
        let config = config(
            "networks: [{cidr: 10.0.0.0/16, community: wide}, {cidr: 10.0.1.0/24, community: narrow}], \
             devices: [{address: 10.0.1.9, community: own}]",
        );
        let candidates = config.candidates().unwrap();
        let community = |address: &str| match &candidates.at(address.parse().unwrap())[0].credentials {
            Credentials::V1(community) | Credentials::V2c(community) => community.expose_secret().to_owned(),
            Credentials::V3(_) => panic!("no user is configured"),
        };
        assert_eq!(community("10.0.1.9:161"), "own");
        assert_eq!(community("10.0.1.8:161"), "narrow");
        assert_eq!(community("10.0.2.8:161"), "wide");
        assert_eq!(community("10.0.2.8:1161"), "public");
        let held = ["10.0.1.9:161", "10.0.2.8:161", "10.0.2.8:1161", "10.1.0.1:161"]
            .map(|address| config.holds(address.parse().unwrap()));
        assert_eq!(held, [true, true, false, false]);
        assert!(!format!("{config:?}").contains("narrow"), "communities are never printed");
    }

    #[test]
    fn a_demonstration_divides_waits() {
        let config = config("demonstration: {speedup: 60}");
        assert_eq!(config.wait(Duration::from_secs(60)), Duration::from_secs(1));
        assert_eq!(config.update_rules().restart_limit, SignedDuration::from_secs(30));
    }
}
