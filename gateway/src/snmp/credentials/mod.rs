//! With what devices are asked: communities and SNMPv3 users, in the order in which they are tried.

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

/// With what a device is asked.
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

    /// What is weak about them, if anything is, for a warning. Communities are readable by all on the way; that is said
    /// in the documentation, not at each start.
    #[must_use]
    pub fn weakness(&self) -> Option<String> {
        match self {
            Self::V1(_) | Self::V2c(_) => None,
            Self::V3(user) => user.weakness(),
        }
    }
}

/// A community in an SNMP context: `community@context`, as print servers have it.
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
    /// At this device only.
    Device(SocketAddr),
    /// In a network, on this port.
    Network(IpNet, u16),
    /// In networks, on any port.
    Networks(Vec<IpNet>),
    /// Where no other credential is.
    Elsewhere,
}

/// A credential, and where it is tried.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// How it is called in logs and in the spool; never a secret.
    pub name: Arc<str>,
    /// The credential.
    pub credentials: Credentials,
    /// SNMP context that is asked.
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
    /// The candidates for an address, in the order in which they are tried.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Vec<&Candidate> {
        let fitting: Vec<&Candidate> = self.0.iter().filter(|candidate| candidate.fits(address)).collect();
        if !fitting.is_empty() {
            return fitting;
        }
        self.0.iter().filter(|candidate| matches!(candidate.range, Range::Elsewhere)).collect()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.0.iter()
    }

    /// One credential for every address, in an SNMP context where one is given.
    #[must_use]
    pub fn one(credentials: Credentials, context: Option<&str>) -> Self {
        let (name, context) = (Arc::from("given"), context.map(Arc::from));
        Self(Arc::new([Candidate { name, credentials, context, range: Range::Everywhere }]))
    }

    /// What is weak about which of them.
    #[must_use]
    pub fn weaknesses(&self) -> Vec<String> {
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

/// Gathers the credentials of a configuration: the short forms of devices and networks, then the list.
#[derive(Debug, Default)]
pub struct Gathering {
    devices: Vec<Candidate>,
    networks: Vec<Candidate>,
    list: Vec<Candidate>,
}

impl Gathering {
    /// A device with a community of its own.
    pub fn device(&mut self, address: SocketAddr, community: SecretString) {
        let name = format!("community of {address}");
        self.devices.push(short(name, community, Range::Device(address)));
    }

    /// A network with a community of its own.
    pub fn network(&mut self, cidr: IpNet, port: u16, community: SecretString) {
        let name = format!("community of {cidr} port {port}");
        self.networks.push(short(name, community, Range::Network(cidr, port)));
    }

    /// The next of the list.
    ///
    /// # Errors
    /// It is incomplete, or a secret can't be read.
    pub fn listed(&mut self, config: &CredentialConfig) -> Result<(), CredentialError> {
        self.list.extend(config.candidates()?);
        Ok(())
    }

    /// In the order in which they are tried: what is said of one device, of the narrowest network, the list; and
    /// `public` where nothing else is said.
    #[must_use]
    pub fn finish(mut self) -> Candidates {
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
