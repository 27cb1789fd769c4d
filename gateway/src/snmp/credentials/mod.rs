//! Credentials: communities and SNMPv3 users, in the order in which they are tried.

mod config;
mod protocols;
mod secret;
mod usm;

use std::net::SocketAddr;
use std::sync::Arc;

use gateway_core::access::Version;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

pub use config::{CredentialConfig, CredentialError, PasswordConfig};
pub use protocols::{AuthProtocol, Level, PrivProtocol};
pub use secret::SecretError;
pub use usm::{Passwords, UsmCredentials, UsmError};

/// One credential.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// SNMP v1 with a community.
    V1(SecretString),
    /// SNMP v2c with a community.
    V2c(SecretString),
    /// SNMP v3 as a user.
    V3(Arc<UsmCredentials>),
}

impl Credentials {
    /// The version of SNMP.
    #[must_use]
    pub const fn version(&self) -> Version {
        match self {
            Self::V1(_) => Version::V1,
            Self::V2c(_) => Version::V2c,
            Self::V3(_) => Version::V3,
        }
    }

    /// Weaknesses for a warning, if any. That communities are sent in clear text is in the documentation, not in a
    /// warning at each start.
    #[must_use]
    pub(crate) fn weakness(&self) -> Option<String> {
        match self {
            Self::V1(_) | Self::V2c(_) => None,
            Self::V3(user) => user.weakness(),
        }
    }
}

/// A community with an SNMP context: `community@context`, the convention of print servers.
pub(super) fn within(community: &SecretString, context: Option<&str>) -> SecretString {
    match context {
        Some(context) => format!("{}@{context}", community.expose_secret()).into(),
        None => community.clone(),
    }
}

/// Where a credential is used.
#[derive(Debug, Clone)]
enum Range {
    Everywhere,
    /// For this device only.
    Device(SocketAddr),
    /// In a network, for this port.
    Network(IpNet, u16),
    /// In these networks, for any port.
    Networks(Vec<IpNet>),
    /// For addresses without another credential.
    Elsewhere,
}

/// A credential, and where it is used.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The name in logs and in the spool; never a secret.
    pub name: Arc<str>,
    /// The credential.
    pub credentials: Credentials,
    /// The SNMP context.
    pub context: Option<Arc<str>>,
    range: Range,
}

impl Candidate {
    fn fits(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        match &self.range {
            Range::Everywhere => true,
            Range::Device(own) => *own == address,
            Range::Network(cidr, port) => cidr.contains(&ip) && *port == address.port(),
            Range::Networks(cidrs) => cidrs.iter().any(|cidr| cidr.contains(&ip)),
            Range::Elsewhere => false,
        }
    }
}

/// All credentials, in the order in which they are tried; cheap to clone.
#[derive(Debug, Clone)]
pub struct Candidates(Arc<[Candidate]>);

impl Candidates {
    /// The candidates for an address, in order.
    #[must_use]
    pub(crate) fn at(&self, address: SocketAddr) -> Vec<&Candidate> {
        let fitting: Vec<&Candidate> = self.0.iter().filter(|candidate| candidate.fits(address)).collect();
        if !fitting.is_empty() {
            return fitting;
        }
        self.0.iter().filter(|candidate| matches!(candidate.range, Range::Elsewhere)).collect()
    }

    /// All candidates.
    pub fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.0.iter()
    }

    /// One credential for every address, optionally with an SNMP context.
    #[must_use]
    pub fn one(credentials: Credentials, context: Option<&str>) -> Self {
        let (name, context) = (Arc::from("given"), context.map(Arc::from));
        Self(Arc::new([Candidate { name, credentials, context, range: Range::Everywhere }]))
    }

    /// The weaknesses of all credentials.
    #[must_use]
    pub(crate) fn weaknesses(&self) -> Vec<String> {
        let one = |candidate: &Candidate| {
            Some(format!("credentials {:?}: {}", candidate.name, candidate.credentials.weakness()?))
        };
        self.0.iter().filter_map(one).collect()
    }
}

impl From<Credentials> for Candidates {
    fn from(credentials: Credentials) -> Self {
        Self::one(credentials, None)
    }
}

/// Collects the credentials of a configuration: the short forms of devices and networks, then the list.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    devices: Vec<Candidate>,
    networks: Vec<Candidate>,
    list: Vec<Candidate>,
}

impl Gathering {
    /// Adds a device with its own community.
    pub(crate) fn device(&mut self, address: SocketAddr, community: SecretString) {
        let name = format!("community of {address}");
        self.devices.push(short(name, community, Range::Device(address)));
    }

    /// Adds a network with its own community.
    pub(crate) fn network(&mut self, cidr: IpNet, port: u16, community: SecretString) {
        let name = format!("community of {cidr} port {port}");
        self.networks.push(short(name, community, Range::Network(cidr, port)));
    }

    /// Adds the next entry of the list.
    ///
    /// # Errors
    /// It is incomplete, or a secret can't be read.
    pub(crate) fn listed(&mut self, config: &CredentialConfig) -> Result<(), CredentialError> {
        self.list.extend(config.candidates()?);
        Ok(())
    }

    /// The candidates in the order in which they are tried: those of a device, of the narrowest network, and of the
    /// list; `public` for addresses without any.
    #[must_use]
    pub(crate) fn finish(mut self) -> Candidates {
        self.networks.sort_by_key(|candidate| match &candidate.range {
            Range::Network(cidr, _) => std::cmp::Reverse(cidr.prefix_len()),
            Range::Everywhere | Range::Device(_) | Range::Networks(_) | Range::Elsewhere => {
                std::cmp::Reverse(0)
            }
        });
        let public = short("public".to_owned(), SecretString::from("public"), Range::Elsewhere);
        let all = self.devices.into_iter().chain(self.networks).chain(self.list);
        Candidates(all.chain([public]).collect())
    }
}

fn short(name: String, community: SecretString, range: Range) -> Candidate {
    Candidate { name: name.into(), credentials: Credentials::V2c(community), context: None, range }
}

#[cfg(test)]
mod tests;
