//! What operators and the command line do: each service checks permissions and input, changes the store, and writes the
//! audit.
//!
//! The API, the pages and the command line have no store of their own: they read through a [`View`], which belongs to one
//! scope and can't change anything, and change things through a service.

pub mod accounts;
mod actor;
pub mod audit;
mod audit_file;
pub mod commands;
pub mod customer_file;
pub mod customers;
mod images;
mod known_browsers;
pub(crate) mod password;
mod quarantine;
pub mod rollouts;
mod sessions;
pub mod settings;
#[cfg(test)]
mod tests;
pub mod tokens;
mod users;
mod view;

use std::sync::Arc;

use comm_server_core::cadence::Cadence;
use comm_server_core::tenancy::Scope;

use crate::store::Store;

pub use accounts::{AccountError, Accounts, Invited};
pub use actor::{Actor, Forbidden};
pub use audit::{Audit, AuditError, AuditExport, EXPORT_ENTRIES, Standing};
pub use audit_file::{AuditFormat, document as audit_document};
pub use commands::{CommandError, Commands, RequestKind};
pub use customer_file::{FileError, FileOutcome, ImportMode, WrongRow};
pub use customers::{Customers, CustomersError};
pub use images::{Image, Images, ImagesError};
pub(crate) use known_browsers::KNOWN_S;
pub use password::{HashError, WeakPassword};
pub use quarantine::{Quarantine, QuarantineError};
pub use rollouts::{OrderError, Rollouts};
pub(crate) use sessions::{Session, SessionError, Sessions};
pub use settings::{PlaceSetting, Settings, SettingsError};
pub use tokens::{MadeToken, Tokens};
pub use users::{FirstLoginError, PasswordResetError, Users};
pub(crate) use users::{LoggedIn, Login, LoginError, PasswordError};
pub use view::{View, Views};

/// All services on one store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    /// The views.
    pub views: Views,
    /// The audit.
    pub audit: Audit,
    /// Commands to gateways.
    pub commands: Commands,
    /// Customers and sites.
    pub customers: Customers,
    /// Settings of the places in the tree.
    pub settings: Settings,
    /// Firmware roll-outs and published images.
    pub rollouts: Rollouts,
    /// Quarantined reports.
    pub quarantine: Quarantine,
    /// Logins and passwords.
    pub users: Users,
    /// Accounts of people.
    pub accounts: Accounts,
    /// Tokens of programs.
    pub tokens: Tokens,
    pub(crate) sessions: Sessions,
}

impl Services {
    /// The services on a store; logins are in `scope`. Without `images`, no image is listed and no roll-out can be ordered.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(
        store: &Store,
        scope: &Scope,
        cadence: Cadence,
        images: Option<Images>,
    ) -> Result<Self, HashError> {
        let users = Users::new(store, scope)?;
        Ok(Self {
            customers: Customers::new(store.clone()),
            settings: Settings::new(store.clone(), cadence),
            audit: Audit::new(store.clone()),
            views: Views::new(store.clone()),
            commands: Commands::new(store.clone()),
            rollouts: Rollouts::new(store.clone(), images.map(Arc::new)),
            quarantine: Quarantine::new(store.clone()),
            tokens: Tokens::new(store.clone()),
            accounts: Accounts::new(store.clone(), users.clone()),
            users,
            sessions: Sessions::new(store.clone()),
        })
    }
}
