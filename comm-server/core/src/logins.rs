//! Logins: who may try a password now, and who is next for the costly work of checking one. Pure.
//!
//! Guessing is limited for an account by where it comes from, so that nobody locks somebody else out. A browser that
//! logged in before has a signed cookie and is a source of its own ("device cookies" of OWASP). Guesses from many networks
//! at once meet a slow limit of the whole account, which doesn't count for known browsers.

mod attempts;
mod queue;

pub use attempts::{FORGOTTEN, Failures, Locked, Source, account_failed, failed, may_try};
pub use queue::{FairQueue, Full};
