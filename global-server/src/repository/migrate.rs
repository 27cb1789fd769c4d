//! Migrating a repository of a former version, which had two roles: root and targets.
//!
//! Its root becomes version 1 of the chain, so that gateways that were given it follow to the complete one.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tuf::{Document, RoleName, Root, Targets, TrustedSet};

use super::error::RepositoryError;
use super::files::{make_dir, read, versioned};
use super::outcome::Outcome;
use super::state::Held;
use super::timestamps::{Due, Listing};
use super::{Lifetimes, ROOT, Repository};

impl Repository {
    /// Migrates a repository; `keys` are files of keys beside those in `keys`. The key of the root must be among them.
    ///
    /// # Errors
    /// It isn't of a former version, its metadata isn't trusted, or the root's key isn't here.
    pub(crate) fn migrate(
        dir: &Path,
        keys: &[PathBuf],
        lifetimes: Lifetimes,
        now: Timestamp,
    ) -> Result<(Self, Outcome), RepositoryError> {
        match Self::open(dir) {
            Err(RepositoryError::Former { .. }) => {}
            Ok(_) => return Err(RepositoryError::NotFormer { dir: dir.to_owned() }),
            Err(error) => return Err(error),
        }
        let repository = Self::at(dir).with_keys(keys);
        let _lock = repository.lock()?;
        let outcome = repository.migrated(lifetimes, now)?;
        Ok((repository, outcome))
    }

    fn migrated(&self, lifetimes: Lifetimes, now: Timestamp) -> Result<Outcome, RepositoryError> {
        let (root_name, name) = (RoleName::root(), RoleName::targets());
        let path = self.metadata_path(ROOT);
        let bytes = read(&path, tuf::limit::<Root>())?.ok_or(RepositoryError::Absent { path })?;
        let former = TrustedSet::from_anchor(&bytes, now).map_err(|refusal| self.untrusted(refusal))?;
        let former = former.root().clone();
        let absent = || self.untrusted(tuf::Refusal::Missing { role: name.clone() });
        let targets = self.document::<Targets>(&name, "targets.json")?.ok_or_else(absent)?;
        if !targets.is_signed(&former.keys, &former.roles.targets) {
            let valid = targets.signers(&former.keys, &former.roles.targets).len();
            let threshold = former.roles.targets.threshold.get();
            let (role, delegator) = (name.clone(), root_name.clone());
            return Err(self.untrusted(tuf::Refusal::Threshold { role, delegator, valid, threshold }));
        }
        let targets: Held<Targets> = Held::new(&name, targets)?;
        let document =
            Document::parse::<Root>(&root_name, &bytes).map_err(|refusal| self.untrusted(refusal))?;
        let root = self.complete(&former, &document, lifetimes, now)?;
        make_dir(&self.dir().join("pending"), 0o755)?;
        self.write_version::<Targets>(&name, targets.role.version.get(), &targets.document)?;
        let keyring = self.keyring()?;
        let listing = Listing { root: &root.role, targets: &targets, delegated: &Default::default() };
        let (mut installed, missing) = self.timestamps(&listing, &keyring, Due::Now, (lifetimes, now))?;
        self.write_metadata(&versioned(&root_name, former.version.get()), &bytes)?;
        let version = root.role.version.get();
        self.write_version::<Root>(&root_name, version, &root.document)?;
        self.write_metadata(ROOT, &root.document.to_bytes())?;
        let role = root_name.as_str().to_owned();
        installed.insert(0, super::outcome::Installed { role, version });
        Ok(Outcome { installed, missing })
    }

    /// The next root: the former one with keys for snapshot and timestamp, which are made here.
    fn complete(
        &self,
        former: &Root,
        document: &Document,
        lifetimes: Lifetimes,
        now: Timestamp,
    ) -> Result<Held<Root>, RepositoryError> {
        let name = RoleName::root();
        let mut signed = document.signed().clone();
        for role in [RoleName::snapshot(), RoleName::timestamp()] {
            let key = self.first_key(&role)?;
            signed["keys"][key.id()] = key.public().clone();
            signed["roles"][role.as_str()] = serde_json::json!({"keyids": [key.id()], "threshold": 1});
        }
        signed["consistent_snapshot"] = true.into();
        signed["version"] = (former.version.get() + 1).into();
        signed["expires"] = lifetimes.expires(&name, now).into();
        let mut next = Document::new(signed).map_err(RepositoryError::Canonical)?;
        self.keyring()?.sign(&mut next, &former.roles.root)?;
        if !next.is_signed(&former.keys, &former.roles.root) {
            return Err(RepositoryError::NoRootKey { path: self.key_path(&name) });
        }
        Held::new(&name, next)
    }
}
