//! What the gateway does when its spool can't be opened or can't store a change: when it tries again, and when it stops.

use std::time::Duration;

/// The pause before the spool is opened again.
const OPEN_PAUSE: Duration = Duration::from_secs(1);

/// The pause before a change is stored again.
const COMMIT_PAUSE: Duration = Duration::from_secs(2);

/// Time after the begin of the shutdown during which decided changes may still be stored.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Why the spool can't be opened or can't store a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageFailure {
    /// The disk or the spool's limit has no room; nothing is damaged.
    NoRoom,
    /// The files can't be read or written, or a record can't be encoded or decoded.
    Unusable,
    /// The spool is closed because the program ends.
    Closed,
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageStep {
    /// Repeat the operation after a pause.
    RetryAfter(Duration),
    /// No further attempt.
    Stop,
}

impl StorageFailure {
    /// The step after the spool couldn't be opened. A full disk may get room again; a damaged spool needs an
    /// administrator.
    #[must_use]
    pub const fn after_open(self) -> StorageStep {
        match self {
            Self::NoRoom => StorageStep::RetryAfter(OPEN_PAUSE),
            Self::Unusable | Self::Closed => StorageStep::Stop,
        }
    }

    /// The step after a change couldn't be stored. While the program runs, a decided change is never dropped, and
    /// nothing is sent or done before the change is stored.
    #[must_use]
    pub const fn after_commit(self) -> StorageStep {
        match self {
            Self::NoRoom | Self::Unusable => StorageStep::RetryAfter(COMMIT_PAUSE),
            Self::Closed => StorageStep::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StorageFailure::{Closed, NoRoom, Unusable};
    use super::StorageStep::{RetryAfter, Stop};
    use super::*;

    #[test]
    fn a_full_disk_is_waited_for_and_a_damaged_spool_is_not_opened_again() {
        for (failure, after_open, after_commit) in [
            (NoRoom, RetryAfter(OPEN_PAUSE), RetryAfter(COMMIT_PAUSE)),
            (Unusable, Stop, RetryAfter(COMMIT_PAUSE)),
            (Closed, Stop, Stop),
        ] {
            assert_eq!(failure.after_open(), after_open, "{failure:?}");
            assert_eq!(failure.after_commit(), after_commit, "{failure:?}");
        }
    }
}
