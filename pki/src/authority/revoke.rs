//! Revocation at the authority: a ledger, written to disk before a revocation is reported. A revocation is final.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Authority, AuthorityError, Intermediate, Record, ledger};
use crate::revocation_reason::RevocationReason;
use crate::spiffe::{Party, SpiffeId};

pub(super) const FILE: &str = "revoked.jsonl";

/// One revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationRecord {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// The party.
    pub id: SpiffeId,
    /// The intermediate that issued it.
    pub issuer: Intermediate,
    /// Its generation, from 1.
    #[serde(default = "ledger::first", skip_serializing_if = "ledger::is_first")]
    pub generation: u32,
    /// End of validity; after that, lists needn't contain it.
    pub not_after: Timestamp,
    /// When it was revoked.
    pub revoked_at: Timestamp,
    /// The reason.
    pub reason: RevocationReason,
}

/// The party or certificates to revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// Every certificate of a party that has not expired.
    Party(Party),
    /// One certificate, by its serial number: hexadecimal, with or without colons.
    Serial(String),
}

/// The result of a revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revoked {
    /// Revoked now.
    pub revoked: Vec<RevocationRecord>,
    /// Revoked before, and not changed.
    pub already: Vec<RevocationRecord>,
}

/// Whether an issued certificate is still valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is valid.
    Valid,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
}

/// An issued certificate and its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The issued certificate.
    #[serde(flatten)]
    pub record: Record,
    /// Whether it is valid, expired or revoked.
    pub state: State,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Why it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RevocationReason>,
}

impl Authority {
    /// Revokes certificates. This is on disk before the function returns, and takes effect with the next published
    /// list.
    ///
    /// # Errors
    /// No such certificate was issued here, or a ledger can't be read or written.
    pub fn revoke(
        &self,
        whom: &Whom,
        reason: RevocationReason,
        now: Timestamp,
    ) -> Result<Revoked, AuthorityError> {
        let _lock = self.folder.lock()?;
        let issued: Vec<Record> = self.issued()?.into_iter().filter(|record| whom.means(record)).collect();
        if issued.is_empty() {
            return Err(AuthorityError::NeverIssued { whom: whom.to_string() });
        }
        let before = self.revocations()?;
        let mut done = Revoked { revoked: Vec::new(), already: Vec::new() };
        for record in issued {
            if let Some(revoked) = before.iter().find(|revoked| revoked.serial == record.serial) {
                done.already.push(revoked.clone());
                continue;
            }
            if matches!(whom, Whom::Party(_)) && record.not_after < now {
                continue;
            }
            done.revoked.push(self.append_revoked(&record, reason, now)?);
        }
        Ok(done)
    }

    /// Appends to the ledger, durably. The caller must hold the folder's lock.
    pub(super) fn append_revoked(
        &self,
        record: &Record,
        reason: RevocationReason,
        now: Timestamp,
    ) -> Result<RevocationRecord, AuthorityError> {
        let Record { serial, id, issuer, generation, not_after, .. } = record.clone();
        let revoked = RevocationRecord { serial, id, issuer, generation, not_after, revoked_at: now, reason };
        ledger::append(&self.folder.path(FILE), &revoked)?;
        Ok(revoked)
    }

    /// All revocations, oldest first.
    ///
    /// # Errors
    /// The ledger can't be read, or a line of it is damaged.
    pub fn revocations(&self) -> Result<Vec<RevocationRecord>, AuthorityError> {
        if !self.folder.exists(FILE)? {
            return Ok(Vec::new());
        }
        ledger::read(&self.folder.path(FILE))
    }

    /// All issued certificates with their states, oldest first.
    ///
    /// # Errors
    /// A ledger can't be read, or a line of one is damaged.
    pub fn certificates(&self, now: Timestamp) -> Result<Vec<Listed>, AuthorityError> {
        let revoked: HashMap<String, (Timestamp, RevocationReason)> = self
            .revocations()?
            .into_iter()
            .map(|record| (record.serial, (record.revoked_at, record.reason)))
            .collect();
        let listed = self.issued()?.into_iter().map(|record| {
            let revoked = revoked.get(&record.serial);
            let state = match revoked {
                Some(_) => State::Revoked,
                None if record.not_after < now => State::Expired,
                None => State::Valid,
            };
            let (revoked_at, reason) = revoked.copied().unzip();
            Listed { record, state, revoked_at, reason }
        });
        Ok(listed.collect())
    }
}

impl Whom {
    fn means(&self, record: &Record) -> bool {
        match self {
            Self::Party(party) => record.id.party == *party,
            Self::Serial(serial) => plain(&record.serial) == plain(serial),
        }
    }
}

impl std::fmt::Display for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Party(party) => party.fmt(f),
            Self::Serial(serial) => write!(f, "serial number {serial}"),
        }
    }
}

/// A serial number in the form of the ledger: lower case, without colons and leading zeros.
fn plain(serial: &str) -> String {
    let digits: String = serial.chars().filter(|c| *c != ':').collect();
    digits.trim_start_matches('0').to_ascii_lowercase()
}
