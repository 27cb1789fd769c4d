//! Validates what the parser can't: files, names, ranges. Reports all problems at once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pki::spiffe::Party;
use reqwest::Url;
use runtime::check::Fault;
use runtime::error::chain;
use runtime::identity::LiveIdentity;
use wire::similar::closest;

use super::{Checked, Config, InvalidConfig};
use crate::mail::{MailError, Mailer};
use crate::snmp::Candidates;
use crate::snmp::credentials::Gathering;
use crate::staging::StagingClient;

/// Maximum number of addresses of all networks together.
const MAX_ADDRESSES: u128 = gateway_core::search::ADDRESSES;

/// Maximum number of credentials in the list.
const MAX_CREDENTIALS: usize = 16;

/// The problems found so far.
#[derive(Default)]
struct Wrong(Vec<InvalidConfig>);

impl Wrong {
    fn push(&mut self, key: impl Into<String>, problem: impl std::fmt::Display) {
        self.0.push(InvalidConfig::new(key, problem));
    }

    fn keep<T>(&mut self, found: Result<T, Vec<InvalidConfig>>) -> Option<T> {
        found.map_err(|wrong| self.0.extend(wrong)).ok()
    }

    fn keep_one<T>(&mut self, found: Result<T, InvalidConfig>) -> Option<T> {
        found.map_err(|wrong| self.0.push(wrong)).ok()
    }
}

impl Config {
    /// Validates what the parser can't: files, names, ranges. `file` is the configuration file.
    ///
    /// # Errors
    /// All problems, each with its key.
    pub(crate) fn validate(&self, file: &Path) -> Result<Checked, Vec<InvalidConfig>> {
        let mut wrong = Wrong::default();
        self.check_ranges(&mut wrong);
        self.check_networks(&mut wrong);
        let credentials = wrong.keep(self.candidates());
        let identity = wrong.keep(self.own_identity(file));
        if let Err(problem) = crate::https_client::check_url(&self.comm_server.url) {
            wrong.push("comm_server.url", problem);
        }
        let staging = identity.as_ref().and_then(|identity| wrong.keep_one(self.staging(identity)));
        let mailer = wrong.keep_one(self.mail.as_ref().map(Mailer::new).transpose().map_err(of_mail));
        let time_zone = wrong.keep_one(self.time_zone());
        match (credentials, identity, staging, mailer, time_zone) {
            (Some(credentials), Some(identity), Some(staging), Some(mailer), Some(time_zone))
                if wrong.0.is_empty() =>
            {
                Ok(Checked { identity, mailer, staging, time_zone, credentials })
            }
            _ => Err(wrong.0),
        }
    }

    /// Validates the files that a running gateway reads only when they are needed.
    pub(super) fn check_files_read_later(&self) -> Vec<InvalidConfig> {
        let mut wrong = Wrong::default();
        if let Some(global) = &self.global_server
            && let Err(problem) = trusted_root(&global.root)
        {
            wrong.push("global_server.root", problem);
        }
        wrong.0
    }

    fn own_identity(&self, file: &Path) -> Result<Arc<LiveIdentity>, Vec<InvalidConfig>> {
        let all = |faults: Vec<Fault>| {
            faults.into_iter().map(|(key, problem)| InvalidConfig::new(key, problem)).collect::<Vec<_>>()
        };
        let enroll = format!(
            "enroll first, with a token of the service company: platen-gateway --config {} enroll --server \
             https://{}:8445 --token-file FILE",
            file.display(),
            host(&self.comm_server.url)
        );
        let own = runtime::check::identity(&self.identity, self.tolerance, &enroll).map_err(all)?;
        if own.id().party != Party::Gateway(self.gateway.to_string()) {
            let problem = format!("is {}, but the certificate is for {}", self.gateway, own.id());
            return Err(vec![InvalidConfig::new("gateway", problem)]);
        }
        LiveIdentity::load(&self.identity, self.tolerance)
            .map_err(|error| vec![InvalidConfig::new("identity", chain(&error))])
    }

    fn staging(&self, identity: &Arc<LiveIdentity>) -> Result<Option<StagingClient>, InvalidConfig> {
        let proxy = self.comm_server.proxy.as_deref();
        let client = |config| StagingClient::new(config, Arc::clone(identity), proxy);
        let client = self.global_server.as_ref().map(client).transpose();
        client.map_err(|error| InvalidConfig::new("global_server", chain(&error)))
    }

