//! The arguments of all commands that read devices.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use secrecy::SecretString;

use crate::snmp::credentials::{
    AuthProtocol, Level, PasswordConfig, Passwords, PrivProtocol, UsmCredentials,
};
use crate::snmp::{Candidates, Credentials, Target};

/// Environment variable with the authentication password, unless there is a file.
const AUTH_PASSWORD_VARIABLE: &str = "PLATEN_SNMP_AUTH_PASSWORD";

/// Environment variable with the privacy password, unless there is a file.
const PRIV_PASSWORD_VARIABLE: &str = "PLATEN_SNMP_PRIV_PASSWORD";

/// The arguments of all commands that read devices.
#[derive(Debug, Clone, Args)]
pub(super) struct AgentArgs {
    /// SNMP v1 or v2c community.
    #[arg(long, default_value = "public")]
    pub(super) community: String,
    /// SNMP version; always 3 if --v3-user is given.
    #[arg(long, value_enum, default_value = "2c")]
    pub(super) snmp_version: Version,
    /// SNMPv3 context name. With v1 or v2c, requests use the community COMMUNITY@CONTEXT.
    #[arg(long, value_name = "CONTEXT")]
    pub(super) context: Option<String>,
    /// SNMPv3 user.
    #[command(flatten)]
    pub(super) user: UserArgs,
    /// Time to wait for a response to one packet, milliseconds: 1 to 60000.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(super) timeout_ms: u32,
    /// How often a request is sent again after a timeout: 0 to 10.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=10))]
    pub(super) retries: u32,
    /// Folder of vendor profiles (YAML), in addition to the built-in ones.
    #[arg(long, value_name = "DIR")]
    pub(super) profiles: Option<PathBuf>,
}

/// An SNMPv3 user. Passwords come from files or the environment, never from arguments, which other users can read.
#[derive(Debug, Clone, Args)]
pub(super) struct UserArgs {
    /// SNMPv3 user name.
    #[arg(long, value_name = "USER")]
    pub(super) v3_user: Option<String>,
    /// Security level. Default: the highest that the given protocols allow.
    #[arg(long, value_enum, requires = "v3_user")]
    pub(super) v3_level: Option<Level>,
    /// Authentication protocol.
    #[arg(long, value_enum, requires = "v3_user")]
    pub(super) v3_auth: Option<AuthProtocol>,
    /// File with the authentication password in its first line. Default: the environment variable
    /// PLATEN_SNMP_AUTH_PASSWORD.
    #[arg(long, value_name = "FILE", requires = "v3_auth")]
    pub(super) v3_auth_password_file: Option<PathBuf>,
    /// Privacy protocol.
    #[arg(long, value_enum, requires = "v3_auth")]
    pub(super) v3_priv: Option<PrivProtocol>,
    /// File with the privacy password in its first line. Default: the environment variable PLATEN_SNMP_PRIV_PASSWORD.
    #[arg(long, value_name = "FILE", requires = "v3_priv")]
    pub(super) v3_priv_password_file: Option<PathBuf>,
    /// Permit DES as the privacy protocol, which can be broken within a day.
    #[arg(long, requires = "v3_priv")]
    pub(super) allow_des: bool,
}

/// An SNMP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Version {
    /// SNMP v1.
    #[value(name = "1")]
    V1,
    /// SNMP v2c.
    #[value(name = "2c")]
    V2c,
    /// SNMP v3.
    #[value(name = "3")]
    V3,
}

impl AgentArgs {
    /// The credentials.
    ///
    /// # Errors
    /// The user is incomplete, or a password can't be read; a text for people.
    pub(super) fn credentials(&self) -> Result<Candidates, String> {
        let community = SecretString::from(self.community.clone());
        let credentials = match (&self.user.v3_user, self.snmp_version) {
            (Some(user), _) => Credentials::V3(Arc::new(self.user.usm(user)?)),
            (None, Version::V1) => Credentials::V1(community),
            (None, Version::V2c) => Credentials::V2c(community),
            (None, Version::V3) => return Err("--snmp-version 3 needs --v3-user".to_owned()),
        };
        Ok(Candidates::one(credentials, self.context.as_deref().filter(|context| !context.is_empty())))
    }

