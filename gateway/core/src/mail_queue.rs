//! Mails about calls: sent one at a time, retried for a day, then dropped. The caller sends and stores.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wire::reading::Identity;
use wire::report::Call;

use crate::backoff;

/// The pause before the first retry; it doubles with each.
const PAUSE: Duration = Duration::from_secs(15);

/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// Age of a call after which its mail is no longer sent.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);

/// Maximum number of mails that wait; further ones are dropped.
const WAITING_MAX: usize = 5000;

/// Longest wait for the next mail.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// A mail in the queue; stored in the spool.
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
    /// When it is sent at the earliest.
    pub not_before: Timestamp,
}

/// The result of an attempt to send a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The mail server accepted it.
    Sent,
    /// It failed; a retry may succeed.
    FailedForNow,
    /// It failed permanently.
    FailedForGood,
}

/// What happens to a mail; to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was sent: remove it.
    Sent(Box<QueuedMail>),
    /// It is retried later: store it.
    Retry(Box<QueuedMail>),
    /// It is dropped: remove it.
    GivenUp(Box<QueuedMail>),
}

/// The queue of mails.
#[derive(Debug, Default)]
pub struct MailQueue {
    waiting: BTreeMap<Uuid, QueuedMail>,
}

impl MailQueue {
    /// The queue as loaded from the spool.
    #[must_use]
    pub fn new(waiting: impl IntoIterator<Item = QueuedMail>) -> Self {
        Self { waiting: waiting.into_iter().map(|mail| (mail.id, mail)).collect() }
    }

    /// The number of mails in the queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no mail waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Appends a mail. A full queue drops it.
    pub fn push(&mut self, mail: QueuedMail) -> Option<Fate> {
        if self.waiting.len() >= WAITING_MAX {
            return Some(Fate::GivenUp(Box::new(mail)));
        }
        self.waiting.insert(mail.id, mail);
        None
    }

    /// Time until the next mail is due, at most an hour: the clock may be set meanwhile.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> Duration {
        let next = self.waiting.values().map(|mail| mail.not_before).min();
        let wait = next.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        wait.map_or(WAIT_MAX, |wait| wait.min(WAIT_MAX))
    }

    /// Takes the mail that is due; the caller sends it and calls [`MailQueue::on_attempt`] with it.
    pub fn take_due(&mut self, now: Timestamp) -> Option<QueuedMail> {
        let next = self.waiting.values().min_by_key(|mail| (mail.not_before, mail.id))?;
        let id = (next.not_before <= now).then_some(next.id)?;
        self.waiting.remove(&id)
    }

    /// An attempt ended. A mail that is retried returns to the queue.
    pub fn on_attempt(&mut self, mut mail: QueuedMail, attempt: Attempt, now: Timestamp) -> Fate {
        match attempt {
            Attempt::Sent => Fate::Sent(Box::new(mail)),
            Attempt::FailedForGood => Fate::GivenUp(Box::new(mail)),
            Attempt::FailedForNow if now.duration_since(mail.call.seen_at) > GIVE_UP => {
                Fate::GivenUp(Box::new(mail))
            }
            Attempt::FailedForNow => {
                mail.attempts = mail.attempts.saturating_add(1);
                mail.not_before = now + backoff(PAUSE, PAUSE_MAX, mail.attempts);
                self.waiting.insert(mail.id, mail.clone());
                Fate::Retry(Box::new(mail))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::report::{CallKind, Edge};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn mail(id: u128, not_before: i64) -> QueuedMail {
        let call = Call {
            device: "a:1".parse().unwrap(),
            call: CallKind::Jam,
            edge: Edge::Raised,
            subject: String::new(),
            detail: String::new(),
            seen_at: at(0),
        };
        let (id, not_before) = (Uuid::from_u128(id), at(not_before));
        QueuedMail {
            id,
            call,
            identity: Identity::default(),
            address: String::new(),
            attempts: 0,
            not_before,
        }
    }

    #[test]
    fn mails_are_sent_in_their_order_and_not_before_their_time() {
        let mut queue = MailQueue::new([mail(2, 5), mail(1, 5), mail(3, 4)]);
        assert_eq!([at(1), at(9), at(-9999)].map(|now| queue.wait(now).as_secs()), [3, 0, 3600]);
        assert_eq!(queue.take_due(at(3)), None);
        let sent: Vec<u128> = std::iter::from_fn(|| queue.take_due(at(5))).map(|m| m.id.as_u128()).collect();
        assert_eq!(sent, [3, 1, 2]);
        assert!(queue.is_empty() && queue.wait(at(0)) == WAIT_MAX);
    }

    #[test]
    fn every_attempt_decides_what_becomes_of_a_mail() {
        let day = 24 * 3600;
        let table = [
            (Attempt::Sent, 0, 10, None),
            (Attempt::FailedForGood, 0, 10, None),
            (Attempt::FailedForNow, 0, 10, Some((1, 25))),
            (Attempt::FailedForNow, 3, 10, Some((4, 130))),
            (Attempt::FailedForNow, 20, 10, Some((21, 3610))),
            (Attempt::FailedForNow, 0, day, Some((1, day + 15))),
            (Attempt::FailedForNow, 0, day + 1, None),
        ];
        for (attempt, attempts, now, again) in table {
            let mut queue = MailQueue::default();
            let mail = QueuedMail { attempts, ..mail(1, 0) };
            let fate = queue.on_attempt(mail, attempt, at(now));
            let waits = match fate {
                Fate::Retry(mail) => Some((mail.attempts, mail.not_before.as_second())),
                Fate::Sent(_) | Fate::GivenUp(_) => None,
            };
            assert_eq!(waits, again, "{attempt:?} after {attempts} at {now}");
            assert_eq!(queue.len(), usize::from(again.is_some()));
        }
    }

    #[test]
    fn a_full_queue_gives_up_what_comes() {
        let mut queue = MailQueue::new((0..WAITING_MAX).map(|n| mail(n as u128, 0)));
        assert!(matches!(queue.push(mail(u128::MAX, 0)), Some(Fate::GivenUp(_))));
        queue.take_due(at(0));
        assert_eq!(queue.push(mail(u128::MAX, 0)), None);
    }
}
