//! Logins: whether a password may be tried now, and the order of the costly password hashes. Pure.
//!
//! Failed attempts are limited per account and source, so that nobody can lock another user out. A browser that
//! logged in before has a signed cookie and is a source of its own ("device cookies" of OWASP). Attempts from many
//! networks are limited per account as well; that limit doesn't apply to known browsers.

mod attempts;
mod queue;

pub use attempts::{FORGOTTEN, Failures, Locked, Source, account_failed, failed, may_try};
pub use queue::{FairQueue, Full};
