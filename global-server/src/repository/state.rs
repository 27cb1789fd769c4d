//! The newest version of each role, verified: what the next versions are made from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use tuf::{Delegates, Document, Role, RoleKeys, RoleName, Root, Targets, TrustedSet};

use super::error::RepositoryError;
use super::files::{read, versioned};
use super::{Lifetimes, Repository};

/// The file of a role, and what it says.
#[derive(Debug, Clone)]
pub(super) struct Held<R> {
    pub(super) document: Document,
    pub(super) role: R,
}

impl<R: Role> Held<R> {
    pub(super) fn new(name: &RoleName, document: Document) -> Result<Self, RepositoryError> {
        let role = document.role(name).map_err(RepositoryError::Unwritable)?;
        Ok(Self { document, role })
    }
}

/// The newest version of each role. Expired ones count: they are about to be signed again.
#[derive(Debug)]
pub(super) struct State {
    pub(super) root: Held<Root>,
    /// Signed by the keys of the root, or of the root before if its keys were replaced and this is not yet signed again.
    pub(super) targets: Held<Targets>,
    /// Newest files of the delegated roles, whoever signed them.
    pub(super) delegated: BTreeMap<RoleName, Held<Targets>>,
    /// Next versions with too few signatures.
    pub(super) pending: BTreeMap<RoleName, Document>,
}

impl Repository {
    /// Reads and verifies; the caller holds the lock.
    pub(super) fn state(&self) -> Result<State, RepositoryError> {
        let root = self.newest_root()?;
        let name = RoleName::targets();
        let document = self.newest::<Targets>(&name)?.ok_or_else(|| self.damaged(&name))?;
        if !document.is_signed(&root.role.keys, &root.role.roles.targets)
            && !self.is_of_former_root(&root, &document)?
        {
            let signers = document.signers(&root.role.keys, &root.role.roles.targets).len();
            return Err(self.untrusted(tuf::Refusal::Threshold {
                role: name,
                delegator: RoleName::root(),
                valid: signers,
                threshold: root.role.roles.targets.threshold.get(),
            }));
        }
        let targets: Held<Targets> = Held::new(&name, document)?;
        let mut pending = BTreeMap::new();
        self.pending_of::<Root>(RoleName::root(), &mut pending)?;
        self.pending_of::<Targets>(name, &mut pending)?;
        let mut state = State { root, targets, delegated: BTreeMap::new(), pending };
        for role in delegated_roles(&state.next_targets()?).into_keys() {
            if let Some(document) = self.newest::<Targets>(&role)? {
                state.delegated.insert(role.clone(), Held::new(&role, document)?);
            }
            self.pending_of::<Targets>(role, &mut state.pending)?;
        }
        Ok(state)
    }

    /// The newest root, reached from the oldest one: each is signed by the keys of the one before.
    fn newest_root(&self) -> Result<Held<Root>, RepositoryError> {
        let name = RoleName::root();
        let mut versions = self.versions(&name)?.into_iter();
        let (mut trusted, mut newest) = (None, None);
        for version in versions.by_ref() {
            let path = self.metadata_path(&versioned(&name, version));
            let bytes = read(&path, tuf::limit::<Root>())?.ok_or_else(|| self.damaged(&name))?;
            trusted = Some(match trusted {
                None => TrustedSet::from_anchor(&bytes, Timestamp::MIN)
                    .map_err(|refusal| self.untrusted(refusal))?,
                Some(mut set) => {
                    TrustedSet::update_root(&mut set, &bytes).map_err(|refusal| self.untrusted(refusal))?;
                    set
                }
            });
            newest = Some(Document::parse::<Root>(&name, &bytes).map_err(|refusal| self.untrusted(refusal))?);
        }
        Held::new(&name, newest.ok_or_else(|| self.damaged(&name))?)
    }

    /// Whether the root before this one trusts the targets.
    fn is_of_former_root(&self, root: &Held<Root>, targets: &Document) -> Result<bool, RepositoryError> {
        let name = RoleName::root();
        let before = root.role.version.get() - 1;
        let document = self.document::<Root>(&name, &versioned(&name, before))?;
        let former = document.and_then(|document| document.role::<Root>(&name).ok());
        Ok(former.is_some_and(|former| targets.is_signed(&former.keys, &former.roles.targets)))
    }

