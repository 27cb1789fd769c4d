//! What is trusted of the firmware repository, in one file: the roles that were verified last, under a digest.
//!
//! The file is replaced atomically. A damaged one is an error: to begin again without it would accept metadata that is
//! older than what was seen.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tuf::limits::{ROOT_BYTES, SNAPSHOT_BYTES, TARGETS_BYTES, TIMESTAMP_BYTES};
use tuf::{Refusal, RoleName, Snapshot};

use super::error::StagingError;
use crate::repository::{self, Store};

/// Name of the file in the folder of images.
const FILE: &str = "trust";

/// The version of the targets that a former version of the gateway had trusted.
const FORMER: &str = "newest-targets";

/// Delegated roles that are kept; a further one is requested each time.
const KEPT_ROLES: usize = 64;

/// Bytes of the file: escaped as JSON, a role takes at most twice its bytes.
const FILE_BYTES: u64 =
    2 * (ROOT_BYTES + TIMESTAMP_BYTES + SNAPSHOT_BYTES + (KEPT_ROLES as u64 + 1) * TARGETS_BYTES);

/// The content of the file, below its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// SHA-256 of the provisioned root from which this was reached.
    anchor: String,
    /// Files by role, as they were received.
    roles: BTreeMap<String, String>,
}

/// What is trusted.
#[derive(Debug)]
pub(super) struct Trust {
    path: PathBuf,
    content: Content,
    stored: Option<Content>,
    /// No older targets are accepted, if nothing newer is known.
    former: Option<NonZeroU64>,
    /// The targets are older than those: nothing of this update is kept.
    refused: bool,
}

impl Trust {
    /// Reads the file. If another root was provisioned since, trust begins with that one.
    pub(super) fn load(dir: &Path, anchor: &[u8]) -> Result<Self, StagingError> {
        let path = dir.join(FILE);
        let anchor = hex::encode(digest(&SHA256, anchor));
        let read = repository::read(&path, FILE_BYTES).map_err(StagingError::storage(&path))?;
        let stored = read.map(|bytes| parse(&path, &bytes)).transpose()?;
        let former = if stored.is_none() { former(dir)? } else { None };
        let content = match stored.clone() {
            Some(stored) if stored.anchor == anchor => stored,
            Some(_) => {
                tracing::warn!("another root was provisioned: trust in the firmware metadata begins with it");
                Content { anchor, roles: BTreeMap::new() }
            }
            None => Content { anchor, roles: BTreeMap::new() },
        };
        Ok(Self { path, content, stored, former, refused: false })
    }

    /// The newest trusted root, if it isn't the provisioned one.
    pub(super) fn root(&self) -> Option<&[u8]> {
        self.content.roles.get(RoleName::root().as_str()).map(String::as_bytes)
    }

    /// Rejects targets that are older than those which a former version of the gateway trusted.
    pub(super) fn check_former(&mut self, found: NonZeroU64) -> Result<(), Refusal> {
        match self.former {
            Some(trusted) if found < trusted => {
                self.refused = true;
                Err(Refusal::Rollback { file: "targets.json".to_owned(), found, trusted })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Replaces the file durably if anything changed. Delegated roles that the snapshot doesn't list are dropped.
    pub(super) fn save(mut self, snapshot: Option<&Snapshot>) -> Result<(), StagingError> {
        if let Some(snapshot) = snapshot {
            let top = ["root", "timestamp", "snapshot", "targets"];
            let listed = |role: &String| snapshot.meta.contains_key(&format!("{role}.json"));
            self.content.roles.retain(|role, _| top.contains(&role.as_str()) || listed(role));
        }
        // Without the snapshot that goes with them, targets of a former gateway are still the newest known.
        let nothing =
            self.refused || self.content.roles.is_empty() || (self.former.is_some() && snapshot.is_none());
        if nothing || self.stored.as_ref() == Some(&self.content) {
            return Ok(());
        }
        let failed = |source| StagingError::Storage { path: self.path.clone(), source };
        let json = serde_json::to_vec(&self.content).map_err(|error| failed(error.into()))?;
        let mut bytes = hex::encode(digest(&SHA256, &json)).into_bytes();
        bytes.push(b'\n');
        bytes.extend(json);
        durable::write(&self.path, &bytes, 0o644).map_err(failed)
    }
}

impl Store<StagingError> for Trust {
    fn read(&mut self, role: &RoleName, _limit: u64) -> Result<Option<Vec<u8>>, StagingError> {
        Ok(self.content.roles.get(role.as_str()).map(|file| file.clone().into_bytes()))
    }

    fn write(&mut self, role: &RoleName, bytes: &[u8]) -> Result<(), StagingError> {
        // Metadata is JSON, and JSON is UTF-8.
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
        if self.content.roles.len() < KEPT_ROLES || self.content.roles.contains_key(role.as_str()) {
            self.content.roles.insert(role.as_str().to_owned(), text.to_owned());
        }
        Ok(())
    }

    fn remove(&mut self, role: &RoleName) -> Result<(), StagingError> {
        self.content.roles.remove(role.as_str());
        Ok(())
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Content, StagingError> {
    let damaged = |problem: String| StagingError::DamagedState { path: path.to_owned(), problem };
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (stated, json) = bytes.split_at(at);
    let json = json.get(1..).unwrap_or_default();
    if hex::encode(digest(&SHA256, json)).as_bytes() != stated {
        return Err(damaged("its digest doesn't match".to_owned()));
    }
    serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))
}

/// The version that a former gateway had trusted. A file that is not a number is an error: to ignore it would permit a
/// rollback.
fn former(dir: &Path) -> Result<Option<NonZeroU64>, StagingError> {
    let path = dir.join(FORMER);
    match std::fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse::<u64>() {
            Ok(version) => Ok(NonZeroU64::new(version)),
            Err(error) => Err(StagingError::DamagedState { path, problem: error.to_string() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StagingError::storage(&path)(error)),
    }
}