    fn check_ranges(&self, wrong: &mut Wrong) {
        let sensing = &self.sensing;
        for (key, value, low, high) in [
            ("sensing.status_s", sensing.status_s.into(), 1, 86_400),
            ("sensing.idle_s", sensing.idle_s.into(), 1, 86_400),
            ("sensing.asleep_s", sensing.asleep_s.into(), 1, 86_400),
            ("discovery.packets_per_s", self.discovery.packets_per_s.into(), 1, 100_000),
            ("sensing.reading_s", sensing.reading_s.into(), 10, 7 * 86_400),
            ("sensing.discovery_s", sensing.discovery_s.into(), 10, 30 * 86_400),
            ("sensing.timeout_ms", sensing.timeout_ms.into(), 50, 60_000),
            ("sensing.retries", sensing.retries.into(), 0, 10),
            ("sensing.offline_after", sensing.offline_after.into(), 1, 100),
            ("sensing.concurrency", u64::try_from(sensing.concurrency).unwrap_or(u64::MAX), 1, 4096),
            ("spool.limit_mib", self.spool.limit_mib, 16, 1 << 20),
        ] {
            if !(low..=high).contains(&value) {
                wrong.push(key, format!("{value} is not valid: expected {low} to {high}"));
            }
        }
        if !(0.0..=100.0).contains(&sensing.near_end_percent) {
            wrong.push("sensing.near_end_percent", "expected 0 to 100");
        }
        if !(1.0..=10_000.0).contains(&self.demonstration.speedup) {
            wrong.push("demonstration.speedup", "expected 1 to 10000");
        }
        if !self.local.listen.ip().is_loopback() {
            let problem = format!("{} is not valid: expected a loopback address", self.local.listen);
            wrong.push("local.listen", problem);
        }
    }

    fn check_networks(&self, wrong: &mut Wrong) {
        let mut addresses = 0_u128;
        for (at, network) in self.networks.iter().enumerate() {
            let here = if network.sweep { network.cidr.size() } else { 0 };
            let before = addresses;
            addresses = addresses.saturating_add(here);
            if before <= MAX_ADDRESSES && addresses > MAX_ADDRESSES {
                let problem = format!(
                    "with {} there are more than {MAX_ADDRESSES} addresses in all networks",
                    network.cidr
                );
                wrong.push(format!("networks[{at}].cidr"), problem);
            }
            if network.port == 0 {
                wrong.push(format!("networks[{at}].port"), "expected 1 to 65535");
            }
        }
    }

    /// The credentials in the order in which they are tried.
    ///
    /// # Errors
    /// Invalid credentials or addresses of devices, or secrets that can't be read.
    pub fn candidates(&self) -> Result<Candidates, Vec<InvalidConfig>> {
        let mut gathering = Gathering::default();
        let mut wrong = Wrong::default();
        for (at, place) in wrong.keep_one(self.placed_devices()).unwrap_or_default() {
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
            wrong.push(
                "credentials",
                format!("{}: expected at most {MAX_CREDENTIALS}", self.credentials.len()),
            );
        }
        let mut names = BTreeSet::new();
        for (at, credential) in self.credentials.iter().enumerate().take(MAX_CREDENTIALS) {
            if !names.insert(credential.name.as_str()) {
                let problem = format!("{:?} occurs twice", credential.name);
                wrong.push(format!("credentials[{at}].name"), problem);
            }
            if let Err(error) = gathering.listed(credential) {
                wrong.push(format!("credentials[{at}]"), chain(&error));
            }
        }
        if wrong.0.is_empty() { Ok(gathering.finish()) } else { Err(wrong.0) }
    }

    fn time_zone(&self) -> Result<TimeZone, InvalidConfig> {
        let name = self.site.as_ref().and_then(|site| site.time_zone.as_deref());
        name.map_or(Ok(TimeZone::UTC), |name| {
            TimeZone::get(name).map_err(|_| InvalidConfig::new("site.time_zone", unknown_zone(name)))
        })
    }
}

fn unknown_zone(name: &str) -> String {
    let known: Vec<_> = jiff::tz::db().available().map(|zone| zone.as_str().to_owned()).collect();
    let meant = closest(name, known.iter().map(String::as_str));
    let meant = meant.map(|meant| format!(", did you mean {meant}?")).unwrap_or_default();
    format!("{name:?} is not a time zone: expected a name of the tz database, like Europe/Berlin{meant}")
}

fn of_mail(error: MailError) -> InvalidConfig {
    let key = match &error {
        MailError::Config { key, .. } | MailError::File { key, .. } => format!("mail.{key}"),
        MailError::Tls(_) | MailError::Letter(_) | MailError::Delivery { .. } | MailError::Timeout { .. } => {
            "mail".to_owned()
        }
    };
    let text = chain(&error);
    let problem = text.strip_prefix(&format!("{key}: ")).unwrap_or(&text);
    InvalidConfig::new(key, problem)
}

/// Why the root metadata in a file can't be trusted.
fn trusted_root(path: &Path) -> Result<(), String> {
    let bring = "bring metadata/root.json of the firmware repository here";
    let read = crate::repository::read(path, tuf::limits::ROOT_BYTES);
    let file = read.map_err(|error| format!("{}: {error}: {bring}", path.display()))?;
    let file = file.ok_or_else(|| format!("{}: no such file: {bring}", path.display()))?;
    // It may have expired: newer roots are followed from it.
    let trusted = tuf::TrustedSet::from_anchor(&file, Timestamp::now());
    trusted.map(drop).map_err(|refusal| format!("{}: {refusal}: {bring}", path.display()))
}

/// Host of a URL, for the advice on enrollment.
fn host(url: &str) -> String {
    let url = Url::parse(url).ok();
    url.and_then(|url| url.host_str().map(ToOwned::to_owned)).unwrap_or_else(|| "HOST".to_owned())
}
