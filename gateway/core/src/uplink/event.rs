//! What happens to the uplink.

use wire::command::{CommandResponseAck, Response};
use wire::ids::{CommandId, SpoolId};
use wire::poll::PollResponse;
use wire::report::{BatchResponse, Lane, Lanes};

use super::error::{RequestError, StorageError};
use crate::outbox::{Acknowledgement, LaneState};

/// The spool, as far as the uplink needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The epoch that the sequence numbers belong to.
    pub spool: SpoolId,
    /// The position of each lane.
    pub lanes: Lanes<LaneState>,
    /// Why nothing can be stored at present.
    pub problem: Option<String>,
}

impl Storage {
    /// Whether reports of the lane wait and have a number.
    pub(super) fn can_send(&self, lane: Lane) -> bool {
        let lane = self.lanes.of(lane);
        lane.numbered() > lane.acknowledged
    }
}

/// A batch that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentBatch {
    /// Sequence number of its first report.
    pub first: u64,
    /// Sequence number of its last report.
    pub last: u64,
    /// Number of reports, at least 1.
    pub count: usize,
    /// Bytes of the reports.
    pub bytes: usize,
}

/// What happened. The second part lists the results of requests; one that isn't awaited is ignored.
#[derive(Debug)]
pub enum Event {
    /// The spool changed. It must come before the result of a request that changed the spool.
    Storage(Storage),
    /// An urgent report was made.
    UrgentMade,
    /// The reading that belongs to a call was made.
    ReadingMade,
    /// A command has ended.
    CommandDone,
    /// A command has a response to be sent. It replaces an older one.
    ResponseMade(CommandId, Response),

    /// Result of [`super::Request::Poll`].
    Polled(Result<PollResponse, RequestError>),
    /// Result of [`super::Request::SendBatch`]; `None` where the spool had nothing to send.
    BatchSent(Option<(SentBatch, Result<BatchResponse, RequestError>)>),
    /// Result of [`super::Request::Acknowledge`].
    Acknowledged(Acknowledgement),
    /// Result of [`super::Request::Quarantine`].
    Quarantined,
    /// Result of [`super::Request::SendResponse`].
    ResponseSent(Result<CommandResponseAck, RequestError>),
    /// Result of [`super::Request::Deliver`]: the commands are stored.
    CommandsStored,
    /// Result of [`super::Request::Deliver`]: the commands will not be stored.
    CommandsDropped,
    /// Result of a request that needs the spool, and failed there.
    StorageFailed(StorageError),
}
