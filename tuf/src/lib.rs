//! A client of The Update Framework 1.0 (TUF), without I/O.
//!
//! Bytes, what was stored before and the time go in; verified roles, or a [`Refusal`] that says why there are none,
//! come out. [`TrustedSet`] has the checks. [`Client`] is the workflow around them: it says what to read, request and
//! write, and a shell does it. [`Document`] is a file that is being signed; private keys are its caller's. Nothing here reads a file, a socket, a clock or the environment.
//!
//! ```
//! use tuf::{Action, Client, Found, Refusal};
//!
//! # fn example(root: &[u8], repository: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<(), Refusal> {
//! let now = "2026-12-01T00:00:00Z".parse().unwrap_or_default();
//! let mut client = Client::new(root, now)?;
//! let mut perform = |client: &mut Client| loop {
//!     match client.next_action() {
//!         Action::Read { .. } => drop(client.stored(None)), // nothing is stored in this example
//!         Action::Fetch { path, .. } => client.fetched(repository(&path).as_deref())?,
//!         Action::Write { .. } | Action::Remove { .. } => {}
//!         Action::Idle => return Ok::<(), Refusal>(()),
//!     }
//! };
//! perform(&mut client)?;
//! client.find("ricoh/imc4500/1.23.bin")?;
//! perform(&mut client)?;
//! if let Some(Ok(Found::Target { file, .. })) = client.found() {
//!     let mut checker = file.checker("ricoh/imc4500/1.23.bin")?;
//!     checker.update(b"the first part")?;
//!     checker.finish()?;
//! }
//! # Ok(())
//! # }
//! # // A root that isn't one is refused with the place of the problem.
//! let refused = example(br#"{"signatures": [], "signed": {}}"#, &|_| None);
//! assert_eq!(refused.unwrap_err().to_string(), "root can't be read as metadata: signed._type: expected a string");
//! ```
//!
//! Beyond the specification: a member that occurs twice in an object is refused, a key counts once whatever ids it
//! has, keys of unknown types are ignored instead of making a file unusable, and everything has a limit ([`limits`]).

mod client;
mod delegation;
mod document;
mod envelope;
mod file;
mod json;
mod key;
pub mod limits;
mod name;
mod pattern;
mod refusal;
mod role;
mod search;
mod trusted;

pub use client::{Action, Client, Found};
pub use delegation::{Bins, DelegatedRole, Delegates, Delegations, Paths};
pub use document::{Document, key_id, limit};
pub use file::{FileChecker, Hashes, MetaFile, TargetFile};
pub use json::{Fraction, canonical};
pub use key::{Key, KeyValue, RoleKeys};
pub use name::{RoleName, quoted};
pub use pattern::matches;
pub use refusal::Refusal;
pub use role::{Role, Root, Snapshot, Targets, Timestamp, TimestampMeta, TopLevelRoles};
pub use search::visible;
pub use trusted::{Offered, Rotation, TrustedSet};
