//! The trusted set: the input is files, what was trusted before, and the time; the output is verified roles or a
//! [`Refusal`].

use std::num::NonZeroU64;
use std::sync::Arc;

use jiff::Timestamp as Instant;
use serde_json::{Value, json};

use crate::envelope::{self, Envelope};
use crate::file::MetaFile;
use crate::key::RoleKeys;
use crate::limits::{ROOT_BYTES, SNAPSHOT_BYTES, TARGETS_BYTES, TIMESTAMP_BYTES};
use crate::name::RoleName;
use crate::refusal::Refusal;
use crate::role::{Role, Root, Snapshot, Targets, Timestamp};

/// The roles that are trusted so far, in the order of the client workflow (TUF §5): root, timestamp, snapshot,
/// targets. A refused file changes nothing.
///
/// `remember_*` take what the client stored in earlier runs. Such a file protects against rollback even when it has
/// expired. If it is refused, the client requests the file.
#[derive(Debug, Clone)]
pub struct TrustedSet {
    now: Instant,
    root: Arc<Root>,
    /// Stored in an earlier run.
    known_timestamp: Option<Timestamp>,
    /// Stored in an earlier run.
    known_snapshot: Option<Snapshot>,
    timestamp: Option<Timestamp>,
    snapshot: Option<Snapshot>,
    targets: Option<Arc<Targets>>,
}

/// What a new root requires of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Nothing.
    Kept,
    /// A key of the timestamp or of the snapshot is no longer trusted: the stored timestamp and snapshot must be
    /// removed, so that version numbers that the key's holder raised don't block newer files (TUF §5.3.11).
    Recover,
}

/// The result of offering a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It is newer than the stored one, or the first one: it must be stored.
    New,
    /// It has the stored one's version. The stored one remains, whatever the contents (TUF §5.4.3.1).
    Unchanged,
}

impl TrustedSet {
    /// Begins with the trusted root, which must be signed by its own keys. It may have expired; a newer one is
    /// requested first. `now` is the time of the whole update (TUF §5.1).
    ///
    /// # Errors
    /// The file isn't a root, or isn't signed by a threshold of its own keys.
    pub fn new(root: &[u8], now: Instant) -> Result<Self, Refusal> {
        let name = RoleName::root();
        let envelope = Envelope::parse::<Root>(&name, root, ROOT_BYTES)?;
        let root: Root = envelope.signed()?;
        envelope.verify(&name, &root.keys, &root.roles.root)?;
        Ok(Self::with_root(root, now))
    }

    /// As [`TrustedSet::new`], but the root may name no keys for timestamp and snapshot: a trust anchor of which only
    /// the successors are complete. Nobody can sign a role without keys, so nothing but a newer root is accepted.
    ///
    /// # Errors
    /// As [`TrustedSet::new`].
    pub fn from_anchor(root: &[u8], now: Instant) -> Result<Self, Refusal> {
        let name = RoleName::root();
        let envelope = Envelope::parse::<Root>(&name, root, ROOT_BYTES)?;
        let mut signed = envelope.value().clone();
        if let Some(roles) = signed.get_mut("roles").and_then(Value::as_object_mut) {
            for absent in ["timestamp", "snapshot"] {
                roles.entry(absent).or_insert_with(|| json!({"keyids": [], "threshold": 1}));
            }
        }
        let root: Root = envelope::role(&name, &signed)?;
        envelope.verify(&name, &root.keys, &root.roles.root)?;
        Ok(Self::with_root(root, now))
    }

    fn with_root(root: Root, now: Instant) -> Self {
        Self {
            now,
            root: Arc::new(root),
            known_timestamp: None,
            known_snapshot: None,
            timestamp: None,
            snapshot: None,
            targets: None,
        }
    }

    /// The newest trusted root.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The timestamp, once it is trusted.
    #[must_use]
    pub fn timestamp(&self) -> Option<&Timestamp> {
        self.timestamp.as_ref()
    }

    /// The snapshot, once it is trusted.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The top-level targets role, once it is trusted.
    #[must_use]
    pub fn targets(&self) -> Option<&Arc<Targets>> {
        self.targets.as_ref()
    }

    /// Replaces the root by the next version, signed by the keys of both (TUF §5.3). It may have expired; only the
    /// newest one must be valid.
    ///
    /// # Errors
    /// It isn't the next version, or isn't signed by a threshold of the old and of the new keys.
    pub fn update_root(&mut self, bytes: &[u8]) -> Result<Rotation, Refusal> {
        let name = RoleName::root();
        if self.known_timestamp.is_some() || self.timestamp.is_some() {
            return Err(Refusal::OutOfOrder { role: name });
        }
        let envelope = Envelope::parse::<Root>(&name, bytes, ROOT_BYTES)?;
        envelope.verify(&name, &self.root.keys, &self.root.roles.root)?;
        let root: Root = envelope.signed()?;
        envelope.verify(&name, &root.keys, &root.roles.root)?;
        if self.root.version.checked_add(1) != Some(root.version) {
            let expected = self.root.version.get().saturating_add(1);
            return Err(Refusal::RootVersion { found: root.version, expected });
        }
        let rotation = rotation(&self.root, &root);
        self.root = Arc::new(root);
        Ok(rotation)
    }

