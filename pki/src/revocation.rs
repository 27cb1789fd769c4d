//! Revocation: signed lists of revoked certificates, and whether an admitted peer is still accepted.
//!
//! A bundle is one PEM file: each revocation list, and the certificate of the authority that signed it. A list is
//! verified when it is loaded, up to a trusted root; the check of a peer is then a look-up, cheap enough for every
//! request. With a bundle, a peer of unknown status is rejected, also if the list of its issuer is missing.

mod join;
mod list;
mod succession;

use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use crate::facts;
use crate::leaf::check_validity;
use crate::pem_file::{self, PemFileError};
use crate::rejection::Rejection;
use crate::tolerance::Tolerance;
pub use join::{Joined, join};
use list::List;
pub use list::{CrlFault, Revocation};
use succession::{Age, Fault};

/// Maximum size of a bundle, bytes: about 200,000 revoked certificates.
const BUNDLE_BYTES: u64 = 16 << 20;

/// The maximum number of lists in a bundle.
const BUNDLE_LISTS: usize = 32;

/// Why revocation lists are rejected. The lists in force stay.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    /// The file can't be read.
    #[error(transparent)]
    File(#[from] PemFileError),
    /// The file has too many lists.
    #[error("{} has more than {BUNDLE_LISTS} revocation lists", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
    },
    /// A list in the file is rejected.
    #[error("revocation list {number} in {} is refused", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// Its position, from 1.
        number: usize,
        /// The cause.
        source: CrlFault,
    },
    /// A list is older than the one in force, which would undo revocations.
    #[error("{} has list {found} of {issuer}, older than list {in_force} in force: publish the newest", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// The issuer's distinguished name.
        issuer: String,
        /// The number found.
        found: String,
        /// The number in force.
        in_force: String,
    },
    /// A list has the number of the one in force, but other content.
    #[error(
        "in {}, list {number} of {issuer} differs from the list {number} in force: two lists must not have the same \
         number; make a new one with `platen-pki crl`, in one place only",
        path.display()
    )]
    SameNumber {
        /// The file.
        path: PathBuf,
        /// The issuer's distinguished name.
        issuer: String,
        /// The number of both.
        number: String,
    },
    /// A list is dated in the future.
    #[error(
        "{} has list {number} of {issuer}, whose thisUpdate, {this_update}, is in the future: the list is not used before that time; compare the clock here with that of the machine that created it",
        path.display()
    )]
    Future {
        /// The file.
        path: PathBuf,
        /// The issuer's distinguished name.
        issuer: String,
        /// Its number.
        number: String,
        /// Its `thisUpdate`.
        this_update: Timestamp,
    },
    /// A list is overdue, and the one in force is not.
    #[error(
        "{} has list {number} of {issuer}, whose nextUpdate, {next_update}, has passed: make a new one with \
         `platen-pki crl`",
        path.display()
    )]
    Overdue {
        /// The file.
        path: PathBuf,
        /// The issuer's distinguished name.
        issuer: String,
        /// Its number.
        number: String,
        /// Its `nextUpdate`.
        next_update: Timestamp,
    },
    /// A list in force is missing from the bundle, and its authority has not expired.
    #[error(
        "{} has no list of {issuer} any more: publish the lists of all authorities in one file (`platen-pki join-crl`)",
        path.display()
    )]
    Gone {
        /// The file.
        path: PathBuf,
        /// The issuer's distinguished name.
        issuer: String,
    },
}

impl CrlError {
    /// Short name for a metric's label, from a small set.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::TooMany { .. } => "too_many",
            Self::List { .. } => "invalid",
            Self::Older { .. } => "older",
            Self::SameNumber { .. } => "same_number",
            Self::Future { .. } => "future",
            Self::Overdue { .. } => "overdue",
            Self::Gone { .. } => "gone",
        }
    }

    /// Whether the same file may be accepted later, because time passes.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Future { .. } | Self::Overdue { .. })
    }
}

/// The result of loading a changed bundle.
#[derive(Debug)]
pub struct Reload {
    /// The new lists; `None` if nothing changed.
    pub taken: Option<Crls>,
    /// Rejected lists of the bundle. The lists in force from the same issuers stay in force.
    pub rejected: Vec<CrlError>,
}

/// The state of all lists by their dates; the worst decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// No list is configured.
    NotConfigured,
    /// In force.
    Fresh {
        /// When the next one is due.
        next_update: i64,
    },
    /// Overdue, which is reported as an error; peers are still accepted.
    Grace {
        /// The issuer's distinguished name.
        issuer: String,
        /// When the next one was due.
        next_update: i64,
        /// When peers will be rejected.
        until: i64,
    },
    /// Too old: peers of the issuer are rejected.
    TooOld {
        /// The issuer's distinguished name.
        issuer: String,
        /// When the next one was due.
        next_update: i64,
    },
    /// Dated in the future: peers of the issuer are rejected.
    Future {
        /// The issuer's distinguished name.
        issuer: String,
        /// Its `thisUpdate`.
        this_update: i64,
        /// When the next one is due.
        next_update: i64,
    },
}

