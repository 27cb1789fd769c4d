//! Shutdown: SIGTERM and SIGINT drain the program.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that the first SIGTERM or SIGINT cancels.
///
/// # Panics
/// Outside of a tokio runtime, or if signal handlers can't be installed.
#[must_use]
pub fn on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime takes signal handlers");
    let mut interrupt = signal(SignalKind::interrupt()).expect("the runtime takes signal handlers");
    let cancelled = token.clone();
    tokio::spawn(async move {
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        // Before the log: nothing may come between the signal and the end.
        cancelled.cancel();
        tracing::info!("{signal} received: finishing open requests");
    });
    token
}