    /// Takes the stored timestamp, which may have expired.
    ///
    /// # Errors
    /// The keys of the trusted root didn't sign it.
    pub fn remember_timestamp(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let timestamp = self.verified_timestamp(bytes)?;
        self.known_timestamp = Some(timestamp);
        Ok(())
    }

    /// Takes the repository's timestamp (TUF §5.4).
    ///
    /// # Errors
    /// The root has expired; the file isn't a timestamp signed by the root's keys, is older than the stored one or
    /// names an older snapshot, or has expired.
    pub fn update_timestamp(&mut self, bytes: &[u8]) -> Result<Offered, Refusal> {
        if self.timestamp.is_some() {
            return Err(Refusal::OutOfOrder { role: RoleName::timestamp() });
        }
        self.check_expiry(&RoleName::root(), self.root.as_ref())?;
        let offered = self.verified_timestamp(bytes)?;
        if let Some(known) = &self.known_timestamp {
            check_rollback("timestamp.json", offered.version, known.version)?;
            if offered.version == known.version {
                let known = known.clone();
                self.accept_timestamp(known)?;
                return Ok(Offered::Unchanged);
            }
            check_rollback("snapshot.json", offered.meta.snapshot.version, known.meta.snapshot.version)?;
        }
        self.accept_timestamp(offered)?;
        Ok(Offered::New)
    }

    fn accept_timestamp(&mut self, timestamp: Timestamp) -> Result<(), Refusal> {
        if timestamp.expires <= self.now {
            return Err(Refusal::Freeze { expires: timestamp.expires });
        }
        self.timestamp = Some(timestamp);
        Ok(())
    }

    fn verified_timestamp(&self, bytes: &[u8]) -> Result<Timestamp, Refusal> {
        self.verified(&RoleName::timestamp(), &self.root.roles.timestamp, bytes, TIMESTAMP_BYTES)
    }

    /// Takes the stored snapshot. If the timestamp names it, it becomes the trusted one, and no request is needed.
    ///
    /// # Errors
    /// It isn't the snapshot that the timestamp names, has expired, or isn't signed by the root's keys. In the first
    /// two cases, it still protects against rollback.
    pub fn remember_snapshot(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let Some(timestamp) = self.timestamp.as_ref().filter(|_| self.snapshot.is_none()) else {
            return Err(Refusal::OutOfOrder { role: RoleName::snapshot() });
        };
        let meta = timestamp.meta.snapshot.clone();
        let snapshot = self.verified_snapshot(bytes)?;
        self.known_snapshot = Some(snapshot.clone());
        check_version(&RoleName::snapshot(), snapshot.version, meta.version, RoleName::timestamp)?;
        meta.check("snapshot.json", bytes)?;
        self.accept_snapshot(snapshot)
    }

    /// Takes the repository's snapshot (TUF §5.5).
    ///
    /// # Errors
    /// Its length, hash or version isn't what the timestamp states, the root's keys didn't sign it, it lists an older
    /// version of a role than the stored one or no longer lists it, or it has expired.
    pub fn update_snapshot(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let Some(timestamp) = self.timestamp.as_ref().filter(|_| self.snapshot.is_none()) else {
            return Err(Refusal::OutOfOrder { role: RoleName::snapshot() });
        };
        let meta = &timestamp.meta.snapshot;
        meta.check("snapshot.json", bytes)?;
        let snapshot = self.verified_snapshot(bytes)?;
        check_version(&RoleName::snapshot(), snapshot.version, meta.version, RoleName::timestamp)?;
        for (file, known) in self.known_snapshot.iter().flat_map(|known| &known.meta) {
            let Some(offered) = snapshot.meta.get(file) else {
                return Err(Refusal::Removed { file: shown(file) });
            };
            check_rollback(file, offered.version, known.version)?;
        }
        self.accept_snapshot(snapshot)
    }

    fn accept_snapshot(&mut self, snapshot: Snapshot) -> Result<(), Refusal> {
        self.check_expiry(&RoleName::snapshot(), &snapshot)?;
        self.snapshot = Some(snapshot);
        Ok(())
    }

    fn verified_snapshot(&self, bytes: &[u8]) -> Result<Snapshot, Refusal> {
        self.verified(&RoleName::snapshot(), &self.root.roles.snapshot, bytes, SNAPSHOT_BYTES)
    }

