//! The client workflow (TUF §5) as a state machine: what to read, request, write and remove, in which order.

use std::collections::VecDeque;
use std::mem;
use std::num::NonZeroU64;
use std::sync::Arc;

use jiff::Timestamp as Instant;

use crate::file::TargetFile;
use crate::limits::{ROOT_BYTES, ROOT_ROTATIONS, SNAPSHOT_BYTES, TARGETS_BYTES, TIMESTAMP_BYTES};
use crate::name::RoleName;
use crate::refusal::Refusal;
use crate::role::Targets;
use crate::search::{Search, Step, Visit};
use crate::trusted::{Offered, Rotation, TrustedSet};

/// What the client requires next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Replace the stored file of a role, durably. Only verified bytes are written, as they were received.
    Write {
        /// The role.
        role: RoleName,
        /// The file.
        bytes: Vec<u8>,
    },
    /// Remove the stored file of a role, durably, if there is one.
    Remove {
        /// The role.
        role: RoleName,
    },
    /// Read the stored file of a role, then call [`Client::stored`].
    Read {
        /// The role.
        role: RoleName,
        /// The most to read, bytes.
        limit: u64,
    },
    /// Request a file of the repository, then call [`Client::fetched`].
    Fetch {
        /// The role.
        role: RoleName,
        /// Nothing: the metadata is current, and no search is in progress.
        path: String,
        /// The most to receive, bytes.
        limit: u64,
    },
    /// Nothing: the metadata is current, and a search that was begun has ended.
    Idle,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The target.
    Target {
        /// The role that describes it.
        role: RoleName,
        /// Its length and hashes.
        file: TargetFile,
    },
    /// No role describes the target.
    Absent,
}

/// A client. After each call, do what [`Client::next_action`] says until it is [`Action::Idle`].
#[derive(Debug)]
pub struct Client {
    trusted: TrustedSet,
    /// Actions that were decided and not yet returned by [`Client::next_action`].
    effects: VecDeque<Action>,
    stage: Stage,
    found: Option<Result<Found, Refusal>>,
}

/// The current step of the workflow.
#[derive(Debug)]
enum Stage {
    /// The next root is requested.
    Root { rotations: u32 },
    /// The timestamp.
    Timestamp(From),
    /// The snapshot.
    Snapshot(From),
    /// The top-level targets role.
    Targets(From),
    /// All top-level roles are trusted.
    Ready,
    /// A delegated role is loaded for a search.
    Delegated { search: Search, visit: Visit, from: From },
    /// A top-level role was refused: nothing can be trusted.
    Failed,
}

/// Where a file comes from. The stored one is tried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Storage,
    Repository,
}

impl Client {
    /// Begins with the stored root. `now` is the time of the whole update.
    ///
    /// # Errors
    /// The root isn't trusted: see [`TrustedSet::new`].
    pub fn new(root: &[u8], now: Instant) -> Result<Self, Refusal> {
        Ok(Self::with(TrustedSet::new(root, now)?))
    }

    /// Begins with a trust anchor, which may be less than a complete root.
    ///
    /// # Errors
    /// The root isn't trusted: see [`TrustedSet::from_anchor`].
    pub fn from_anchor(root: &[u8], now: Instant) -> Result<Self, Refusal> {
        Ok(Self::with(TrustedSet::from_anchor(root, now)?))
    }

    fn with(trusted: TrustedSet) -> Self {
        Self { trusted, effects: VecDeque::new(), stage: Stage::Root { rotations: 0 }, found: None }
    }

    /// The roles that are trusted so far.
    #[must_use]
    pub fn trusted(&self) -> &TrustedSet {
        &self.trusted
    }

    /// Whether all top-level roles are trusted.
    #[must_use]
    pub fn is_current(&self) -> bool {
        matches!(self.stage, Stage::Ready | Stage::Delegated { .. })
    }

