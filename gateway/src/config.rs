//! The configuration file.

mod sections;
mod validate;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::calls::CallRules;
use gateway_core::firmware::UpdateRules;
use gateway_core::search::{Part, Sweep};
use gateway_core::sensing::SensingRules;
use gateway_core::site::SiteRules;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use pki::{IdentityConfig, Tolerance};
use runtime::check::Problem;
use runtime::config::{Paths, Source};
use runtime::identity::LiveIdentity;
use runtime::local::LocalConfig;
use runtime::logging::LogConfig;
use serde::Deserialize;
use wire::ids::GatewayId;

use crate::device_address::{DeviceAddress, InvalidAddress, NamedDevice};
use crate::discovery::{DiscoveryConfig, Pace};
use crate::mail::{MailConfig, Mailer};
use crate::snmp::credentials::CredentialConfig;
use crate::snmp::{Candidates, Credentials};
use crate::staging::{GlobalServerConfig, StagingClient};
use crate::traps::TrapsConfig;

pub use sections::{
    CommServerConfig, DemonstrationConfig, DeviceConfig, NetworkConfig, SensingConfig, SiteConfig,
    SpoolConfig,
};

/// The configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The gateway's id; the one in its certificate must be the same.
    pub gateway: GatewayId,
    /// The gateway's data directory.
    pub data_dir: PathBuf,
    /// Certificate, key, root.
    pub identity: IdentityConfig,
    /// Tolerances of the verifier of peers.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// The communication server.
    pub comm_server: CommServerConfig,
    /// The global server, for firmware.
    #[serde(default)]
    pub global_server: Option<GlobalServerConfig>,
    /// The local port: `/healthz`, `/metrics`, `/status` and the page.
    #[serde(default = "sections::local")]
    pub local: LocalConfig,
    /// The site.
    #[serde(default)]
    pub site: Option<SiteConfig>,
    /// Networks to search.
    #[serde(default)]
    pub networks: Vec<NetworkConfig>,
    /// Devices that are configured by address or name.
    #[serde(default)]
    pub devices: Vec<DeviceConfig>,
    /// Credentials, in the order in which they are tried.
    #[serde(default)]
    pub credentials: Vec<CredentialConfig>,
    /// The port for traps; none if absent.
    #[serde(default)]
    pub traps: Option<TrapsConfig>,
    /// How networks are searched.
    #[serde(default)]
    pub discovery: DiscoveryConfig,
    /// How devices are read.
    #[serde(default)]
    pub sensing: SensingConfig,
    /// The spool.
    #[serde(default)]
    pub spool: SpoolConfig,
    /// Mail about calls.
    #[serde(default)]
    pub mail: Option<MailConfig>,
    /// Shortened intervals, for demonstrations.
    #[serde(default)]
    pub demonstration: DemonstrationConfig,
    /// The log.
    #[serde(default)]
    pub log: LogConfig,
}

/// A value that can be parsed but is invalid.
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

/// What was created from a configuration while it was validated.
#[derive(Debug)]
pub struct Checked {
    /// The gateway's identity.
    pub identity: Arc<LiveIdentity>,
    /// The mailer, if mail is configured.
    pub mailer: Option<Mailer>,
    /// The client of the global server, if one is configured.
    pub staging: Option<StagingClient>,
    /// The site's time zone; UTC if none is configured.
    pub time_zone: TimeZone,
    /// The credentials.
    pub credentials: Candidates,
}

impl Config {
    /// The devices that are configured by their address.
    ///
    /// # Errors
    /// An address is invalid, or occurs twice.
    pub fn single_devices(&self) -> Result<Vec<SocketAddr>, InvalidConfig> {
        let placed = self.placed_devices()?.into_iter();
        Ok(placed.filter_map(|(_, place)| place.address()).collect())
    }

    /// The devices that are configured by a DNS name.
    #[must_use]
    pub(crate) fn named_devices(&self) -> Vec<NamedDevice> {
        let placed = self.placed_devices().unwrap_or_default().into_iter();
        let named = |(at, place): (usize, DeviceAddress)| match place {
            DeviceAddress::Named { host, port } => {
                let community = self.devices.get(at).and_then(|device| device.community.clone());
                Some(NamedDevice {
                    host,
                    port,
                    credentials: community.map(|own| Credentials::V2c(own).into()),
                })
            }
            DeviceAddress::Address(_) => None,
        };
        placed.filter_map(named).collect()
    }

    /// The address of each configured device, with its position in the list.
    fn placed_devices(&self) -> Result<Vec<(usize, DeviceAddress)>, InvalidConfig> {
        let mut placed: Vec<(usize, DeviceAddress)> = Vec::new();
        for (at, device) in self.devices.iter().enumerate() {
            let key = || format!("devices[{at}].address");
            let wrong = |problem: InvalidAddress| InvalidConfig::new(key(), problem);
            let place: DeviceAddress = device.address.parse().map_err(wrong)?;
            if placed.iter().any(|(_, other)| *other == place) {
                let problem = format!("{} occurs twice", device.address.trim());
                return Err(InvalidConfig::new(key(), problem));
            }
            placed.push((at, place));
        }
        Ok(placed)
    }

