//! Reports receive errors of a UDP socket at the rate that the core decides, and pauses after each.

use std::time::Instant;

use gateway_core::receive_errors;

/// The receive errors of one socket.
#[derive(Debug)]
pub(crate) struct ReceiveErrors {
    /// What the socket is for, in the log.
    socket: &'static str,
    began: Instant,
    errors: receive_errors::ReceiveErrors,
}

impl ReceiveErrors {
    pub(crate) fn new(socket: &'static str) -> Self {
        Self { socket, began: Instant::now(), errors: receive_errors::ReceiveErrors::default() }
    }

    pub(crate) const fn on_datagram(&mut self) {
        self.errors.on_datagram();
    }

    /// A receive failed: logs the error, unless the last line is too recent, and waits before the next receive.
    pub(crate) async fn on_error(&mut self, error: &(dyn std::error::Error + Send + Sync)) {
        let reaction = self.errors.on_error(self.began.elapsed());
        if let Some(suppressed) = reaction.log_suppressed {
            tracing::warn!(socket = self.socket, %error, suppressed, "receive failed");
        }
        tokio::time::sleep(reaction.pause).await;
    }
}
