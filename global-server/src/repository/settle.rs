//! Installing next versions once enough keys have signed them, and keeping the others until they have.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use jiff::Timestamp;
use tuf::{Document, Key, Role, RoleKeys, RoleName, Root, Targets};

use super::error::{RepositoryError, at};
use super::files::{self, make_dir};
use super::keys::Keyring;
use super::outcome::{Installed, Missing, Outcome};
use super::state::{Held, State, delegated_roles, empty_targets, sha256_of};
use super::timestamps::{Due, Listing};
use super::{Lifetimes, Repository};

/// Keys and the role that names them.
#[derive(Clone, Copy)]
struct Requirement<'a> {
    keys: &'a BTreeMap<String, Key>,
    role: &'a RoleKeys,
    named_by: (&'a str, NonZeroU64),
}

impl<'a> Requirement<'a> {
    fn root(by: &'a Root) -> Self {
        Self { keys: &by.keys, role: &by.roles.root, named_by: ("root", by.version) }
    }

    fn targets(by: &'a Root) -> Self {
        Self { role: &by.roles.targets, ..Self::root(by) }
    }
}

/// What is decided in the course of a change.
struct Settling<'a> {
    repository: &'a Repository,
    keyring: Keyring,
    lifetimes: Lifetimes,
    now: Timestamp,
    /// Next versions that are not decided yet.
    open: BTreeMap<RoleName, Document>,
    pending: BTreeMap<RoleName, Document>,
    outcome: Outcome,
}

impl Repository {
    /// Signs the snapshot and the timestamp again if they are due or their keys are no longer trusted.
    ///
    /// # Errors
    /// The repository can't be changed, or its metadata isn't trusted.
    pub fn refresh(
        &self,
        due: Due,
        lifetimes: Lifetimes,
        now: Timestamp,
    ) -> Result<Outcome, RepositoryError> {
        let _lock = self.lock()?;
        self.settle(self.state()?, Vec::new(), due, (lifetimes, now))
    }

    /// Signs next versions with the keys that are here, installs those with enough signatures, and brings snapshot and
    /// timestamp up to date. The caller holds the lock.
    pub(super) fn settle(
        &self,
        state: State,
        proposals: Vec<(RoleName, Document)>,
        due: Due,
        (lifetimes, now): (Lifetimes, Timestamp),
    ) -> Result<Outcome, RepositoryError> {
        let State { root, targets, delegated, pending: mut open } = state;
        open.extend(proposals);
        let (keyring, pending, outcome) = (self.keyring()?, BTreeMap::new(), Outcome::default());
        let mut settling = Settling { repository: self, keyring, lifetimes, now, open, pending, outcome };
        let (root, targets) = settling.top_level(root, targets)?;
        let delegated = settling.delegated(&targets, delegated)?;
        let listing = Listing { root: &root.role, targets: &targets, delegated: &delegated };
        let (signed, missing) = self.timestamps(&listing, &settling.keyring, due, (lifetimes, now))?;
        settling.outcome.installed.extend(signed);
        settling.outcome.missing.extend(missing);
        self.write_metadata(super::ROOT, &root.document.to_bytes())?;
        self.write_metadata("targets.json", &targets.document.to_bytes())?;
        self.keep_pending(&settling.pending)?;
        Ok(settling.outcome)
    }

    /// The signatures that pending changes lack.
    ///
    /// # Errors
    /// The metadata can't be read or isn't trusted.
    pub(crate) fn missing(&self) -> Result<Vec<Missing>, RepositoryError> {
        let State { root, targets, pending, .. } = self.state()?;
        let mut missing = Vec::new();
        for (name, document) in &pending {
            match name.as_str() {
                "root" => {
                    let next: Held<Root> = Held::new(name, document.clone())?;
                    for by in [&root.role, &next.role] {
                        missing.extend(self.lacking(name, document, Requirement::root(by)));
                    }
                }
                "targets" => {
                    let next = pending.get(&RoleName::root()).and_then(|root| root.role::<Root>(name).ok());
                    let by = next.as_ref().unwrap_or(&root.role);
                    missing.extend(self.lacking(name, document, Requirement::targets(by)));
                }
                _ => {
                    let role = delegated_roles(&targets.role).remove(name);
                    if let (Some(all), Some(role)) = (&targets.role.delegations, role) {
                        let named_by = ("targets", targets.role.version);
                        let need = Requirement { keys: &all.keys, role: &role, named_by };
                        missing.extend(self.lacking(name, document, need));
                    }
                }
            }
        }
        Ok(missing)
    }

