//! Acknowledgements of the server: reports are removed, get their numbers, or become losses.

use std::sync::mpsc::Receiver;

use gateway_core::outbox::{Acknowledgement, LaneState};
use jiff::Timestamp;
use wire::ids::SpoolId;
use wire::report::{Lane, Loss, Report};

use super::super::layout::{self, Epoch, Key};
use super::super::{SpoolError, outbox};
use super::durable::Stored;
use super::{Answer, Flow, Request, Writer, tell};

impl Writer {
    /// `None` if the spool was closed while this waited for the disk.
    pub(super) fn acknowledge(
        &mut self,
        (lane, number, last): (Lane, u64, Option<u64>),
        requests: &Receiver<Request>,
    ) -> Option<Result<Acknowledgement, SpoolError>> {
        loop {
            let state = *self.epoch.lanes.of(lane);
            let judged = last.map_or_else(|| state.judge(number), |last| state.judge_batch(number, last));
            if judged == Acknowledgement::Nothing {
                return Some(Ok(judged));
            }
            let mut next = self.epoch.clone();
            next.lanes.of_mut(lane).apply(judged);
            let mut batch = sled::Batch::default();
            let mut bytes = self.waiting_bytes;
            let (from, up_to) = (state.acknowledged.saturating_add(1), next.lanes.of(lane).acknowledged);
            if from <= up_to {
                let disk = self.disk.as_ref()?;
                match outbox::free(disk, &mut batch, lane, from, up_to) {
                    Ok(freed) => bytes = bytes.saturating_sub(freed),
                    Err(error) => return Some(Err(SpoolError::Read { problem: error.to_string() })),
                }
            }
            // Both lanes lost data at the same time, when the store was opened: that is one new epoch. After a second
            // one, the server would also consider lost what was reported again in the first.
            let is_same_past = state.unconfirmed.is_some() && self.renewed;
            if judged.is_new_epoch() && !is_same_past {
                next.id = SpoolId(uuid::Uuid::now_v7());
                self.renewed |= state.unconfirmed.is_some();
            }
            if let Some(loss) = loss(&state, lane, number, judged) {
                bytes = bytes.saturating_add(report_loss(&mut next, &mut batch, loss));
            }
            match self.store(next, bytes, batch, requests) {
                Stored::Durable => {
                    let freed = up_to.saturating_sub(state.acknowledged);
                    metrics::counter!("platen_gateway_reports_acknowledged_total").increment(freed);
                    return Some(Ok(judged));
                }
                Stored::Anew => {}
                Stored::Closed => return None,
            }
        }
    }

    pub(super) fn quarantine(
        &mut self,
        lane: Lane,
        number: u64,
        why: &str,
        answer: Answer<()>,
        requests: &Receiver<Request>,
    ) -> Flow {
        let state = self.epoch.lanes.of(lane);
        let place =
            (state.acknowledged.saturating_add(1)..=state.made).find(|p| state.number(*p) == Some(number));
        let why: String = why.chars().take(200).collect();
        let loss = Loss { lane, reports: 1, detail: format!("the server rejected it: {why}") };
        let (Some(place), Ok(value)) = (place, layout::encode_report(Timestamp::now(), &Report::Loss(loss)))
        else {
            tell(answer, Ok(()));
            return Flow::On;
        };
        let mut batch = sled::Batch::default();
        batch.insert(Key::Report(lane, place).bytes(), value);
        let (result, flow) = match self.store(self.epoch.clone(), self.waiting_bytes, batch, requests) {
            // A new store offers the report again, and the server rejects it again.
            Stored::Durable | Stored::Anew => (Ok(()), Flow::On),
            Stored::Closed => (Err(SpoolError::Closed), Flow::Closed),
        };
        tell(answer, result);
        flow
    }
}

/// The loss that an acknowledgement reveals, to be reported.
fn loss(state: &LaneState, lane: Lane, number: u64, judged: Acknowledgement) -> Option<Loss> {
    let gone = state.gone(number, judged);
    // That the store is old was reported when it was opened, unless it is a complete old copy.
    let is_old_news = state.unconfirmed.is_some_and(|unconfirmed| unconfirmed.went_back());
    let (reports, detail) = match judged {
        Acknowledgement::ServerBehind { lost, .. } => {
            (gone.saturating_add(lost), "the server no longer has reports that it had acknowledged")
        }
        Acknowledgement::ServerAhead { .. } if !is_old_news => {
            (gone, "the spool is older than the server's last acknowledgement")
        }
        Acknowledgement::Nothing
        | Acknowledgement::Confirmed
        | Acknowledgement::Free { .. }
        | Acknowledgement::Compared { .. }
        | Acknowledgement::Begin { .. }
        | Acknowledgement::ServerAhead { .. } => {
            (gone, "they were lost with a damaged spool, and the server doesn't have them")
        }
    };
    if reports == 0 && (is_old_news || !judged.is_new_epoch()) {
        return None;
    }
    tracing::error!(%lane, reports, "{detail}");
    metrics::counter!("platen_gateway_reports_lost_total").increment(gone);
    Some(Loss { lane, reports, detail: detail.to_owned() })
}

/// Adds the report of a loss; returns its size in bytes.
fn report_loss(next: &mut Epoch, batch: &mut sled::Batch, loss: Loss) -> u64 {
    let value = match layout::encode_report(Timestamp::now(), &Report::Loss(loss)) {
        Ok(value) => value,
        Err(error) => {
            tracing::error!(error = %error, "a loss can't be encoded");
            return 0;
        }
    };
    let key = Key::Report(Lane::Urgent, next.lanes.urgent.make()).bytes();
    let bytes = outbox::stored_bytes(&key, &value);
    batch.insert(key, value);
    bytes
}