    /// Takes the top-level targets role, stored or from the repository: both are checked alike (TUF §5.6).
    ///
    /// # Errors
    /// Its length, hash or version isn't what the snapshot states, the root's keys didn't sign it, or it has expired.
    pub fn update_targets(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let name = RoleName::targets();
        self.check_file(&name, bytes)?;
        let targets: Targets = self.verified(&name, &self.root.roles.targets, bytes, TARGETS_BYTES)?;
        self.check_targets(&name, &targets)?;
        self.targets = Some(Arc::new(targets));
        Ok(())
    }

    /// Verifies a delegated role, stored or from the repository, with the keys that `delegator` names for it. Nothing
    /// is kept: another role that delegates to the same name may name other keys.
    ///
    /// # Errors
    /// As [`TrustedSet::update_targets`], or `delegator` doesn't delegate to it.
    pub fn delegated(
        &self,
        role: &RoleName,
        delegator: (&RoleName, &Targets),
        bytes: &[u8],
    ) -> Result<Targets, Refusal> {
        let (delegator_name, delegator) = delegator;
        let not_delegated =
            || Refusal::NotDelegated { role: role.clone(), delegator: delegator_name.clone() };
        let delegations = delegator.delegations.as_ref().ok_or_else(not_delegated)?;
        let role_keys = delegations.role_keys(role).ok_or_else(not_delegated)?;
        self.check_file(role, bytes)?;
        let envelope = Envelope::parse::<Targets>(role, bytes, TARGETS_BYTES)?;
        envelope.verify(delegator_name, &delegations.keys, role_keys)?;
        let targets = envelope.signed()?;
        self.check_targets(role, &targets)?;
        Ok(targets)
    }

    /// Checks length and hash against the snapshot.
    fn check_file(&self, role: &RoleName, bytes: &[u8]) -> Result<(), Refusal> {
        self.listed(role)?.check(&role.meta_key(), bytes)
    }

    /// Checks the version against the snapshot, and the expiry.
    fn check_targets(&self, role: &RoleName, targets: &Targets) -> Result<(), Refusal> {
        check_version(role, targets.version, self.listed(role)?.version, RoleName::snapshot)?;
        self.check_expiry(role, targets)
    }

    /// The entry of a role's file in the snapshot.
    ///
    /// # Errors
    /// The snapshot doesn't list the role, or isn't trusted yet.
    pub fn listed(&self, role: &RoleName) -> Result<&MetaFile, Refusal> {
        let snapshot = self.snapshot.as_ref().ok_or_else(|| Refusal::OutOfOrder { role: role.clone() })?;
        snapshot.meta.get(&role.meta_key()).ok_or_else(|| Refusal::NotInSnapshot { role: role.clone() })
    }

    fn verified<R: Role>(
        &self,
        name: &RoleName,
        keys: &RoleKeys,
        bytes: &[u8],
        limit: u64,
    ) -> Result<R, Refusal> {
        let envelope = Envelope::parse::<R>(name, bytes, limit)?;
        envelope.verify(&RoleName::root(), &self.root.keys, keys)?;
        envelope.signed()
    }

    fn check_expiry<R: Role>(&self, name: &RoleName, role: &R) -> Result<(), Refusal> {
        if role.expires() <= self.now {
            return Err(Refusal::Expired { role: name.clone(), expires: role.expires() });
        }
        Ok(())
    }
}

fn check_rollback(file: &str, found: NonZeroU64, trusted: NonZeroU64) -> Result<(), Refusal> {
    if found < trusted {
        return Err(Refusal::Rollback { file: shown(file), found, trusted });
    }
    Ok(())
}

fn check_version(
    role: &RoleName,
    found: NonZeroU64,
    expected: NonZeroU64,
    by: fn() -> RoleName,
) -> Result<(), Refusal> {
    if found != expected {
        return Err(Refusal::MixAndMatch { role: role.clone(), found, expected, by: by() });
    }
    Ok(())
}

/// Whether a key of the timestamp or the snapshot was taken away. A key that was added changes nothing for the holders
/// of the others.
fn rotation(old: &Root, new: &Root) -> Rotation {
    let pairs = [(&old.roles.timestamp, &new.roles.timestamp), (&old.roles.snapshot, &new.roles.snapshot)];
    let removed = pairs.into_iter().any(|(before, after)| {
        before.key_ids.iter().any(|id| !after.key_ids.contains(id) || old.keys.get(id) != new.keys.get(id))
    });
    if removed { Rotation::Recover } else { Rotation::Kept }
}

/// A file name from a snapshot, as an error shows it.
fn shown(file: &str) -> String {
    file.chars().take(80).collect::<String>().escape_debug().to_string()
}
