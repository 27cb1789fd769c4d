//! Creating a repository.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tuf::{Document, RoleKeys, RoleName, Root, Targets};

use super::error::RepositoryError;
use super::files::make_dir;
use super::keys::{Keyring, SigningKey};
use super::state::{Held, SPEC_VERSION, empty_targets};
use super::timestamps::{Due, Listing};
use super::{Lifetimes, ROOT, Repository};

impl Repository {
    /// Creates a repository: a key for each top-level role, a root, and no images.
    ///
    /// # Errors
    /// The directory already holds one, or can't be written.
    pub fn init(dir: &Path, lifetimes: Lifetimes, now: Timestamp) -> Result<Self, RepositoryError> {
        let repository = Self::at(dir);
        for (path, mode) in [
            (dir.to_owned(), 0o755),
            (dir.join("keys"), 0o700),
            (dir.join("metadata"), 0o755),
            (dir.join("images"), 0o755),
        ] {
            make_dir(&path, mode)?;
        }
        let _lock = repository.lock()?;
        if repository.metadata_path(ROOT).exists() {
            return Err(RepositoryError::Exists { dir: dir.to_owned() });
        }
        let mut keyring = Keyring::default();
        let (mut keys, mut roles) = (Map::new(), Map::new());
        for role in [RoleName::root(), RoleName::targets(), RoleName::snapshot(), RoleName::timestamp()] {
            let key = repository.first_key(&role)?;
            keys.insert(key.id().to_owned(), key.public().clone());
            roles.insert(role.as_str().to_owned(), json!({"keyids": [key.id()], "threshold": 1}));
            keyring.add(key);
        }
        let (name, targets_name) = (RoleName::root(), RoleName::targets());
        let root = json!({"_type": "root", "spec_version": SPEC_VERSION, "version": 1,
            "expires": lifetimes.expires(&name, now), "consistent_snapshot": true, "keys": keys, "roles": roles});
        let root: Held<Root> = signed(&name, root, &keyring, |root: &Root| root.roles.root.clone())?;
        let mut targets = empty_targets();
        targets["expires"] = lifetimes.expires(&targets_name, now).into();
        let role_keys = root.role.roles.targets.clone();
        let targets: Held<Targets> = signed(&targets_name, targets, &keyring, |_| role_keys)?;
        repository.write_version::<Targets>(&targets_name, 1, &targets.document)?;
        repository.write_metadata("targets.json", &targets.document.to_bytes())?;
        let listing = Listing { root: &root.role, targets: &targets, delegated: &Default::default() };
        repository.timestamps(&listing, &keyring, Due::Now, (lifetimes, now))?;
        repository.write_version::<Root>(&name, 1, &root.document)?;
        // Last: without it there is no repository, and `init` may be run again.
        repository.write_metadata(ROOT, &root.document.to_bytes())?;
        Ok(repository)
    }

    /// The key of a role: one that an interrupted `init` made, or a new one.
    pub(super) fn first_key(&self, role: &RoleName) -> Result<SigningKey, RepositoryError> {
        let path = self.key_path(role);
        if path.exists() { SigningKey::read(&path) } else { SigningKey::generate(&path) }
    }
}

fn signed<R: tuf::Role>(
    name: &RoleName,
    value: Value,
    keyring: &Keyring,
    keys: impl FnOnce(&R) -> RoleKeys,
) -> Result<Held<R>, RepositoryError> {
    let mut document = Document::new(value).map_err(RepositoryError::Canonical)?;
    let held = Held::<R>::new(name, document.clone())?;
    keyring.sign(&mut document, &keys(&held.role))?;
    Ok(Held { document, role: held.role })
}