    fn pending_of<R: Role>(
        &self,
        role: RoleName,
        pending: &mut BTreeMap<RoleName, Document>,
    ) -> Result<(), RepositoryError> {
        let path = self.pending_path(&role);
        pending.extend(self.parsed::<R>(&role, &path)?.map(|document| (role, document)));
        Ok(())
    }

    pub(super) fn untrusted(&self, source: tuf::Refusal) -> RepositoryError {
        RepositoryError::Untrusted { dir: self.dir().to_owned(), source }
    }

    fn damaged(&self, role: &RoleName) -> RepositoryError {
        self.untrusted(tuf::Refusal::Missing { role: role.clone() })
    }
}

impl State {
    /// What a change of a role starts from: the next version if one is pending, or the newest.
    pub(super) fn base(&self, role: &RoleName) -> Value {
        let newest = || match role.as_str() {
            "root" => Some(&self.root.document),
            "targets" => Some(&self.targets.document),
            _ => self.delegated.get(role).map(|held| &held.document),
        };
        self.pending
            .get(role)
            .or_else(newest)
            .map_or_else(empty_targets, |document| document.signed().clone())
    }

    /// The next version of a role, unsigned.
    pub(super) fn next(
        &self,
        role: &RoleName,
        mut signed: Value,
        lifetimes: Lifetimes,
        now: Timestamp,
    ) -> Result<Document, RepositoryError> {
        let newest = match role.as_str() {
            "root" => self.root.role.version.get(),
            "targets" => self.targets.role.version.get(),
            _ => self.delegated.get(role).map_or(0, |held| held.role.version.get()),
        };
        signed["version"] = json!(newest + 1);
        signed["expires"] = json!(lifetimes.expires(role, now));
        Document::new(signed).map_err(RepositoryError::Canonical)
    }

    /// A role that the targets delegate to, or will.
    pub(super) fn delegated_role(&self, given: &str) -> Result<RoleName, RepositoryError> {
        let roles = delegated_roles(&self.next_targets()?);
        let found = roles.keys().find(|name| name.as_str() == given).cloned();
        found.ok_or_else(|| RepositoryError::NotDelegated {
            given: given.to_owned(),
            known: roles.keys().map(|name| name.as_str().to_owned()).collect(),
        })
    }

    /// The targets role as it will be.
    pub(super) fn next_targets(&self) -> Result<Targets, RepositoryError> {
        let name = RoleName::targets();
        match self.pending.get(&name) {
            Some(document) => document.role(&name).map_err(RepositoryError::Unwritable),
            None => Ok(self.targets.role.clone()),
        }
    }
}

/// Drops the keys that no role names: of a root, whose roles are an object, or of delegations, where they are a list.
pub(super) fn drop_unused_keys(holder: &mut Value) {
    let listed = holder["roles"].as_array().into_iter().flatten();
    let named = holder["roles"].as_object().into_iter().flat_map(|roles| roles.values());
    let used: Vec<Value> =
        listed.chain(named).filter_map(|role| role["keyids"].as_array().cloned()).flatten().collect();
    if let Some(keys) = holder["keys"].as_object_mut() {
        keys.retain(|id, _| used.iter().any(|key| key == id));
    }
}

/// A targets role without targets; version and expiry are set by [`State::next`].
pub(super) fn empty_targets() -> Value {
    json!({"_type": "targets", "spec_version": SPEC_VERSION, "version": 1, "expires": "1970-01-01T00:00:00Z",
        "targets": {}})
}

/// The specification that the files follow.
pub(super) const SPEC_VERSION: &str = "1.0.31";

/// The roles that a targets role delegates to by name, with their keys.
pub(super) fn delegated_roles(targets: &Targets) -> BTreeMap<RoleName, RoleKeys> {
    match targets.delegations.as_ref().map(|delegations| &delegations.roles) {
        Some(Delegates::Listed(roles)) => {
            roles.iter().map(|role| (role.name.clone(), role.keys.clone())).collect()
        }
        Some(Delegates::Bins(_)) | None => BTreeMap::new(),
    }
}

/// The digest in an entry of `targets`.
pub(super) fn sha256_of(entry: &Value) -> String {
    entry["hashes"]["sha256"].as_str().unwrap_or_default().to_owned()
}
