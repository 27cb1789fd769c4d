//! Sends the mails of the queue, and stores the result of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_core::mail_queue::{Attempt, Fate, MailQueue, QueuedMail};
use jiff::tz::TimeZone;
use runtime::error::chain;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use crate::config::Config;
use crate::mail::{CallNotice, Mailer};
use crate::spool::{Changes, Spool};

/// Sends mails.
#[derive(Debug)]
pub(super) struct MailSender {
    pub(super) queue: MailQueue,
    pub(super) mailer: Mailer,
    pub(super) spool: Spool,
    pub(super) config: Arc<Config>,
    pub(super) zone: TimeZone,
    pub(super) clock: Clock,
    /// Mails that wait, for the status.
    pub(super) waiting: Arc<AtomicU64>,
}

impl MailSender {
    /// Sends waiting and new mails until `shutdown`.
    pub(super) async fn run(
        mut self,
        mut queued: mpsc::UnboundedReceiver<QueuedMail>,
        shutdown: CancellationToken,
    ) {
        loop {
            self.waiting.store(u64::try_from(self.queue.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
            let wait = self.queue.wait(self.clock.now().clock);
            tokio::select! {
                () = shutdown.cancelled() => return,
                mail = queued.recv() => match mail {
                    Some(mail) => {
                        if let Some(fate) = self.queue.push(mail) {
                            self.store(&fate, "too many mails wait").await;
                        }
                    }
                    None => return,
                },
                () = tokio::time::sleep(wait) => {
                    let Some(mail) = self.queue.take_due(self.clock.now().clock) else { continue };
                    tokio::select! {
                        () = self.attempt(mail) => {}
                        () = shutdown.cancelled() => return,
                    }
                }
            }
        }
    }

    async fn attempt(&mut self, mail: QueuedMail) {
        let notice = CallNotice {
            gateway: &self.config.gateway,
            site: self.config.site_name(),
            time_zone: self.zone.clone(),
            call: &mail.call,
            identity: &mail.identity,
            address: &mail.address,
        };
        let (attempt, why) = match self.mailer.send(&notice).await {
            Ok(()) => (Attempt::Sent, String::new()),
            Err(error) if error.is_final() => (Attempt::FailedForGood, chain(&error)),
            Err(error) => (Attempt::FailedForNow, chain(&error)),
        };
        let fate = self.queue.on_attempt(mail, attempt, self.clock.now().clock);
        self.store(&fate, &why).await;
    }

    async fn store(&self, fate: &Fate, why: &str) {
        let mut changes = Changes::new();
        match fate {
            Fate::Sent(mail) => {
                tracing::info!(device = %mail.call.device, call = mail.call.title(), "mail sent");
                metrics::counter!("platen_gateway_mails_total").increment(1);
                changes.mail_done(mail.id);
            }
            Fate::Retry(mail) => {
                tracing::warn!(error = why, attempts = mail.attempts, "mail not sent; it will be retried");
                metrics::counter!("platen_gateway_mail_failures_total").increment(1);
                if let Err(error) = changes.enqueue_mail(mail) {
                    tracing::error!(error = %error, "a mail can't be encoded");
                }
            }
            Fate::GivenUp(mail) => {
                tracing::error!(device = %mail.call.device, call = mail.call.title(), why, "mail not sent; it is not retried any more");
                metrics::counter!("platen_gateway_mail_failures_total").increment(1);
                changes.mail_done(mail.id);
            }
        }
        if let Err(error) = self.spool.commit(changes).await {
            tracing::warn!(error = %error, "the state of a mail can't be stored");
        }
    }
}