/// The source of a bundle.
#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    roots: Vec<CertificateDer<'static>>,
    sha256: Vec<u8>,
}

/// Verified revocation lists, or none, with their tolerance.
#[derive(Debug, Clone)]
pub struct Crls {
    /// `None`: revocation is not configured.
    source: Option<Source>,
    lists: Vec<List>,
    tolerance: Tolerance,
}

/// The parts of a peer's leaf that its check needs: parsed once per connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerLeaf {
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) issuer_key: Option<Vec<u8>>,
    validity: (i64, i64),
}

impl PeerLeaf {
    /// Parses a leaf.
    ///
    /// # Errors
    /// It isn't a certificate.
    pub fn of(leaf: &CertificateDer<'_>) -> Result<Self, Rejection> {
        Ok(Self::of_parsed(&facts::parse(leaf)?))
    }

    /// The same for a parsed leaf.
    #[must_use]
    pub fn of_parsed(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            serial: significant(certificate.raw_serial()).to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            issuer_key: authority_key(certificate),
            validity: (validity.not_before.timestamp(), validity.not_after.timestamp()),
        }
    }

    /// The name of the issuer for people, formatted on demand.
    fn issuer_name(&self) -> String {
        X509Name::from_der(&self.issuer)
            .map_or_else(|_| "an issuer without a name".to_owned(), |(_, name)| name.to_string())
    }
}

fn authority_key(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.extensions().iter().find_map(|extension| list::key_identifier(extension.parsed_extension()))
}

/// Without the leading zeros of DER.
fn significant(serial: &[u8]) -> &[u8] {
    let at = serial.iter().position(|byte| *byte != 0).unwrap_or(serial.len());
    serial.get(at..).unwrap_or_default()
}

impl Crls {
    /// Revocation is not configured: only validity is checked.
    #[must_use]
    pub const fn none(tolerance: Tolerance) -> Self {
        Self { source: None, lists: Vec::new(), tolerance }
    }

    /// Loads a bundle and verifies each list up to one of `roots`. Its age is judged at each check of a peer, not here.
    ///
    /// # Errors
    /// The file can't be read, a list is damaged, or the certificate of its signer is missing or not trusted.
    pub fn load(
        path: &Path,
        roots: &[CertificateDer<'static>],
        tolerance: Tolerance,
    ) -> Result<Self, CrlError> {
        let pem = pem_file::read_at_most(path, BUNDLE_BYTES)?;
        let ders: Vec<CertificateRevocationListDer<'static>> =
            pem_file::sections(path, &pem, "one or more revocation lists")?;
        if ders.len() > BUNDLE_LISTS {
            return Err(CrlError::TooMany { path: path.to_owned() });
        }
        let signers = pem_file::sections::<CertificateDer<'static>>(
            path,
            &pem,
            "the certificate of the authority that signed the revocation list",
        )?;
        let lists = ders.iter().zip(1..).map(|(der, number)| {
            let failed = |source| CrlError::List { path: path.to_owned(), number, source };
            List::verified(der, &signers, roots).map_err(failed)
        });
        let lists = lists.collect::<Result<Vec<_>, _>>()?;
        let sha256 = digest::digest(&digest::SHA256, &pem).as_ref().to_vec();
        let source = Source { path: path.to_owned(), roots: roots.to_vec(), sha256 };
        Ok(Self { source: Some(source), lists, tolerance })
    }

    /// Loads the bundle again if the file has changed. Each list is judged by itself: if one is rejected, the list in
    /// force of its issuer stays, and the others are used.
    ///
    /// # Errors
    /// As [`Crls::load`]. The lists in force stay.
    pub fn reload(&self, now: Timestamp) -> Result<Reload, CrlError> {
        let unchanged = Reload { taken: None, rejected: Vec::new() };
        let Some(source) = &self.source else { return Ok(unchanged) };
        let pem = pem_file::read_at_most(&source.path, BUNDLE_BYTES)?;
        if digest::digest(&digest::SHA256, &pem).as_ref() == source.sha256 {
            return Ok(unchanged);
        }
        let newer = Self::load(&source.path, &source.roots, self.tolerance)?;
        let succession = succession::succeed(&self.lists, newer.lists, now.as_second(), self.tolerance);
        let rejected = succession.rejected.iter().map(|(list, fault)| self.rejection(source, list, *fault));
        let gone = succession.gone.iter().map(|list| {
            let (path, issuer) = (source.path.clone(), list.issuer_name.clone());
            CrlError::Gone { path, issuer }
        });
        let rejected: Vec<CrlError> = rejected.chain(gone).collect();
        // Read again later, if time may change the verdict.
        let done = !rejected.iter().any(CrlError::may_pass);
        let source = if done { newer.source } else { self.source.clone() };
        let same = succession.lists.len() == self.lists.len()
            && succession.lists.iter().all(|new| self.lists.iter().any(|old| old.sha256 == new.sha256));
        let newer = Self { source, lists: succession.lists, tolerance: self.tolerance };
        let changed = !same || rejected.is_empty();
        Ok(Reload { taken: changed.then_some(newer), rejected })
    }

