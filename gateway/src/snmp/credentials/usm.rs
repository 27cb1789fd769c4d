//! A user of SNMPv3 (User-based Security Model, RFC 3414). Passwords are converted to keys at once and not kept.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use snmp::{CryptoError, MasterKeys, UsmConfig, UsmUser};

use super::protocols::{AuthProtocol, Level, PrivProtocol};

/// Passwords and their protocols.
#[derive(Debug, Clone, Default)]
pub struct Passwords {
    /// Authentication.
    pub auth: Option<(AuthProtocol, SecretString)>,
    /// Privacy.
    pub privacy: Option<(PrivProtocol, SecretString)>,
    /// Whether the insecure DES is permitted.
    pub allow_des: bool,
}

/// Why a user is invalid.
#[derive(Debug, thiserror::Error)]
pub enum UsmError {
    /// The name is empty or too long; its length in octets.
    #[error("the user name has {0} octets, expected 1 to 32")]
    Name(usize),
    /// The level requires something that is absent, or doesn't permit something that is there.
    #[error("{level} {expected}")]
    Level {
        /// The level.
        level: Level,
        /// The expected value.
        expected: &'static str,
    },
    /// DES without `allow_des`.
    #[error("DES can be broken within a day: expected aes128, aes192 or aes256, or allow_des in addition")]
    Des,
    /// A password is too short, or no key can be derived from it.
    #[error("{what}: {problem}")]
    Password {
        /// The protocol.
        what: &'static str,
        /// The cause.
        problem: CryptoError,
    },
}

/// A user of SNMPv3.
#[derive(Clone)]
pub struct UsmCredentials {
    user: String,
    level: Level,
    keys: Option<MasterKeys>,
    auth: Option<AuthProtocol>,
    privacy: Option<PrivProtocol>,
}

impl fmt::Debug for UsmCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsmCredentials")
            .field("user", &self.user)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl UsmCredentials {
    /// Derives the keys, which takes some milliseconds per password.
    ///
    /// # Errors
    /// The name, the passwords or the algorithms don't fit the level, or DES isn't permitted.
    pub fn new(user: &str, level: Level, passwords: &Passwords) -> Result<Self, UsmError> {
        if !(1..=32).contains(&user.len()) {
            return Err(UsmError::Name(user.len()));
        }
        let wrong = |expected| Err(UsmError::Level { level, expected });
        let (auth, privacy) = match (level, &passwords.auth, &passwords.privacy) {
            (Level::NoAuthNoPriv, None, None) => (None, None),
            (Level::NoAuthNoPriv, _, _) => {
                return wrong("uses no passwords: expected authNoPriv or authPriv");
            }
            (Level::AuthNoPriv, Some(auth), None) => (Some(auth), None),
            (Level::AuthNoPriv, None, _) => return wrong("needs an authentication protocol and password"),
            (Level::AuthNoPriv, Some(_), Some(_)) => return wrong("encrypts nothing: expected authPriv"),
            (Level::AuthPriv, Some(auth), Some(privacy)) => (Some(auth), Some(privacy)),
            (Level::AuthPriv, None, _) => return wrong("needs an authentication protocol and password"),
            (Level::AuthPriv, _, None) => return wrong("needs a privacy protocol and password"),
        };
        if privacy.is_some_and(|(protocol, _)| *protocol == PrivProtocol::Des) && !passwords.allow_des {
            return Err(UsmError::Des);
        }
        let failed = |what| move |problem| UsmError::Password { what, problem };
        let key = |(protocol, password): &(AuthProtocol, SecretString)| {
            MasterKeys::new(protocol.library(), password.expose_secret().as_bytes())
                .map_err(failed("authentication password"))
        };
        let keys = match (auth, privacy) {
            (None, _) => None,
            (Some(auth), None) => Some(key(auth)?),
            (Some(auth), Some((protocol, password))) => {
                let with = key(auth)?.with_privacy(protocol.library(), password.expose_secret().as_bytes());
                Some(with.map_err(failed("privacy password"))?)
            }
        };
        let (auth, privacy) = (auth.map(|(protocol, _)| *protocol), privacy.map(|(protocol, _)| *protocol));
        Ok(Self { user: user.to_owned(), level, keys, auth, privacy })
    }

    /// Name of the user.
    #[must_use]
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Its weaknesses, if any.
    pub(super) fn weakness(&self) -> Option<String> {
        let mut weak = Vec::new();
        match self.level {
            Level::NoAuthNoPriv => weak.push("noAuthNoPriv protects nothing"),
            Level::AuthNoPriv => weak.push("authNoPriv doesn't encrypt: anyone on the network can read it"),
            Level::AuthPriv => {}
        }
        if self.auth == Some(AuthProtocol::Md5) {
            weak.push("MD5 is broken, sha256 is better");
        }
        if self.privacy == Some(PrivProtocol::Des) {
            weak.push("DES can be broken within a day, aes128 is better");
        }
        (!weak.is_empty()).then(|| format!("user {:?}: {}", self.user, weak.join("; ")))
    }

    pub(crate) fn uses_des(&self) -> bool {
        self.privacy == Some(PrivProtocol::Des)
    }

    pub(crate) fn auth(&self, context: Option<&str>) -> Result<snmp::Auth, UsmError> {
        let mut config = UsmConfig::new(self.user.clone());
        if let Some(keys) = &self.keys {
            let problem = |problem| UsmError::Password { what: "keys", problem };
            config = config.with_master_keys(keys.clone()).map_err(problem)?;
        }
        Ok(config.context_name(context.unwrap_or_default().to_owned()).into())
    }

    /// Configures the same user for received notifications.
    pub(crate) fn receives(&self, user: UsmUser) -> Result<UsmUser, CryptoError> {
        match &self.keys {
            Some(keys) => user.with_master_keys(keys.clone()),
            None => Ok(user),
        }
    }
}