    /// What may be wrong if there is no response: agents don't respond to a wrong community.
    #[must_use]
    pub(super) fn silence(&self, port: u16) -> String {
        let (version, wrong) = match (&self.user.v3_user, self.snmp_version) {
            (Some(_), _) | (None, Version::V3) => ("3", "--v3-user"),
            (None, Version::V1) => ("1", "--community"),
            (None, Version::V2c) => ("2c", "--community"),
        };
        format!(
            "requested by SNMP version {version} at port {port}. Check that the device is on, allows \
             this version, and accepts these credentials: devices don't respond to a wrong \
             community. Try {wrong}, --snmp-version or another port"
        )
    }

    /// The time to wait for a response.
    #[must_use]
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout_ms))
    }

    /// The device at an address.
    ///
    /// # Errors
    /// As [`Self::credentials`].
    pub(super) fn target(&self, address: SocketAddr) -> Result<Target, String> {
        let (credentials, timeout) = (self.credentials()?, self.timeout());
        Ok(Target { address, credentials, timeout, retries: self.retries })
    }
}

impl UserArgs {
    fn usm(&self, user: &str) -> Result<UsmCredentials, String> {
        let auth = self.v3_auth.map(|protocol| {
            let config = password(protocol, self.v3_auth_password_file.as_ref(), AUTH_PASSWORD_VARIABLE);
            config.secret("--v3-auth")
        });
        let privacy = self.v3_priv.map(|protocol| {
            let config = password(protocol, self.v3_priv_password_file.as_ref(), PRIV_PASSWORD_VARIABLE);
            config.secret("--v3-priv")
        });
        let told = |error| runtime::error::chain(&error);
        let passwords = Passwords {
            auth: auth.transpose().map_err(told)?,
            privacy: privacy.transpose().map_err(told)?,
            allow_des: self.allow_des,
        };
        let level = self.v3_level.unwrap_or_else(|| passwords.level());
        UsmCredentials::new(user, level, &passwords).map_err(|error| format!("--v3-user: {error}"))
    }
}

fn password<P>(protocol: P, file: Option<&PathBuf>, variable: &str) -> PasswordConfig<P> {
    let password_env = file.is_none().then(|| variable.to_owned());
    PasswordConfig { protocol, password_file: file.cloned(), password_env }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use gateway_core::access::Version as Spoken;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        ask: AgentArgs,
    }

    fn credentials(line: &str) -> Result<Candidates, String> {
        let line = Line::try_parse_from(format!("x {line}").split_whitespace());
        line.map_err(|error| error.to_string())?.ask.credentials()
    }

    #[test]
    fn arguments_make_credentials() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "correct horse\n").unwrap();
        let file = file.display();
        let auth = format!("--v3-user u --v3-auth sha256 --v3-auth-password-file {file}");
        let both = format!("{auth} --v3-level authPriv --v3-priv aes256 --v3-priv-password-file {file}");
        for (line, version) in [
            ("", Spoken::V2c),
            ("--snmp-version 1 --context Jetdirect", Spoken::V1),
            ("--v3-user u", Spoken::V3),
            (auth.as_str(), Spoken::V3),
            (both.as_str(), Spoken::V3),
        ] {
            let made = credentials(line).unwrap();
            assert_eq!(made.iter().next().unwrap().credentials.version(), version, "{line}");
        }
        let des = format!("{auth} --v3-priv des --v3-priv-password-file {file}");
        for (line, expected) in [
            ("--snmp-version 3".to_owned(), "--v3-user"),
            ("--v3-auth sha256".to_owned(), "--v3-user"),
            ("--v3-user u --v3-level authPriv".to_owned(), "authPriv needs"),
            (
                "--v3-user u --v3-auth sha1 --v3-auth-password-file /nonexistent/p".to_owned(),
                "/nonexistent/p",
            ),
            (format!("--v3-user u --v3-auth-password {file}"), "unexpected argument"),
            (des.clone(), "DES"),
        ] {
            let told = credentials(&line).unwrap_err();
            assert!(told.contains(expected), "{line}: {told}");
        }
        let weak = credentials(&format!("{des} --allow-des")).unwrap().weaknesses();
        assert!(weak.concat().contains("DES"), "{weak:?}");
    }
}
