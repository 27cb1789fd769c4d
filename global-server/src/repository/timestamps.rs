//! Snapshot and timestamp: they follow from the newest version of each role, and are signed again before they expire.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tuf::{Document, Role, RoleKeys, RoleName, Root, Snapshot, Targets};

use super::error::RepositoryError;
use super::files::versioned;
use super::keys::Keyring;
use super::outcome::{Installed, Missing};
use super::state::{Held, SPEC_VERSION};
use super::{Lifetimes, Repository};

/// The timestamp is signed again this long after it was signed.
const TIMESTAMP_AGE: SignedDuration = SignedDuration::from_hours(24);

/// When snapshot and timestamp are signed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The timestamp in any case.
    Now,
    /// Only if their content changes, or when they are old.
    Later,
}

/// What is published.
pub(super) struct Listing<'a> {
    pub(super) root: &'a Root,
    pub(super) targets: &'a Held<Targets>,
    /// Those that are signed as the targets role states.
    pub(super) delegated: &'a BTreeMap<RoleName, Held<Targets>>,
}

/// What was signed, and what couldn't be.
type Signed = (Vec<Installed>, Vec<Missing>);

impl Repository {
    pub(super) fn timestamps(
        &self,
        listing: &Listing<'_>,
        keyring: &Keyring,
        due: Due,
        (lifetimes, now): (Lifetimes, Timestamp),
    ) -> Result<Signed, RepositoryError> {
        let mut signed = (Vec::new(), Vec::new());
        let Some(snapshot) = self.snapshot(listing, keyring, (lifetimes, now), &mut signed)? else {
            return Ok(signed);
        };
        let name = RoleName::timestamp();
        let stored = self.document::<tuf::Timestamp>(&name, &name.file_name())?;
        let stored = stored.map(|document| Held::<tuf::Timestamp>::new(&name, document)).transpose()?;
        let version = snapshot.role.version.get();
        let meta = self.stated(&RoleName::snapshot(), version, tuf::limit::<Snapshot>())?;
        let meta = json!({"snapshot.json": meta});
        let is_current = stored.as_ref().is_some_and(|stored| {
            let fresh = stored.role.expires.duration_since(now)
                > lifetime(lifetimes.timestamp_days).saturating_sub(TIMESTAMP_AGE);
            due == Due::Later
                && fresh
                && self.serves(stored, &meta, listing.root, &listing.root.roles.timestamp)
        });
        if is_current {
            return Ok(signed);
        }
        let version = next(&name, stored.as_ref())?;
        let Some(document) =
            made(&name, (version, meta), listing.root, keyring, (lifetimes, now), &mut signed)?
        else {
            return Ok(signed);
        };
        // Last: it leads to everything else.
        self.write_metadata(&name.file_name(), &document.to_bytes())?;
        Ok(signed)
    }

    /// The snapshot of the listing; `None` if it can't be signed here.
    fn snapshot(
        &self,
        listing: &Listing<'_>,
        keyring: &Keyring,
        (lifetimes, now): (Lifetimes, Timestamp),
        signed: &mut Signed,
    ) -> Result<Option<Held<Snapshot>>, RepositoryError> {
        let name = RoleName::snapshot();
        let stored = self.newest::<Snapshot>(&name)?;
        let stored = stored.map(|document| Held::<Snapshot>::new(&name, document)).transpose()?;
        // A role stays listed: one that disappears is a rollback to clients that know it.
        let mut meta =
            stored.as_ref().map_or_else(|| json!({}), |held| held.document.signed()["meta"].clone());
        let limit = tuf::limit::<Targets>();
        let targets = RoleName::targets();
        meta["targets.json"] = self.stated(&targets, listing.targets.role.version.get(), limit)?;
        for (role, held) in listing.delegated {
            let stated = self.stated(role, held.role.version.get(), limit)?;
            meta[format!("{}.json", role.as_str())] = stated;
        }
        let is_current = stored.as_ref().is_some_and(|stored| {
            let fresh = stored.role.expires.duration_since(now) > lifetime(lifetimes.snapshot_days) / 2;
            fresh && self.serves(stored, &meta, listing.root, &listing.root.roles.snapshot)
        });
        if is_current {
            return Ok(stored);
        }
        let version = next(&name, stored.as_ref())?;
        let Some(document) = made(&name, (version, meta), listing.root, keyring, (lifetimes, now), signed)?
        else {
            return Ok(None);
        };
        self.write_version::<Snapshot>(&name, version, &document)?;
        self.prune(&name)?;
        Held::new(&name, document).map(Some)
    }

    /// A file as snapshot and timestamp state it.
    fn stated(&self, role: &RoleName, version: u64, limit: u64) -> Result<Value, RepositoryError> {
        let name = versioned(role, version);
        let bytes = self.metadata(&name, limit)?;
        let bytes = bytes.ok_or_else(|| RepositoryError::Absent { path: self.metadata_path(&name) })?;
        let sha256 = hex::encode(digest(&SHA256, &bytes));
        Ok(json!({"version": version, "length": bytes.len(), "hashes": {"sha256": sha256}}))
    }

    fn serves<R: Role>(&self, held: &Held<R>, meta: &Value, root: &Root, role: &RoleKeys) -> bool {
        held.document.signed()["meta"] == *meta && held.document.is_signed(&root.keys, role)
    }
}

/// A version of the snapshot or the timestamp; `None` if its keys aren't here.
fn made(
    name: &RoleName,
    (version, meta): (u64, Value),
    root: &Root,
    keyring: &Keyring,
    (lifetimes, now): (Lifetimes, Timestamp),
    signed: &mut Signed,
) -> Result<Option<Document>, RepositoryError> {
    let role = if *name == RoleName::snapshot() { &root.roles.snapshot } else { &root.roles.timestamp };
    let mut document = Document::new(json!({"_type": name.as_str(), "spec_version": SPEC_VERSION,
        "version": version, "expires": lifetimes.expires(name, now), "meta": meta}))
    .map_err(RepositoryError::Canonical)?;
    keyring.sign(&mut document, role)?;
    let signers = document.signers(&root.keys, role);
    let more = usize::try_from(role.threshold.get()).unwrap_or(usize::MAX).saturating_sub(signers.len());
    if more == 0 {
        signed.0.push(Installed { role: name.as_str().to_owned(), version });
        return Ok(Some(document));
    }
    signed.1.push(Missing {
        role: name.as_str().to_owned(),
        version,
        named_by: format!("root version {}", root.version),
        more,
        keys: role.key_ids.iter().filter(|id| !signers.contains(id)).cloned().collect(),
        file: None,
    });
    Ok(None)
}

/// The version after the stored one.
fn next<R: Role>(name: &RoleName, stored: Option<&Held<R>>) -> Result<u64, RepositoryError> {
    let version = stored.map_or(0, |held| held.role.version().get());
    version.checked_add(1).ok_or_else(|| RepositoryError::NoVersion { role: name.as_str().to_owned() })
}

fn lifetime(days: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}
