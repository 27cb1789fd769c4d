//! Records that only the spool keeps.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wire::reading::Identity;
use wire::report::Call;

/// An e-mail that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedMail {
    /// Its id, UUID version 7: mails are sent in its order.
    pub id: Uuid,
    /// The call.
    pub call: Call,
    /// The device.
    pub identity: Identity,
    /// The device's address.
    pub address: String,
    /// Attempts so far.
    #[serde(default)]
    pub attempts: u32,
    /// Not before this.
    pub not_before: Timestamp,
}