    fn rejection(&self, source: &Source, list: &List, fault: Fault) -> CrlError {
        let (path, issuer, number) = (source.path.clone(), list.issuer_name.clone(), list.number.to_string());
        let at = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        match fault {
            Fault::Older => {
                let newest =
                    self.lists.iter().filter(|old| old.same_issuer(list)).map(|old| &old.number).max();
                let in_force = newest.map(ToString::to_string).unwrap_or_default();
                CrlError::Older { path, issuer, found: number, in_force }
            }
            Fault::SameNumber => CrlError::SameNumber { path, issuer, number },
            Fault::Future => CrlError::Future { path, issuer, number, this_update: at(list.validity.0) },
            Fault::Overdue => CrlError::Overdue { path, issuer, number, next_update: at(list.validity.1) },
        }
    }

    /// Whether revocation lists are configured.
    #[must_use]
    pub const fn is_configured(&self) -> bool {
        self.source.is_some()
    }

    /// The tolerance.
    #[must_use]
    pub const fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    /// The entry of a leaf in its issuer's list.
    #[must_use]
    pub(crate) fn is_revoked(&self, leaf: &PeerLeaf) -> Option<&Revocation> {
        // Every list of the issuer, so that none hides another.
        self.lists.iter().filter(|list| list.covers(leaf)).find_map(|list| list.revoked.get(&leaf.serial))
    }

    /// The age of the lists, for a metric and an alarm. If an issuer has several lists, the newest counts.
    #[must_use]
    pub fn freshness(&self, now: i64) -> Freshness {
        let rank = |list: &List| (self.age(list, now), list.validity.1);
        let is_best = |list: &&List| {
            !self.lists.iter().any(|other| other.same_issuer(list) && rank(other) > rank(list))
        };
        let Some(worst) = self.lists.iter().filter(is_best).min_by_key(|list| rank(list)) else {
            return Freshness::NotConfigured;
        };
        let (issuer, (this_update, next_update)) = (worst.issuer_name.clone(), worst.validity);
        match self.age(worst, now) {
            Age::Fresh => Freshness::Fresh { next_update },
            Age::Grace => {
                let until = next_update + self.tolerance.skew() + self.tolerance.grace();
                Freshness::Grace { issuer, next_update, until }
            }
            Age::TooOld => Freshness::TooOld { issuer, next_update },
            Age::Future => Freshness::Future { issuer, this_update, next_update },
        }
    }

    const fn age(&self, list: &List, now: i64) -> Age {
        succession::age(list.validity, now, self.tolerance)
    }

    fn check(&self, leaf: &PeerLeaf, now: i64) -> Result<(), Rejection> {
        if self.source.is_none() {
            return Ok(());
        }
        // A stale list that names the peer is reason enough.
        if let Some(revocation) = self.is_revoked(leaf) {
            let serial = hex::encode(&leaf.serial);
            return Err(Rejection::Revoked { serial, at: revocation.at, reason: revocation.reason });
        }
        let covering = self.lists.iter().filter(|list| list.covers(leaf));
        let Some(best) = covering.max_by_key(|list| self.age(list, now)) else {
            return Err(Rejection::UnknownStatus { issuer: leaf.issuer_name() });
        };
        let age = self.age(best, now);
        if age.is_usable() {
            return Ok(());
        }
        let (issuer, (this_update, next_update)) = (best.issuer_name.clone(), best.validity);
        Err(match age {
            Age::Future => Rejection::FutureList { issuer, this_update, now },
            Age::TooOld | Age::Grace | Age::Fresh => Rejection::StaleList { issuer, next_update, now },
        })
    }
}

/// Whether a verified peer is still accepted: its certificate is valid and has not been revoked since.
///
/// Must be called after every handshake (a resumed session presents no certificate) and for every request; `now` in
/// Unix seconds.
///
/// # Errors
/// It is no longer accepted.
pub fn peer_still_good(leaf: &PeerLeaf, crls: &Crls, now: i64) -> Result<(), Rejection> {
    check_validity(leaf.validity, now, crls.tolerance.skew())?;
    crls.check(leaf, now)
}

#[cfg(test)]
mod tests;
