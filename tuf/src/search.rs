//! The search for a target through delegations: pre-order and depth first (TUF §5.6.7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::file::TargetFile;
use crate::limits::{DELEGATIONS, TARGET_PATH_BYTES};
use crate::name::RoleName;
use crate::refusal::Refusal;
use crate::role::Targets;

/// A search for one target. It loads the roles that are responsible for the target's path, and no others.
#[derive(Debug)]
pub(crate) struct Search {
    target: String,
    /// Roles to visit, the next one last.
    stack: Vec<Visit>,
    visited: BTreeSet<RoleName>,
}

/// A role to load, with the role that delegates to it.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) role: RoleName,
    pub(crate) delegator_name: RoleName,
    pub(crate) delegator: Arc<Targets>,
}

/// The next step of a search.
#[derive(Debug)]
pub(crate) enum Step {
    /// Load a role, then pass it to [`Search::visit`].
    Load(Visit),
    /// No role describes the target.
    Absent,
}

impl Search {
    pub(crate) fn new(target: &str) -> Result<Self, Refusal> {
        if target.is_empty() || target.len() > TARGET_PATH_BYTES {
            return Err(Refusal::TargetPath { length: target.len(), limit: TARGET_PATH_BYTES });
        }
        Ok(Self { target: target.to_owned(), stack: Vec::new(), visited: BTreeSet::new() })
    }

    /// Searches a role: its targets first, then the roles that it delegates the path to.
    pub(crate) fn visit(&mut self, role: &RoleName, targets: &Arc<Targets>) -> Option<TargetFile> {
        self.visited.insert(role.clone());
        if let Some(file) = targets.targets.get(&self.target) {
            return Some(file.clone());
        }
        let delegations = targets.delegations.as_ref()?;
        let (children, terminating) = delegations.roles_for(&self.target);
        if terminating {
            self.stack.clear();
        }
        self.stack.extend(children.into_iter().rev().map(|child| Visit {
            role: child,
            delegator_name: role.clone(),
            delegator: Arc::clone(targets),
        }));
        None
    }

    /// The next role. Roles that were visited before are skipped, so that cycles end.
    pub(crate) fn next_step(&mut self) -> Result<Step, Refusal> {
        while let Some(visit) = self.stack.pop() {
            if self.visited.contains(&visit.role) {
                continue;
            }
            // The top-level role counts as visited and isn't a delegation.
            if self.visited.len() > DELEGATIONS {
                return Err(Refusal::TooManyDelegations { target: self.target.clone(), limit: DELEGATIONS });
            }
            return Ok(Step::Load(visit));
        }
        Ok(Step::Absent)
    }
}

/// All targets that a client finds, with the role that describes each. `delegated` has the roles that a client accepts:
/// a target behind a role that isn't among them is not found.
#[must_use]
pub fn visible(
    top: &Arc<Targets>,
    delegated: &BTreeMap<RoleName, Arc<Targets>>,
) -> BTreeMap<String, (RoleName, TargetFile)> {
    let all = [top].into_iter().chain(delegated.values()).flat_map(|role| role.targets.keys());
    let names: BTreeSet<&String> = all.collect();
    names.into_iter().filter_map(|name| Some((name.clone(), find(top, delegated, name)?))).collect()
}

fn find(
    top: &Arc<Targets>,
    delegated: &BTreeMap<RoleName, Arc<Targets>>,
    target: &str,
) -> Option<(RoleName, TargetFile)> {
    let mut search = Search::new(target).ok()?;
    let (mut name, mut role) = (RoleName::targets(), top);
    loop {
        if let Some(file) = search.visit(&name, role) {
            return Some((name, file));
        }
        match search.next_step() {
            Ok(Step::Load(visit)) => (role, name) = (delegated.get(&visit.role)?, visit.role),
            Ok(Step::Absent) | Err(_) => return None,
        }
    }
}