    /// The next action. A write or removal is returned once, and must be carried out before the next call.
    pub fn next_action(&mut self) -> Action {
        if let Some(effect) = self.effects.pop_front() {
            return effect;
        }
        match &self.stage {
            Stage::Root { .. } => {
                let path = format!("{}.root.json", self.trusted.root().version.get().saturating_add(1));
                Action::Fetch { role: RoleName::root(), path, limit: ROOT_BYTES }
            }
            Stage::Timestamp(From::Storage) => read(RoleName::timestamp(), TIMESTAMP_BYTES),
            Stage::Timestamp(From::Repository) => {
                let role = RoleName::timestamp();
                Action::Fetch { path: role.file_name(), role, limit: TIMESTAMP_BYTES }
            }
            Stage::Snapshot(From::Storage) => read(RoleName::snapshot(), SNAPSHOT_BYTES),
            Stage::Snapshot(From::Repository) => {
                let meta = self.trusted.timestamp().map(|timestamp| &timestamp.meta.snapshot);
                let (version, limit) = (meta.map(|meta| meta.version), meta.map(|m| m.limit(SNAPSHOT_BYTES)));
                self.fetch(RoleName::snapshot(), version, limit.unwrap_or(SNAPSHOT_BYTES))
            }
            Stage::Targets(from) => self.load(RoleName::targets(), *from),
            Stage::Delegated { visit, from, .. } => self.load(visit.role.clone(), *from),
            Stage::Ready | Stage::Failed => Action::Idle,
        }
    }

    /// Reads or requests a targets role.
    fn load(&self, role: RoleName, from: From) -> Action {
        match from {
            From::Storage => read(role, TARGETS_BYTES),
            From::Repository => {
                let meta = self.trusted.listed(&role).ok();
                let limit = meta.map_or(TARGETS_BYTES, |meta| meta.limit(TARGETS_BYTES));
                self.fetch(role, meta.map(|meta| meta.version), limit)
            }
        }
    }

    fn fetch(&self, role: RoleName, version: Option<NonZeroU64>, limit: u64) -> Action {
        let version = version.filter(|_| self.trusted.root().consistent_snapshot);
        let name = role.file_name();
        let path = version.map_or_else(|| name.clone(), |version| format!("{version}.{name}"));
        Action::Fetch { role, path, limit }
    }

    /// Takes the stored file, `None` if there is none. Returns why it isn't used, in which case the file is requested
    /// next.
    pub fn stored(&mut self, bytes: Option<&[u8]>) -> Option<Refusal> {
        let stage = mem::replace(&mut self.stage, Stage::Failed);
        let (stage, result) = match stage {
            Stage::Timestamp(From::Storage) => {
                let result = bytes.map(|bytes| self.trusted.remember_timestamp(bytes));
                // The repository may have a newer one.
                (Stage::Timestamp(From::Repository), result)
            }
            Stage::Snapshot(From::Storage) => {
                match bytes.map(|bytes| self.trusted.remember_snapshot(bytes)) {
                    Some(Ok(())) => (Stage::Targets(From::Storage), None),
                    result => (Stage::Snapshot(From::Repository), result),
                }
            }
            Stage::Targets(From::Storage) => match bytes.map(|bytes| self.trusted.update_targets(bytes)) {
                Some(Ok(())) => (Stage::Ready, None),
                result => (Stage::Targets(From::Repository), result),
            },
            Stage::Delegated { search, visit, from: From::Storage } => {
                match bytes.map(|bytes| self.delegated(&visit, bytes)) {
                    Some(Ok(targets)) => (self.visit(search, &visit.role, &targets), None),
                    result => {
                        let result = result.map(|result| result.map(drop));
                        (Stage::Delegated { search, visit, from: From::Repository }, result)
                    }
                }
            }
            // Not what was required: nothing changes.
            stage @ (Stage::Root { .. }
            | Stage::Timestamp(_)
            | Stage::Snapshot(_)
            | Stage::Targets(_)
            | Stage::Delegated { .. }
            | Stage::Ready
            | Stage::Failed) => (stage, None),
        };
        self.stage = stage;
        result.and_then(Result::err)
    }

