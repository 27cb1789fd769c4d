//! The operations of operators and the command line. Each service checks permissions and input, changes the store,
//! and writes the audit.
//!
//! The API, the pages and the command line can't access the store directly: they read through a [`View`], which
//! belongs to one scope and can't change anything, and change things through a service.

pub(crate) mod accounts;
mod actor;
pub(crate) mod assets;
pub(crate) mod audit;
mod audit_file;
pub(crate) mod commands;
pub(crate) mod customer_file;
pub(crate) mod customers;
mod dealers;
pub(crate) mod idempotency;
mod images;
mod known_browsers;
pub(crate) mod password;
mod quarantine;
pub(crate) mod rollouts;
mod second_factors;
mod sessions;
pub(crate) mod settings;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;
mod users;
mod view;

use std::sync::Arc;

use comm_server_core::cadence::Cadence;

use crate::store::Store;

pub(crate) use accounts::{AccountError, Accounts, Invited};
pub(crate) use actor::{Actor, Forbidden};
pub(crate) use assets::Assets;
pub(crate) use audit::{Audit, AuditError, AuditExport, EXPORT_ENTRIES, Standing};
pub(crate) use audit_file::{AuditFormat, document as audit_document};
pub(crate) use commands::{CommandError, Commands, RequestKind};
pub(crate) use customer_file::{FileError, FileOutcome, ImportMode, WrongRow};
pub(crate) use customers::{Customers, CustomersError};
pub(crate) use dealers::{Dealers, FirstAdministrator};
pub(crate) use images::{Image, Images, ImagesError};
pub(crate) use known_browsers::KNOWN_S;
pub(crate) use password::HashError;
pub(crate) use password::check_file as check_leaked_hashes;
pub(crate) use quarantine::{Quarantine, QuarantineError};
pub(crate) use rollouts::{OrderError, Rollouts};
pub(crate) use second_factors::{CodeError, FactorError, FactorStanding, NewSecret, SecondFactors};
pub(crate) use sessions::{Session, SessionError, Sessions};
pub(crate) use settings::{PlaceSetting, Settings, SettingsError};
pub(crate) use tokens::{MadeToken, Tokens};
pub use users::Users;
pub(crate) use users::{
    FirstLoginError, LoggedIn, Login, LoginError, Origin, PasswordError, PasswordResetError,
};
pub(crate) use view::{View, Views};

/// All services on one store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    /// The views.
    pub(crate) views: Views,
    /// Assets and the devices under them.
    pub(crate) assets: Assets,
    /// The audit.
    pub(crate) audit: Audit,
    /// Commands to gateways.
    pub(crate) commands: Commands,
    /// Customers and sites.
    pub(crate) customers: Customers,
    /// Dealers, for the provider.
    pub(crate) dealers: Dealers,
    /// Settings of the places in the tree.
    pub(crate) settings: Settings,
    /// Firmware roll-outs and published images.
    pub(crate) rollouts: Rollouts,
    /// Quarantined reports.
    pub(crate) quarantine: Quarantine,
    /// Logins and passwords.
    pub users: Users,
    /// Accounts of people.
    pub(crate) accounts: Accounts,
    /// Tokens of programs.
    pub(crate) tokens: Tokens,
    pub(crate) idempotency: idempotency::Idempotency,
    pub(crate) second_factors: SecondFactors,
    pub(crate) sessions: Sessions,
}

impl Services {
    /// The services on a store. Without `images`, no image is listed and no roll-out can be ordered.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(store: &Store, cadence: Cadence, images: Option<Images>) -> Result<Self, HashError> {
        Ok(Self::with_users(store, cadence, images, Users::new(store)?))
    }

    /// As [`Services::new`], with a given service for logins.
    #[must_use]
    pub(crate) fn with_users(store: &Store, cadence: Cadence, images: Option<Images>, users: Users) -> Self {
        Self {
            customers: Customers::new(store.clone()),
            dealers: Dealers::new(store.clone()),
            settings: Settings::new(store.clone(), cadence),
            assets: Assets::new(store.clone()),
            audit: Audit::new(store.clone()),
            views: Views::new(store.clone()),
            commands: Commands::new(store.clone()),
            rollouts: Rollouts::new(store.clone(), images.map(Arc::new)),
            quarantine: Quarantine::new(store.clone()),
            tokens: Tokens::new(store.clone()),
            accounts: Accounts::new(store.clone(), users.clone()),
            idempotency: idempotency::Idempotency::new(store.clone()),
            second_factors: SecondFactors::new(store.clone(), users.clone()),
            users,
            sessions: Sessions::new(store.clone()),
        }
    }
}
