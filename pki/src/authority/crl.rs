//! Revocation lists of the intermediates: RFC 5280 §5, one for each generation that has not expired.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rcgen::{CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevokedCertParams};
use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::profile::seconds;
use super::revoke::{self, RevocationRecord};
use super::signer::Signer;
use super::{Authority, AuthorityError};
use crate::pem_file::{self, pem_block, to_pem};
use crate::revocation_reason::RevocationReason;

/// The number of the last lists, stored before the lists are returned.
pub(super) const FILE: &str = "crl.json";

/// Days that a certificate stays listed after its expiry. RFC 5280 §3.3 requires that it is in at least one list
/// issued after it.
const KEPT_DAYS: i64 = 30;

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    number: i64,
    revocations: usize,
}

/// One list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedList {
    /// `server-ca`, `gateway-ca-2`, ...
    pub authority: String,
    /// How many certificates it revokes.
    pub revoked: usize,
    /// The list, then the authority's certificate, PEM.
    pub pem: String,
}

/// The lists of all intermediates, created together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlSet {
    /// `cRLNumber` of each.
    pub number: i64,
    /// Begin of validity.
    pub this_update: Timestamp,
    /// The latest time of the next lists.
    pub next_update: Timestamp,
    /// The lists.
    pub lists: Vec<IssuedList>,
    /// Authorities whose key is stored elsewhere: their lists must be created there.
    pub left_out: Vec<String>,
}

impl CrlSet {
    /// All lists in one bundle, for `identity.crl` of a program.
    #[must_use]
    pub(crate) fn bundle(&self) -> String {
        self.lists.iter().map(|list| list.pem.as_str()).collect()
    }

    /// Writes `AUTHORITY.crl.pem` for each and `crl.pem` with all, each atomically; returns their paths.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn write(&self, out: &Path) -> Result<Vec<PathBuf>, AuthorityError> {
        let folder = Folder::create(out)?;
        let mut written = Vec::new();
        for list in &self.lists {
            let name = format!("{}.crl.pem", list.authority);
            folder.write(&name, &list.pem)?;
            written.push(folder.path(&name));
        }
        folder.write("crl.pem", &self.bundle())?;
        written.push(folder.path("crl.pem"));
        Ok(written)
    }
}

impl Authority {
    /// Creates new revocation lists. Their number grows with each call and with time, so that it still grows after a
    /// restore.
    ///
    /// # Errors
    /// `next_update` is not after `now`, no key is here, or the ledger of revocations has lost lines.
    pub fn revocation_lists(&self, now: Timestamp, next_update: Timestamp) -> Result<CrlSet, AuthorityError> {
        let _lock = self.folder.lock()?;
        let revocations = self.revocations()?;
        let last = self.last()?;
        if revocations.len() < last.revocations {
            let what = format!("{} of its {} lines are left", revocations.len(), last.revocations);
            return Err(self.folder.damaged(revoke::FILE, &what));
        }
        let number = now.as_second().max(last.number + 1);
        let (mut lists, mut left_out) = (Vec::new(), Vec::new());
        for signer in self.signers.iter().filter(|signer| signer.not_after > now) {
            let authority = signer.which.stem(signer.generation);
            let Some(issuer) = signer.key() else {
                left_out.push(authority);
                continue;
            };
            let listed: Vec<_> =
                revocations.iter().filter(|revocation| is_listed(revocation, signer, now)).collect();
            let list = sign(&listed, issuer, number, (now, next_update))?;
            let pem = pem_block("X509 CRL", &list) + &to_pem(&signer.certificate);
            lists.push(IssuedList { authority, revoked: listed.len(), pem });
        }
        if lists.is_empty() {
            let signer = self.signer(super::Intermediate::GatewayCa);
            signer.issuer(&self.folder, now)?;
        }
        let last = Last { number, revocations: revocations.len() };
        let text = serde_json::to_string(&last).map_err(|error| self.folder.damaged(FILE, &error))?;
        self.folder.write(FILE, &(text + "\n"))?;
        Ok(CrlSet { number, this_update: now, next_update, lists, left_out })
    }

    fn last(&self) -> Result<Last, AuthorityError> {
        if !self.folder.exists(FILE)? {
            return Ok(Last::default());
        }
        let text = pem_file::read(&self.folder.path(FILE))?;
        serde_json::from_slice(&text).map_err(|error| self.folder.damaged(FILE, &error))
    }
}

fn is_listed(revocation: &RevocationRecord, signer: &Signer, now: Timestamp) -> bool {
    let kept = now.as_second() - KEPT_DAYS * 86_400;
    (revocation.issuer, revocation.generation) == (signer.which, signer.generation)
        && revocation.not_after.as_second() >= kept
}

fn sign(
    listed: &[&RevocationRecord],
    issuer: &Issuer<'_, KeyPair>,
    number: i64,
    (this_update, next_update): (Timestamp, Timestamp),
) -> Result<Vec<u8>, AuthorityError> {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let entry = |revocation: &&RevocationRecord| {
        let serial = hex::decode(&revocation.serial);
        let serial = serial.map_err(|error| AuthorityError::Crypto(format!("serial number: {error}")))?;
        Ok(RevokedCertParams {
            serial_number: serial.into(),
            revocation_time: epoch + seconds(revocation.revoked_at),
            reason_code: reason_code(revocation.reason),
            invalidity_date: None,
        })
    };
    let list = CertificateRevocationListParams {
        this_update: epoch + seconds(this_update),
        next_update: epoch + seconds(next_update),
        crl_number: number.unsigned_abs().into(),
        issuing_distribution_point: None,
        revoked_certs: listed.iter().map(entry).collect::<Result<_, AuthorityError>>()?,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(list.signed_by(issuer)?.der().to_vec())
}

/// The reason code; "unspecified" is encoded by omitting the extension (RFC 5280 §5.3.1).
const fn reason_code(reason: RevocationReason) -> Option<rcgen::RevocationReason> {
    match reason {
        RevocationReason::Unspecified => None,
        RevocationReason::KeyCompromise => Some(rcgen::RevocationReason::KeyCompromise),
        RevocationReason::CaCompromise => Some(rcgen::RevocationReason::CaCompromise),
        RevocationReason::AffiliationChanged => Some(rcgen::RevocationReason::AffiliationChanged),
        RevocationReason::Superseded => Some(rcgen::RevocationReason::Superseded),
        RevocationReason::CessationOfOperation => Some(rcgen::RevocationReason::CessationOfOperation),
        RevocationReason::CertificateHold => Some(rcgen::RevocationReason::CertificateHold),
        RevocationReason::PrivilegeWithdrawn => Some(rcgen::RevocationReason::PrivilegeWithdrawn),
        RevocationReason::AaCompromise => Some(rcgen::RevocationReason::AaCompromise),
    }
}