    /// Takes the requested file, `None` if the repository doesn't have it. After any other failure of the request,
    /// retry it or drop the client.
    ///
    /// # Errors
    /// A file of a top-level role is refused or missing: nothing more can be done with this client, except what
    /// [`Client::next_action`] still returns. A delegated role that is refused ends the search, see
    /// [`Client::found`].
    pub fn fetched(&mut self, bytes: Option<&[u8]>) -> Result<(), Refusal> {
        let stage = mem::replace(&mut self.stage, Stage::Failed);
        self.stage = match stage {
            Stage::Root { rotations } => match bytes {
                Some(bytes) => self.next_root(bytes, rotations + 1)?,
                None => Stage::Timestamp(From::Storage),
            },
            Stage::Timestamp(From::Repository) => {
                let bytes = present(&RoleName::timestamp(), bytes)?;
                if self.trusted.update_timestamp(bytes)? == Offered::New {
                    self.write(RoleName::timestamp(), bytes);
                }
                Stage::Snapshot(From::Storage)
            }
            Stage::Snapshot(From::Repository) => {
                let bytes = present(&RoleName::snapshot(), bytes)?;
                self.trusted.update_snapshot(bytes)?;
                self.write(RoleName::snapshot(), bytes);
                Stage::Targets(From::Storage)
            }
            Stage::Targets(From::Repository) => {
                let bytes = present(&RoleName::targets(), bytes)?;
                self.trusted.update_targets(bytes)?;
                self.write(RoleName::targets(), bytes);
                Stage::Ready
            }
            Stage::Delegated { search, visit, from: From::Repository } => {
                let accepted = present(&visit.role, bytes)
                    .and_then(|bytes| self.delegated(&visit, bytes).map(|targets| (bytes, targets)));
                match accepted {
                    Ok((bytes, targets)) => {
                        self.write(visit.role.clone(), bytes);
                        self.visit(search, &visit.role, &targets)
                    }
                    Err(refusal) => self.ended(Err(refusal)),
                }
            }
            // Not what was required: nothing changes.
            stage @ (Stage::Timestamp(From::Storage)
            | Stage::Snapshot(From::Storage)
            | Stage::Targets(From::Storage)
            | Stage::Delegated { from: From::Storage, .. }
            | Stage::Ready
            | Stage::Failed) => stage,
        };
        Ok(())
    }

    /// Begins the search for a target. One that has not ended is dropped.
    ///
    /// # Errors
    /// The top-level roles aren't trusted yet, or the path is empty or too long.
    pub fn find(&mut self, target: &str) -> Result<(), Refusal> {
        let top = self.trusted.targets().filter(|_| self.is_current()).cloned();
        let top = top.ok_or_else(|| Refusal::OutOfOrder { role: RoleName::targets() })?;
        self.found = None;
        self.stage = self.visit(Search::new(target)?, &RoleName::targets(), &top);
        Ok(())
    }

    /// The result of a search, returned once, after the search has ended.
    ///
    /// An error means that a role which is responsible for the target was refused or is missing. Roles with a lower
    /// priority are then not searched, because what they describe may not be the target that was published.
    pub fn found(&mut self) -> Option<Result<Found, Refusal>> {
        self.found.take()
    }

    fn delegated(&self, visit: &Visit, bytes: &[u8]) -> Result<Arc<Targets>, Refusal> {
        let delegator = (&visit.delegator_name, visit.delegator.as_ref());
        self.trusted.delegated(&visit.role, delegator, bytes).map(Arc::new)
    }

    /// Searches a role, and continues with the next one.
    fn visit(&mut self, mut search: Search, role: &RoleName, targets: &Arc<Targets>) -> Stage {
        if let Some(file) = search.visit(role, targets) {
            return self.ended(Ok(Found::Target { role: role.clone(), file }));
        }
        match search.next_step() {
            Ok(Step::Load(visit)) => match self.trusted.listed(&visit.role) {
                Ok(_) => Stage::Delegated { search, visit, from: From::Storage },
                Err(refusal) => self.ended(Err(refusal)),
            },
            Ok(Step::Absent) => self.ended(Ok(Found::Absent)),
            Err(refusal) => self.ended(Err(refusal)),
        }
    }

    fn ended(&mut self, found: Result<Found, Refusal>) -> Stage {
        self.found = Some(found);
        Stage::Ready
    }

    fn next_root(&mut self, bytes: &[u8], rotations: u32) -> Result<Stage, Refusal> {
        if self.trusted.update_root(bytes)? == Rotation::Recover {
            // Before the root: after a crash in between, the root is requested again.
            self.effects.push_back(Action::Remove { role: RoleName::timestamp() });
            self.effects.push_back(Action::Remove { role: RoleName::snapshot() });
        }
        self.write(RoleName::root(), bytes);
        if rotations < ROOT_ROTATIONS {
            return Ok(Stage::Root { rotations });
        }
        Ok(Stage::Timestamp(From::Storage))
    }

    fn write(&mut self, role: RoleName, bytes: &[u8]) {
        self.effects.push_back(Action::Write { role, bytes: bytes.to_vec() });
    }
}

fn read(role: RoleName, limit: u64) -> Action {
    Action::Read { role, limit }
}

fn present<'a>(role: &RoleName, bytes: Option<&'a [u8]>) -> Result<&'a [u8], Refusal> {
    bytes.ok_or_else(|| Refusal::Missing { role: role.clone() })
}
