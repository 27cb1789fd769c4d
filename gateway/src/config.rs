//! The configuration file.

mod sections;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::calls::CallRules;
use gateway_core::firmware::UpdateRules;
use gateway_core::search::{Part, Sweep};
use gateway_core::sensing::SensingRules;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use pki::spiffe::Party;
use pki::{IdentityConfig, Tolerance};
use program::error::chain;
use program::identity::LiveIdentity;
use program::logging::LogConfig;
use serde::Deserialize;
use wire::ids::GatewayId;

use crate::device_place::{DevicePlace, InvalidPlace, NamedDevice};
use crate::discovery::{DiscoveryConfig, Pace};
use crate::mail::{MailConfig, Mailer};
use crate::snmp::credentials::{CredentialConfig, Gathering};
use crate::snmp::{Candidates, Credentials};
use crate::staging::{GlobalServerConfig, StagingClient};
use crate::traps::TrapsConfig;

pub use sections::{
    CommServerConfig, DemonstrationConfig, DeviceConfig, LocalConfig, NetworkConfig, SensingConfig,
    SiteConfig, SpoolConfig,
};

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
        crate::servers::check_url(&self.comm_server.url)
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
mod tests;
