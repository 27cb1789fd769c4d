//! The actor of an operation: an operator with a role, or the command line.

use comm_server_core::roles::{Permission, Role};
use comm_server_core::tenancy::Scope;

/// The name of the command line in the audit.
const COMMAND_LINE: &str = "cli";

/// The author of a change or read, and the tenant.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    /// The scope of the actor.
    pub scope: Scope,
    /// The operator's name, or `cli`; it is written to the audit.
    pub name: String,
    authority: Authority,
}

#[derive(Debug, Clone, Copy)]
enum Authority {
    Role(Role),
    /// The command line, which has all permissions: a person who can run it can read the configuration and the
    /// database anyway.
    CommandLine,
}

/// The actor's role lacks a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the role {} does not allow this", role.name())]
pub(crate) struct Forbidden {
    role: Role,
}

impl Actor {
    /// An operator.
    #[must_use]
    pub(crate) fn operator(scope: Scope, name: &str, role: Role) -> Self {
        Self { scope, name: name.to_owned(), authority: Authority::Role(role) }
    }

    /// The command line, which has every permission.
    #[must_use]
    pub(crate) fn command_line(scope: Scope) -> Self {
        Self { scope, name: COMMAND_LINE.to_owned(), authority: Authority::CommandLine }
    }

    /// Whether the actor has a permission.
    #[must_use]
    pub(crate) const fn may(&self, permission: Permission) -> bool {
        match self.authority {
            Authority::Role(role) => {
                let is_elsewhere = permission.is_of_whole_tenant() && self.scope.granted().is_some();
                role.may(permission) && !is_elsewhere
            }
            Authority::CommandLine => true,
        }
    }

    /// Rejects an actor without the permission.
    ///
    /// # Errors
    /// The role lacks it.
    pub(crate) const fn check(&self, permission: Permission) -> Result<(), Forbidden> {
        match self.authority {
            Authority::Role(role) if !self.may(permission) => Err(Forbidden { role }),
            Authority::Role(_) | Authority::CommandLine => Ok(()),
        }
    }
}