    /// Digests of the images that pending versions name.
    pub(super) fn pending_images(&self) -> Result<Vec<String>, RepositoryError> {
        let state = self.state()?;
        let entries = state.pending.values().filter_map(|document| document.signed()["targets"].as_object());
        Ok(entries.flat_map(|targets| targets.values()).map(sha256_of).collect())
    }

    /// The signatures that a document lacks.
    fn lacking(&self, name: &RoleName, document: &Document, need: Requirement<'_>) -> Option<Missing> {
        let signers = document.signers(need.keys, need.role);
        let threshold = usize::try_from(need.role.threshold.get()).unwrap_or(usize::MAX);
        let more = threshold.saturating_sub(signers.len());
        (more > 0).then(|| Missing {
            role: name.as_str().to_owned(),
            version: document.signed()["version"].as_u64().unwrap_or_default(),
            named_by: format!("{} version {}", need.named_by.0, need.named_by.1),
            more,
            keys: need.role.key_ids.iter().filter(|id| !signers.contains(id)).cloned().collect(),
            file: Some(self.pending_path(name)),
        })
    }

    /// Writes the files that must still be signed, and removes all others.
    fn keep_pending(&self, pending: &BTreeMap<RoleName, Document>) -> Result<(), RepositoryError> {
        let dir = self.dir().join("pending");
        make_dir(&dir, 0o755)?;
        for (role, document) in pending {
            let path = self.pending_path(role);
            files::write(&path, &document.to_bytes())?;
        }
        for entry in std::fs::read_dir(&dir).map_err(|source| at(&dir, source))? {
            let path = entry.map_err(|source| at(&dir, source))?.path();
            if !pending.keys().any(|role| self.pending_path(role) == path) {
                files::remove(&path)?;
            }
        }
        Ok(())
    }
}

