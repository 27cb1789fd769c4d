//! The events of the uplink.

use wire::command::{CommandResponseAck, Response};
use wire::ids::{CommandId, SpoolId};
use wire::poll::PollResponse;
use wire::report::{BatchResponse, Lane, Lanes};

use super::error::{RequestError, StorageError};
use crate::outbox::{Acknowledgement, LaneState};

/// The state of the spool, as far as the uplink needs it.
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
    /// Whether numbered reports of the lane wait.
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

/// An event. The second part lists the results of requests; a result that isn't awaited is ignored.
#[derive(Debug)]
pub enum Event {
    /// The state of the spool changed. This must precede the result of a request that changed the spool.
    Storage(Storage),
    /// An urgent report was stored.
    UrgentMade,
    /// The reading that belongs to a call was stored.
    ReadingMade,
    /// A command has ended.
    CommandDone,
    /// A command has a response to send, which replaces an older one.
    ResponseMade(CommandId, Response),

    /// Result of [`super::Request::Poll`].
    Polled(Result<PollResponse, RequestError>),
    /// Result of [`super::Request::SendBatch`]; `None` if the spool had nothing to send.
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
    /// Result of a request that failed in the spool.
    StorageFailed(StorageError),
}
