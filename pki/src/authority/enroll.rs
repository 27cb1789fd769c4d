//! Enrollment of a gateway: at most one of its valid certificates comes from a token. A token that may replace existing
//! certificates is created with `--replace`; these are revoked after the new one has been issued.

use jiff::Timestamp;
use rcgen::PublicKeyData;
use rustls_pki_types::CertificateDer;

use super::revoke::{Listed, State};
use super::{Authority, AuthorityError, Record, Request, RevocationRecord};
use crate::revocation_reason::RevocationReason;
use crate::spiffe::{Party, PartyKind};
use crate::token::TokenRecord;

/// What happens if the gateway to enroll has a valid certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HasValid {
    /// It is rejected.
    Refuse,
    /// The certificate is replaced: it is revoked once the new one has been issued.
    Replace,
}

impl Authority {
    /// The certificates of a party that are neither revoked nor expired, oldest first.
    ///
    /// # Errors
    /// A ledger can't be read, or a line of one is damaged.
    pub fn valid(&self, party: &Party, now: Timestamp) -> Result<Vec<Record>, AuthorityError> {
        let of_party = |listed: &Listed| listed.state == State::Valid && listed.record.id.party == *party;
        Ok(self.certificates(now)?.into_iter().filter(of_party).map(|listed| listed.record).collect())
    }

    /// Rejects a gateway that has a valid certificate, unless the certificate is to be replaced, or was issued for
    /// the same token (its response was lost).
    pub(super) fn check_enrolled(
        &self,
        party: &Party,
        token_sha256: Option<&str>,
        has_valid: HasValid,
        now: Timestamp,
    ) -> Result<(), AuthorityError> {
        if has_valid == HasValid::Replace {
            return Ok(());
        }
        let valid = self.valid(party, now)?;
        let another =
            |record: &&Record| token_sha256.is_none() || record.token_sha256.as_deref() != token_sha256;
        match valid.iter().rfind(another) {
            None => Ok(()),
            Some(Record { id, serial, not_after, .. }) => Err(AuthorityError::AlreadyEnrolled {
                party: id.party.clone(),
                serial: serial.clone(),
                not_after: *not_after,
            }),
        }
    }

    /// Issues a gateway's certificate for a token; the ledger has it on disk before this returns. Nothing is revoked yet:
    /// see [`Authority::supersede`].
    ///
    /// # Errors
    /// As [`Authority::issue`]; or the gateway has a valid certificate that the token does not replace.
    pub fn enroll(
        &self,
        token: &TokenRecord,
        public_key: &impl PublicKeyData,
        now: Timestamp,
    ) -> Result<(Record, CertificateDer<'static>), AuthorityError> {
        // Two tokens of one gateway that are used at once: the second finds the certificate of the first.
        let _lock = self.folder.lock()?;
        let has_valid = if token.replaces { HasValid::Replace } else { HasValid::Refuse };
        let token_sha256 = token.token_sha256.as_str();
        self.check_enrolled(&token.gateway.party, Some(token_sha256), has_valid, now)?;
        let request = Request {
            profile: PartyKind::Gateway,
            name: token.gateway.party.name().to_owned(),
            dns: Vec::new(),
            ips: Vec::new(),
        };
        self.sign_for(&request, public_key, Some(token_sha256.to_owned()), now)
    }

    /// Revokes the valid certificates of a gateway that were issued before `serial`, which replaces them. Later ones
    /// stay: the gateway has renewed since. Repeating it changes nothing, so that it can follow every response.
    ///
    /// # Errors
    /// A ledger can't be read or written.
    pub fn supersede(&self, serial: &str, now: Timestamp) -> Result<Vec<RevocationRecord>, AuthorityError> {
        let _lock = self.folder.lock()?;
        let issued = self.certificates(now)?;
        let Some(at) = issued.iter().position(|listed| listed.record.serial == serial) else {
            return Ok(Vec::new());
        };
        let (before, rest) = issued.split_at(at);
        let Some(party) = rest.first().map(|listed| &listed.record.id.party) else { return Ok(Vec::new()) };
        let former = before.iter().filter(|old| old.state == State::Valid && old.record.id.party == *party);
        former.map(|old| self.append_revoked(&old.record, RevocationReason::Superseded, now)).collect()
    }
}