    /// The sweep of a search.
    #[must_use]
    pub fn sweep(&self) -> Sweep {
        let part = |n: &NetworkConfig| Part { span: n.cidr, port: n.port, swept: n.sweep };
        let exclude = self.networks.iter().flat_map(|network| &network.exclude);
        Sweep {
            parts: self.networks.iter().map(part).collect(),
            exclude: exclude.chain(&self.discovery.exclude).copied().collect(),
        }
    }

    #[must_use]
    pub(crate) fn search_pace(&self) -> Pace {
        Pace {
            timeout: Duration::from_millis(self.sensing.timeout_ms.into()),
            retries: self.sensing.retries.min(1),
            concurrency: self.sensing.concurrency,
            packets_per_s: self.discovery.packets_per_s,
        }
    }

    /// The rules of the site; `mails` is whether calls are mailed.
    #[must_use]
    pub(crate) fn site_rules(&self, zone: TimeZone, mails: bool) -> SiteRules {
        SiteRules {
            sensing: self.sensing_rules(),
            calls: self.call_rules(),
            updates: self.update_rules(),
            concurrency: self.sensing.concurrency,
            discovery: Duration::from_secs(self.sensing.discovery_s.into()),
            reading: Duration::from_secs(self.sensing.reading_s.into()),
            windows: self.discovery.windows.clone(),
            zone,
            sweep: self.sweep(),
            single_devices: self.single_devices().unwrap_or_default(),
            mails,
        }
    }

    /// The intervals at which devices are read.
    #[must_use]
    pub(crate) fn sensing_rules(&self) -> SensingRules {
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

    /// The thresholds of calls.
    #[must_use]
    pub(crate) fn call_rules(&self) -> CallRules {
        CallRules {
            near_end_percent: self.sensing.near_end_percent,
            offline_after: self.sensing.offline_after,
        }
    }

    /// The times of firmware updates.
    #[must_use]
    pub(crate) fn update_rules(&self) -> UpdateRules {
        let wait = |wait: Duration, least: Duration| {
            SignedDuration::try_from(self.wait(wait).max(least)).unwrap_or(SignedDuration::MAX)
        };
        UpdateRules {
            restart_limit: wait(Duration::from_secs(900), Duration::from_secs(30)),
            read_back: wait(Duration::from_secs(10), Duration::from_millis(500)),
            push_pause: wait(Duration::from_secs(15), Duration::from_millis(500)),
            report_pause: wait(Duration::from_secs(60), Duration::from_secs(1)),
        }
    }

    /// An interval, divided by the speed-up of a demonstration.
    #[must_use]
    pub(crate) fn wait(&self, wait: Duration) -> Duration {
        wait.div_f64(self.demonstration.speedup.max(1.0))
    }

    #[must_use]
    pub(crate) fn site_name(&self) -> Option<&str> {
        self.site.as_ref().and_then(|site| site.name.as_deref())
    }
}

impl Paths for Config {
    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut paths = vec![&mut self.data_dir];
        paths.extend(self.identity.paths());
        paths.extend(self.global_server.as_mut().map(|server| &mut server.root));
        for credential in &mut self.credentials {
            paths.extend(&mut credential.community_file);
            paths.extend(credential.auth.as_mut().and_then(|auth| auth.password_file.as_mut()));
            paths.extend(credential.privacy.as_mut().and_then(|privacy| privacy.password_file.as_mut()));
        }
        if let Some(mail) = &mut self.mail {
            paths.extend(&mut mail.password_file);
            paths.extend(&mut mail.ca_file);
        }
        paths
    }
}

/// Loads a configuration file, and creates what `run` needs of it.
///
/// # Errors
/// The file can't be read or parsed, or has invalid values: all of them.
pub(crate) fn load(file: &Path) -> Result<(Config, Checked), Vec<Problem>> {
    let (source, config) = read(file)?;
    let checked = config.validate(file).map_err(|wrong| problems(&source, wrong))?;
    Ok((config, checked))
}

/// As [`load`], but also validates the files that are read later.
///
/// # Errors
/// As [`load`].
pub(crate) fn check(file: &Path) -> Result<(Config, Checked), Vec<Problem>> {
    let (source, config) = read(file)?;
    let (validated, later) = (config.validate(file), config.check_files_read_later());
    match validated {
        Ok(checked) if later.is_empty() => Ok((config, checked)),
        Ok(_) => Err(problems(&source, later)),
        Err(wrong) => Err(problems(&source, wrong.into_iter().chain(later).collect())),
    }
}

fn read(file: &Path) -> Result<(Source, Config), Vec<Problem>> {
    let read = Source::read(file).and_then(|source| Ok((source.parse()?, source)));
    read.map(|(config, source)| (source, config)).map_err(|error| vec![error.problem()])
}

fn problems(source: &Source, wrong: Vec<InvalidConfig>) -> Vec<Problem> {
    wrong.into_iter().map(|wrong| source.problem(&wrong.key, wrong.problem)).collect()
}

#[cfg(test)]
mod tests;
