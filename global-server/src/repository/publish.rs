//! Publishing an image: it is copied, hashed and made durable before signed metadata names it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use durable::NewFile;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tuf::RoleName;
use wire::image::{ImageFacts, target_name};
use wire::limits::IMAGE_BYTES;
use wire::text::is_hidden;

use super::error::{RepositoryError, at};
use super::history::{Deed, Entry};
use super::outcome::Outcome;
use super::state::{State, sha256_of};
use super::timestamps::Due;
use super::{Lifetimes, Repository};

const FACT_CHARS: usize = 64;
const CHUNK_BYTES: usize = 256 << 10;

/// The image to publish.
#[derive(Debug, Clone)]
pub struct Image<'a> {
    /// Vendor, as in a reading.
    pub vendor: &'a str,
    /// Model, as in a reading.
    pub model: &'a str,
    /// Version that the device shows afterwards.
    pub version: &'a str,
    /// The file.
    pub file: &'a Path,
}

/// A published image.
#[derive(Debug, Clone, Serialize)]
pub struct Published {
    /// Name of the target.
    pub target: String,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub length: u64,
    /// The role that describes it: `targets`, or the maker's.
    pub role: String,
    /// Version of the role.
    pub metadata_version: u64,
    /// Whether the same content was already published under this name, so that nothing changed.
    pub already: bool,
    /// What must still be signed.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Repository {
    /// Publishes an image; `progress` receives the number of bytes copied.
    ///
    /// # Errors
    /// The image is empty, too large, or its name is used for other content; or the repository can't be changed.
    pub fn publish(
        &self,
        image: &Image<'_>,
        lifetimes: Lifetimes,
        now: Timestamp,
        mut progress: impl FnMut(u64),
    ) -> Result<Published, RepositoryError> {
        let facts = facts(image, now)?;
        let target = target_name(image.vendor, image.model, image.version);
        let _lock = self.lock()?;
        let state = self.state()?;
        let role = state.role_of(&target)?;
        let mut signed = state.base(&role);
        let incoming = Incoming::copy(self, image.file, &mut progress)?;
        let (sha256, length) = (incoming.sha256.clone(), incoming.length);
        if let Some(known) = signed["targets"].get(&target).map(sha256_of) {
            if known != sha256 {
                return Err(RepositoryError::Duplicate { target, published: known });
            }
            // The copy replaces what may have been damaged since.
            incoming.keep(self)?;
            let metadata_version = signed["version"].as_u64().unwrap_or_default();
            // A key that was added since signs what is pending.
            let outcome = self.settle(state, Vec::new(), Due::Later, (lifetimes, now))?;
            let role = role.as_str().to_owned();
            return Ok(Published { target, sha256, length, role, metadata_version, already: true, outcome });
        }
        incoming.keep(self)?;
        signed["targets"][&target] = json!({"length": length, "hashes": {"sha256": sha256}, "custom": facts});
        let next = state.next(&role, signed, lifetimes, now)?;
        let metadata_version = next.signed()["version"].as_u64().unwrap_or_default();
        let outcome = self.settle(state, vec![(role.clone(), next)], Due::Later, (lifetimes, now))?;
        let pending = outcome.version(&role).is_none();
        let (at, action) = (now, Deed::Publish);
        let (named, hash) = (target.as_str(), sha256.as_str());
        self.record(&Entry {
            at,
            action,
            target: named,
            sha256: hash,
            metadata_version,
            pending,
            reason: None,
        })?;
        let role = role.as_str().to_owned();
        Ok(Published { target, sha256, length, role, metadata_version, already: false, outcome })
    }
}

impl State {
    /// The role that publishes a target: the top-level one if it names it already, else the maker's to which the path is
    /// delegated.
    fn role_of(&self, target: &str) -> Result<RoleName, RepositoryError> {
        let targets = self.next_targets()?;
        if targets.targets.contains_key(target) {
            return Ok(RoleName::targets());
        }
        let delegated =
            targets.delegations.as_ref().and_then(|all| all.roles_for(target).0.into_iter().next());
        Ok(delegated.unwrap_or_else(RoleName::targets))
    }
}

fn facts(image: &Image<'_>, now: Timestamp) -> Result<ImageFacts, RepositoryError> {
    let fact = |what, given: &str| {
        let given = given.trim();
        let count = given.chars().count();
        if count == 0 || count > FACT_CHARS || given.chars().any(is_hidden) || is_path(given) {
            let given = given.chars().take(FACT_CHARS).collect();
            return Err(RepositoryError::InvalidFact { what, given });
        }
        Ok(given.to_owned())
    };
    let vendor = image.vendor.trim();
    if vendor.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')) {
        return Err(RepositoryError::InvalidVendor { given: vendor.chars().take(FACT_CHARS).collect() });
    }
    Ok(ImageFacts {
        vendor: fact("vendor", image.vendor)?,
        model: fact("model", image.model)?,
        version: fact("version", image.version)?,
        published_at: now,
    })
}

/// Whether a text looks like a path: a slash may only stand between the names of a model.
fn is_path(text: &str) -> bool {
    let names_nothing = |part: &str| !part.chars().any(char::is_alphanumeric);
    text.contains('\\') || text.starts_with('.') || text.contains("..") || text.split('/').any(names_nothing)
}

/// A copy without a final name; dropping it deletes the file.
struct Incoming {
    file: NewFile,
    sha256: String,
    length: u64,
}

impl Incoming {
    /// Copies the file and computes its digest; rejects an empty or too large file.
    fn copy(
        repository: &Repository,
        path: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, RepositoryError> {
        let unreadable = |source| at(path, source);
        let mut source = File::open(path).map_err(unreadable)?;
        let too_large = || RepositoryError::TooLarge { path: path.to_owned(), limit: IMAGE_BYTES };
        if source.metadata().map_err(unreadable)?.len() > IMAGE_BYTES {
            return Err(too_large());
        }
        let place = repository.image_path("incoming");
        let file = NewFile::create(&place, 0o644).map_err(|source| at(&place, source))?;
        let mut incoming = Self { file, sha256: String::new(), length: 0 };
        let mut context = Context::new(&SHA256);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let filled = source.read(&mut chunk).map_err(unreadable)?;
            let Some(bytes) = chunk.get(..filled).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            context.update(bytes);
            incoming.length += u64::try_from(filled).unwrap_or(u64::MAX);
            if incoming.length > IMAGE_BYTES {
                return Err(too_large());
            }
            incoming.file.write_all(bytes).map_err(|source| at(&place, source))?;
            progress(incoming.length);
        }
        if incoming.length == 0 {
            return Err(RepositoryError::Empty { path: path.to_owned() });
        }
        incoming.sha256 = hex::encode(context.finish());
        Ok(incoming)
    }

    /// Renames it to its final name, durable when this returns.
    fn keep(self, repository: &Repository) -> Result<(), RepositoryError> {
        let path = repository.image_path(&self.sha256);
        self.file.persist(&path).map_err(|source| at(&path, source))
    }
}
