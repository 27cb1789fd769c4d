//! Converts an outcome of the site's state machine to changes of the spool.

use gateway_core::site::{Outcome, State};

use crate::spool::{Changes, SpoolError};

/// The changes to commit. A record that can't be encoded is a defect of this program: it is logged and skipped.
pub(super) fn changes(outcome: &Outcome, state: &State) -> Changes {
    let mut changes = Changes::new();
    for (at, report) in &outcome.reports {
        log_encode_error(changes.report(*at, report));
    }
    for mail in &outcome.mails {
        log_encode_error(changes.enqueue_mail(mail));
    }
    for (job, at) in &outcome.jobs {
        log_encode_error(changes.done_at(job.name(), *at));
    }
    for id in &outcome.devices {
        match state.devices.get(id) {
            Some(record) => log_encode_error(changes.device(record)),
            None => changes.forget_device(id),
        }
    }
    for id in &outcome.commands {
        match state.commands.get(id) {
            Some(record) => log_encode_error(changes.command(record)),
            None => changes.forget_command(*id),
        }
    }
    for id in &outcome.updates {
        match state.updates.get(id) {
            Some(update) => log_encode_error(changes.update(update)),
            None => changes.forget_update(*id),
        }
    }
    changes
}

fn log_encode_error(result: Result<(), SpoolError>) {
    if let Err(error) = result {
        tracing::error!(error = %error, "a record of the spool can't be encoded");
    }
}
