//! Letters about calls: posted one after the other, tried again for a day, never lost by a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use runtime::error::chain;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Config;
use crate::mail::{CallNotice, Mailer};
use crate::spool::{Changes, QueuedMail, Spool};

/// First pause before a letter is tried again, doubled with each attempt.
const PAUSE: Duration = Duration::from_secs(15);

/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// A letter about a call that is older than this helps nobody.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);

/// Letters that wait at most; what comes then goes unposted.
const WAITING_MAX: usize = 5000;

/// Posts letters.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) mailer: Mailer,
    pub(super) spool: Spool,
    pub(super) config: Arc<Config>,
    pub(super) zone: TimeZone,
    pub(super) count: Arc<AtomicU64>,
}

impl Post {
    /// Posts what waits and what comes, until `shutdown`.
    pub(super) async fn run(
        self,
        waiting: Vec<QueuedMail>,
        mut queued: mpsc::UnboundedReceiver<QueuedMail>,
        shutdown: CancellationToken,
    ) {
        let mut waiting: BTreeMap<Uuid, QueuedMail> =
            waiting.into_iter().map(|mail| (mail.id, mail)).collect();
        loop {
            self.count.store(u64::try_from(waiting.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
            let next = waiting.values().min_by_key(|mail| (mail.not_before, mail.id)).cloned();
            let wait = next.as_ref().map(|mail| mail.not_before.duration_since(Timestamp::now()));
            let wait =
                wait.map_or(PAUSE_MAX, |wait| Duration::try_from(wait).unwrap_or_default()).min(PAUSE_MAX);
            tokio::select! {
                () = shutdown.cancelled() => return,
                mail = queued.recv() => match mail {
                    Some(mail) if waiting.len() < WAITING_MAX => drop(waiting.insert(mail.id, mail)),
                    Some(mail) => self.give_up(&mail, "too many letters wait").await,
                    None => return,
                },
                () = tokio::time::sleep(wait), if next.is_some() => {
                    let Some(mail) = next else { continue };
                    waiting.remove(&mail.id);
                    let again = tokio::select! {
                        again = self.post(mail) => again,
                        () = shutdown.cancelled() => return,
                    };
                    if let Some(again) = again {
                        waiting.insert(again.id, again);
                    }
                }
            }
        }
    }

    /// Posts a letter; gives it back when it is to be tried again.
    async fn post(&self, mut mail: QueuedMail) -> Option<QueuedMail> {
        let notice = CallNotice {
            gateway: &self.config.gateway,
            site: self.config.site_name(),
            time_zone: self.zone.clone(),
            call: &mail.call,
            identity: &mail.identity,
            address: &mail.address,
        };
        let error = match self.mailer.send(&notice).await {
            Ok(()) => {
                tracing::info!(device = %mail.call.device, call = mail.call.title(), "a letter was sent");
                metrics::counter!("platen_gateway_mails_total").increment(1);
                self.done(&mail).await;
                return None;
            }
            Err(error) => error,
        };
        metrics::counter!("platen_gateway_mail_failures_total").increment(1);
        let now = Timestamp::now();
        if error.is_final() || now.duration_since(mail.call.seen_at) > GIVE_UP {
            self.give_up(&mail, &chain(&error)).await;
            return None;
        }
        tracing::warn!(error = chain(&error), attempts = mail.attempts, "a letter was not sent");
        mail.attempts = mail.attempts.saturating_add(1);
        mail.not_before = now + gateway_core::backoff(PAUSE, PAUSE_MAX, mail.attempts);
        let mut changes = Changes::new();
        if let Err(error) = changes.enqueue_mail(&mail) {
            tracing::error!(error = %error, "a letter can't be stored");
        }
        self.store(changes).await;
        Some(mail)
    }

    async fn give_up(&self, mail: &QueuedMail, why: &str) {
        tracing::error!(device = %mail.call.device, call = mail.call.title(), why, "a letter is given up");
        self.done(mail).await;
    }

    async fn done(&self, mail: &QueuedMail) {
        let mut changes = Changes::new();
        changes.mail_done(mail.id);
        self.store(changes).await;
    }

    async fn store(&self, changes: Changes) {
        if let Err(error) = self.spool.commit(changes).await {
            tracing::warn!(error = %error, "the state of a letter can't be stored");
        }
    }
}
