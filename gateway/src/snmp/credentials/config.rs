//! One of `credentials` in the configuration.

use std::path::PathBuf;
use std::sync::Arc;

use gateway_core::access::Version;
use ipnet::IpNet;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::protocols::{AuthProtocol, Level, PrivProtocol};
use super::secret::{self, SecretError};
use super::usm::{Passwords, UsmCredentials, UsmError};
use super::{Candidate, Credentials, Range};

/// Maximum length of an SNMP context name, octets.
const CONTEXT_OCTETS: usize = 32;

/// One of `credentials`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialConfig {
    /// The name in logs and in the spool; unique.
    pub name: String,
    /// The networks in which it is used; all if absent.
    #[serde(default, rename = "for")]
    pub ranges: Vec<IpNet>,
    /// `1`, `2c` or `3`. A community without a version is tried as 2c, then as 1.
    #[serde(default, deserialize_with = "version")]
    pub version: Option<Version>,
    /// The community.
    #[serde(default, deserialize_with = "community")]
    pub community: Option<SecretString>,
    /// The file with the community.
    #[serde(default)]
    pub community_file: Option<PathBuf>,
    /// SNMPv3 user.
    #[serde(default)]
    pub user: Option<String>,
    /// The SNMPv3 level; derived from `auth` and `priv` if absent.
    #[serde(default)]
    pub level: Option<Level>,
    /// SNMPv3 authentication.
    #[serde(default)]
    pub auth: Option<PasswordConfig<AuthProtocol>>,
    /// SNMPv3 privacy.
    #[serde(default, rename = "priv")]
    pub privacy: Option<PasswordConfig<PrivProtocol>>,
    /// Whether the insecure DES is permitted.
    #[serde(default)]
    pub allow_des: bool,
    /// SNMP context.
    #[serde(default)]
    pub context: Option<String>,
}

/// A protocol and the source of its password.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordConfig<P> {
    /// The protocol.
    pub protocol: P,
    /// The file with the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The environment variable with the password.
    #[serde(default)]
    pub password_env: Option<String>,
}

/// Why a credential is invalid.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A key is missing, or must not be there.
    #[error("{key}: {expected}")]
    Shape {
        /// The key.
        key: &'static str,
        /// The expected value.
        expected: &'static str,
    },
    /// A secret can't be read.
    #[error("{key}")]
    Secret {
        /// The key.
        key: &'static str,
        /// The cause.
        #[source]
        source: SecretError,
    },
    /// The user is invalid.
    #[error("user")]
    User(#[from] UsmError),
}

const fn shape(key: &'static str, expected: &'static str) -> CredentialError {
    CredentialError::Shape { key, expected }
}

impl CredentialConfig {
    /// The candidates in the order in which they are tried.
    pub(super) fn candidates(&self) -> Result<Vec<Candidate>, CredentialError> {
        if !(1..=64).contains(&self.name.len()) {
            return Err(shape("name", "expected 1 to 64 octets"));
        }
        if self.context.as_ref().is_some_and(|context| context.len() > CONTEXT_OCTETS) {
            return Err(shape("context", "expected at most 32 octets"));
        }
        let candidate = |credentials| Candidate {
            name: Arc::from(self.name.as_str()),
            credentials,
            context: self.context.as_deref().filter(|context| !context.is_empty()).map(Arc::from),
            range: if self.ranges.is_empty() {
                Range::Everywhere
            } else {
                Range::Networks(self.ranges.clone())
            },
        };
        Ok(self.credentials()?.into_iter().map(candidate).collect())
    }

    fn credentials(&self) -> Result<Vec<Credentials>, CredentialError> {
        match (self.version, &self.user) {
            (Some(Version::V3) | None, Some(user)) => Ok(vec![Credentials::V3(Arc::new(self.usm(user)?))]),
            (Some(Version::V3), None) => Err(shape("user", "missing: version 3 needs one")),
            (Some(Version::V1 | Version::V2c), Some(_)) => Err(shape("user", "only version 3 has users")),
            (version, None) => {
                if self.level.is_some() || self.auth.is_some() || self.privacy.is_some() {
                    return Err(shape("user", "missing: level, auth and priv need one"));
                }
                let community = self.community()?;
                Ok(match version {
                    Some(Version::V1) => vec![Credentials::V1(community)],
                    Some(Version::V2c | Version::V3) => vec![Credentials::V2c(community)],
                    None => vec![Credentials::V2c(community.clone()), Credentials::V1(community)],
                })
            }
        }
    }

    fn community(&self) -> Result<SecretString, CredentialError> {
        match (&self.community, &self.community_file) {
            (Some(community), None) => Ok(community.clone()),
            (None, Some(file)) => secret::of_file(file)
                .map_err(|source| CredentialError::Secret { key: "community_file", source }),
            (None, None) => Err(shape("community", "missing: expected community, community_file or user")),
            (Some(_), Some(_)) => Err(shape("community", "expected it or community_file, not both")),
        }
    }

    fn usm(&self, user: &str) -> Result<UsmCredentials, CredentialError> {
        if self.community.is_some() || self.community_file.is_some() {
            return Err(shape("community", "a user has none"));
        }
        let auth = self.auth.as_ref().map(|auth| auth.secret("auth"));
        let privacy = self.privacy.as_ref().map(|privacy| privacy.secret("priv"));
        let passwords =
            Passwords { auth: auth.transpose()?, privacy: privacy.transpose()?, allow_des: self.allow_des };
        let level = self.level.unwrap_or_else(|| passwords.level());
        Ok(UsmCredentials::new(user, level, &passwords)?)
    }
}

impl Passwords {
    /// The level that results from the passwords.
    #[must_use]
    pub(crate) const fn level(&self) -> Level {
        match (&self.auth, &self.privacy) {
            (None, None) => Level::NoAuthNoPriv,
            (Some(_), None) => Level::AuthNoPriv,
            (_, Some(_)) => Level::AuthPriv,
        }
    }
}

impl<P: Copy> PasswordConfig<P> {
    /// The protocol and its password.
    pub(crate) fn secret(&self, key: &'static str) -> Result<(P, SecretString), CredentialError> {
        let password = match (&self.password_file, &self.password_env) {
            (Some(file), None) => secret::of_file(file),
            (None, Some(name)) => secret::of_environment(name),
            (None, None) | (Some(_), Some(_)) => {
                return Err(shape(key, "expected password_file or password_env"));
            }
        };
        let password = password.map_err(|source| CredentialError::Secret { key, source })?;
        Ok((self.protocol, password))
    }
}

fn community<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|community| community.map(SecretString::from))
}

/// YAML parses `1` and `3` as numbers.
fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Version>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u8),
        Text(String),
    }
    let version = match Option::<Written>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Written::Number(number)) => number.to_string(),
        Some(Written::Text(text)) => text,
    };
    match version.as_str() {
        "1" => Ok(Some(Version::V1)),
        "2c" => Ok(Some(Version::V2c)),
        "3" => Ok(Some(Version::V3)),
        other => Err(serde::de::Error::custom(format!("{other:?} is not a version: expected 1, 2c or 3"))),
    }
}