impl Settling<'_> {
    /// Root and targets as they are afterwards. A root whose keys don't verify the targets waits until they are signed
    /// by its keys too: gateways never see one without the other.
    fn top_level(
        &mut self,
        root: Held<Root>,
        targets: Held<Targets>,
    ) -> Result<(Held<Root>, Held<Targets>), RepositoryError> {
        let (root_name, name) = (RoleName::root(), RoleName::targets());
        let next_root = self.next_root(&root)?;
        // Keys that a pending root names sign the targets already.
        let lead = next_root.as_ref().map_or(&root.role, |(held, _)| &held.role);
        let needs = Requirement::targets(lead);
        let mut next = self.next(&name, Some(&targets))?;
        if next.is_none() && !targets.document.is_signed(needs.keys, needs.role) {
            next = Some(self.renewed(&name, &targets)?);
        }
        let complete_root = next_root.as_ref().filter(|(_, complete)| *complete).map(|(held, _)| held);
        let govern = complete_root.map_or(&root.role, |held| &held.role);
        let new_targets = match next {
            None => None,
            Some(document) => self.signed_targets(document, needs, govern)?,
        };
        let targets_after = new_targets.as_ref().unwrap_or(&targets);
        let fits =
            |root: &&Held<Root>| targets_after.document.is_signed(&root.role.keys, &root.role.roles.targets);
        let install_root = complete_root.filter(fits).cloned();
        if let Some((held, _)) = next_root.filter(|_| install_root.is_none()) {
            self.pending.insert(root_name.clone(), held.document);
        }
        let root = match install_root {
            Some(next) => {
                self.install(&root_name, &next)?;
                next
            }
            None => root,
        };
        let targets = match new_targets {
            Some(next) => {
                self.install(&name, &next)?;
                next
            }
            None => targets,
        };
        Ok((root, targets))
    }

    /// The next targets if they have enough signatures by the root that is in force; otherwise they are pending.
    fn signed_targets(
        &mut self,
        mut document: Document,
        needs: Requirement<'_>,
        govern: &Root,
    ) -> Result<Option<Held<Targets>>, RepositoryError> {
        let name = RoleName::targets();
        self.keyring.sign(&mut document, needs.role)?;
        let held: Held<Targets> = Held::new(&name, document)?;
        if held.document.is_signed(&govern.keys, &govern.roles.targets) {
            return Ok(Some(held));
        }
        self.lacks(&name, &held, &[needs]);
        self.pending.insert(name, held.document);
        Ok(None)
    }

    /// The next root, signed with the keys that are here, and whether it has enough signatures by the keys of both.
    fn next_root(&mut self, root: &Held<Root>) -> Result<Option<(Held<Root>, bool)>, RepositoryError> {
        let name = RoleName::root();
        let Some(mut document) = self.next(&name, Some(root))? else { return Ok(None) };
        let next: Held<Root> = Held::new(&name, document.clone())?;
        for keys in [&root.role.roles.root, &next.role.roles.root] {
            self.keyring.sign(&mut document, keys)?;
        }
        let next = Held { document, role: next.role };
        let needs = [&root.role, &next.role].map(Requirement::root);
        let complete = self.lacks(&name, &next, &needs);
        Ok(Some((next, complete)))
    }

    /// The delegated roles that are signed as the targets role states. One that isn't concerns its own images only.
    fn delegated(
        &mut self,
        targets: &Held<Targets>,
        mut newest: BTreeMap<RoleName, Held<Targets>>,
    ) -> Result<BTreeMap<RoleName, Held<Targets>>, RepositoryError> {
        let mut signed = BTreeMap::new();
        let Some(delegations) = &targets.role.delegations else { return Ok(signed) };
        for (name, role) in delegated_roles(&targets.role) {
            let held = newest.remove(&name);
            let needs = Requirement {
                keys: &delegations.keys,
                role: &role,
                named_by: ("targets", targets.role.version),
            };
            let is_signed = held.as_ref().is_some_and(|held| held.document.is_signed(needs.keys, needs.role));
            let next = match (self.next(&name, held.as_ref())?, &held) {
                (Some(next), _) => Some(next),
                (None, Some(held)) if !is_signed => Some(self.renewed(&name, held)?),
                (None, Some(_)) => None,
                (None, None) => Some(self.first(&name)?),
            };
            if let Some(mut document) = next {
                self.keyring.sign(&mut document, needs.role)?;
                let next: Held<Targets> = Held::new(&name, document)?;
                if self.lacks(&name, &next, &[needs]) {
                    self.install(&name, &next)?;
                    signed.insert(name, next);
                    continue;
                }
                self.pending.insert(name.clone(), next.document);
            }
            signed.extend(held.filter(|_| is_signed).map(|held| (name, held)));
        }
        Ok(signed)
    }

    /// The proposed or pending version of a role, if it follows the newest one. Any other one was overtaken.
    fn next<R: Role>(
        &mut self,
        name: &RoleName,
        newest: Option<&Held<R>>,
    ) -> Result<Option<Document>, RepositoryError> {
        let Some(document) = self.open.remove(name) else { return Ok(None) };
        let role: R = document.role(name).map_err(RepositoryError::Unwritable)?;
        let follows = newest.map_or(1, |newest| newest.role.version().get() + 1);
        Ok(Some(document).filter(|_| role.version().get() == follows))
    }

    /// The same content as the next version.
    fn renewed(&self, name: &RoleName, held: &Held<Targets>) -> Result<Document, RepositoryError> {
        let mut signed = held.document.signed().clone();
        signed["version"] = (held.role.version.get() + 1).into();
        signed["expires"] = self.lifetimes.expires(name, self.now).into();
        Document::new(signed).map_err(RepositoryError::Canonical)
    }

    /// The first version of a delegated role: no images.
    fn first(&self, name: &RoleName) -> Result<Document, RepositoryError> {
        let mut signed = empty_targets();
        signed["expires"] = self.lifetimes.expires(name, self.now).into();
        Document::new(signed).map_err(RepositoryError::Canonical)
    }

    /// Notes the signatures that are missing; `true` if there are none.
    fn lacks<R: Role>(&mut self, name: &RoleName, held: &Held<R>, needs: &[Requirement<'_>]) -> bool {
        let lacking = needs.iter().filter_map(|need| self.repository.lacking(name, &held.document, *need));
        let before = self.outcome.missing.len();
        self.outcome.missing.extend(lacking.collect::<Vec<_>>());
        self.outcome.missing.len() == before
    }

    fn install<R: Role>(&mut self, name: &RoleName, held: &Held<R>) -> Result<(), RepositoryError> {
        let version = held.role.version().get();
        self.repository.write_version::<R>(name, version, &held.document)?;
        if *name != RoleName::root() {
            self.repository.prune(name)?;
        }
        self.outcome.installed.push(Installed { role: name.as_str().to_owned(), version });
        Ok(())
    }
}
