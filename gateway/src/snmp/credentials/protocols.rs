//! The algorithms of SNMPv3 by their configured names, and their weaknesses.

use std::fmt;

use clap::ValueEnum;
use serde::Deserialize;

/// The security level (RFC 3411 §3.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
pub enum Level {
    /// No protection.
    #[serde(rename = "noAuthNoPriv")]
    #[value(name = "noAuthNoPriv")]
    NoAuthNoPriv,
    /// Protects against forgery, not against reading.
    #[serde(rename = "authNoPriv")]
    #[value(name = "authNoPriv")]
    AuthNoPriv,
    /// Protects against forgery and reading.
    #[serde(rename = "authPriv")]
    #[value(name = "authPriv")]
    AuthPriv,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAuthNoPriv => "noAuthNoPriv",
            Self::AuthNoPriv => "authNoPriv",
            Self::AuthPriv => "authPriv",
        })
    }
}

/// An authentication protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AuthProtocol {
    /// HMAC-MD5-96 (RFC 3414); broken.
    Md5,
    /// HMAC-SHA-96 (RFC 3414).
    #[serde(alias = "sha")]
    #[value(alias = "sha")]
    Sha1,
    /// RFC 7860.
    Sha224,
    /// RFC 7860.
    Sha256,
    /// RFC 7860.
    Sha384,
    /// RFC 7860.
    Sha512,
}

impl AuthProtocol {
    pub(super) const fn library(self) -> snmp::AuthProtocol {
        match self {
            Self::Md5 => snmp::AuthProtocol::Md5,
            Self::Sha1 => snmp::AuthProtocol::Sha1,
            Self::Sha224 => snmp::AuthProtocol::Sha224,
            Self::Sha256 => snmp::AuthProtocol::Sha256,
            Self::Sha384 => snmp::AuthProtocol::Sha384,
            Self::Sha512 => snmp::AuthProtocol::Sha512,
        }
    }
}

/// A privacy protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum PrivProtocol {
    /// DES-CBC (RFC 3414), 56 bits; rejected without `allow_des`.
    Des,
    /// AES-128-CFB (RFC 3826).
    #[serde(alias = "aes")]
    #[value(alias = "aes")]
    Aes128,
    /// AES-192-CFB (draft-blumenthal-aes-usm-04, as in net-snmp).
    Aes192,
    /// AES-256-CFB (draft-blumenthal-aes-usm-04, as in net-snmp).
    Aes256,
    /// AES-192-CFB with Cisco's key extension; differs only with a short digest.
    Aes192Cisco,
    /// AES-256-CFB with Cisco's key extension; differs only with a short digest.
    Aes256Cisco,
}

impl PrivProtocol {
    pub(super) const fn library(self) -> snmp::PrivProtocol {
        match self {
            Self::Des => snmp::PrivProtocol::Des,
            Self::Aes128 => snmp::PrivProtocol::Aes128,
            Self::Aes192 => snmp::PrivProtocol::Aes192Blumenthal,
            Self::Aes256 => snmp::PrivProtocol::Aes256Blumenthal,
            Self::Aes192Cisco => snmp::PrivProtocol::Aes192Reeder,
            Self::Aes256Cisco => snmp::PrivProtocol::Aes256Reeder,
        }
    }
}
