//! Receives traps and informs (SNMP v1, v2c, v3) on a UDP port. Each is only a hint to read a device: the core
//! decides whether it is read, and the contents of a trap are not used.

mod engine;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::traps::{TrapRateLimiter, TrapRules, Verdict};
use serde::Deserialize;
use snmp::{
    InformAckOutcome, NotificationAcceptance, NotificationEnvelope, NotificationPduClass,
    NotificationReceiver,
};
use tokio_util::sync::CancellationToken;

use crate::receive_errors::ReceiveErrors;
use crate::snmp::credentials::Credentials;
use crate::snmp::{Candidates, des_salt};

/// Maximum size of responses to informs and of reports, bytes, so that a forged source address can't be flooded.
const ANSWER_BYTES: usize = 1_472;

/// Section `traps`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrapsConfig {
    /// The address to listen on; the standard port is 162.
    pub listen: SocketAddr,
}

/// Why receiving can't start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrapsError {
    /// The port can't be opened.
    #[error("traps.listen {address}: can't be opened: {problem}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        problem: String,
    },
    /// The SNMPv3 engine for informs can't be started.
    #[error("the SNMPv3 engine for informs can't be started: {problem}")]
    Engine {
        /// The cause.
        problem: String,
    },
}

/// The rate limiter, shared by the receiver and the engine that knows the devices.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    began: Instant,
    gate: Arc<Mutex<Gated>>,
}

#[derive(Debug)]
struct Gated {
    gate: TrapRateLimiter,
    /// The verdict on the notification that was just accepted.
    verdict: Option<Verdict>,
}

impl Default for Gate {
    fn default() -> Self {
        let gate = TrapRateLimiter::new(TrapRules::default());
        Self { began: Instant::now(), gate: Arc::new(Mutex::new(Gated { gate, verdict: None })) }
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Gated> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the addresses of known devices.
    pub(crate) fn know(&self, addresses: &BTreeSet<IpAddr>) {
        self.lock().gate.know(addresses);
    }

    /// Decides about a notification before it is answered.
    fn admit(&self, notification: &NotificationEnvelope<'_>) -> NotificationAcceptance {
        let mut gated = self.lock();
        let verdict = gated.gate.on_trap(notification.source.ip(), self.began.elapsed());
        gated.verdict = Some(verdict);
        let class = match notification.pdu_class {
            NotificationPduClass::Trap => "trap",
            NotificationPduClass::Inform => "inform",
        };
        metrics::counter!("platen_gateway_traps_total", "verdict" => verdict.name(), "class" => class)
            .increment(1);
        match verdict {
            Verdict::Read(_) | Verdict::Planned => NotificationAcceptance::Accept,
            // Without an answer, the sender can't tell that the port is open.
            Verdict::TooMany | Verdict::UnknownSender => NotificationAcceptance::Reject,
        }
    }

    /// When to read the device whose notification was accepted last.
    fn read_delay(&self) -> Option<Duration> {
        match self.lock().verdict.take() {
            Some(Verdict::Read(after)) => Some(after),
            Some(Verdict::Planned | Verdict::TooMany | Verdict::UnknownSender) | None => None,
        }
    }
}

/// Receives traps.
pub(crate) struct Receiver {
    receiver: NotificationReceiver,
    gate: Gate,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Receiver {
    /// Opens the port. The users of the credentials may send; of two with the same name, the first counts.
    ///
    /// # Errors
    /// The port can't be opened, or the engine can't be started in the data directory.
    pub(crate) async fn open(
        config: &TrapsConfig,
        credentials: &Candidates,
        data_dir: &Path,
        gate: Gate,
    ) -> Result<Self, TrapsError> {
        let failed = |problem: String| TrapsError::Engine { problem };
        let policy = gate.clone();
        let mut builder = NotificationReceiver::builder()
            .bind(config.listen.to_string())
            .max_message_size(ANSWER_BYTES)
            .acceptance_policy(move |notification| policy.admit(notification));
        let mut users = BTreeSet::new();
        for candidate in credentials.iter() {
            let Credentials::V3(user) = &candidate.credentials else { continue };
            if users.insert(user.user().to_owned()) {
                let with = builder.usm_user(user.user().to_owned(), |own| user.receives(own));
                builder = with.map_err(|error| failed(error.to_string()))?;
            }
            if user.uses_des() {
                builder = builder
                    .des_salt_state(des_salt::of_this_process().map_err(|why| failed(why.to_owned()))?);
            }
        }
        if !users.is_empty() {
            builder = builder.authoritative_engine(engine::begin(data_dir).map_err(failed)?);
        }
        let receiver = builder
            .build()
            .await
            .map_err(|error| TrapsError::Listen { address: config.listen, problem: error.to_string() })?;
        Ok(Self { receiver, gate })
    }

    /// The address that it listens on.
    #[must_use]
    pub(crate) fn address(&self) -> SocketAddr {
        self.receiver.local_addr()
    }

    /// Receives until the shutdown. `hint` gets the address to read, and the pause before.
    pub(crate) async fn run(
        self,
        shutdown: CancellationToken,
        mut hint: impl FnMut(IpAddr, Duration) + Send,
    ) {
        let mut errors = ReceiveErrors::new("traps");
        loop {
            let received = tokio::select! {
                received = self.receiver.recv() => received,
                () = shutdown.cancelled() => return,
            };
            self.count();
            match received {
                Ok(received) => {
                    errors.on_datagram();
                    let from = received.source.ip().to_canonical();
                    if let Some(InformAckOutcome::Failed(error)) = &received.inform_ack {
                        tracing::debug!(device.address = %from, error = %error, "the response to an inform can't be sent");
                    }
                    let trap =
                        received.notification.trap_oid().map(|oid| oid.to_string()).unwrap_or_default();
                    let version = received.wire_identity.version;
                    tracing::debug!(device.address = %from, trap, version = ?version, "trap received");
                    if let Some(after) = self.gate.read_delay() {
                        hint(from, after);
                    }
                }
                Err(error) => errors.on_error(&error).await,
            }
        }
    }

    /// Counts what was rejected before it was known to be a trap.
    fn count(&self) {
        let receiver = &self.receiver;
        for (why, count) in [
            ("unknown_user", receiver.usm_unknown_usernames()),
            ("wrong_digest", receiver.usm_wrong_digests()),
            ("time_window", receiver.usm_not_in_time_windows()),
            ("level", receiver.usm_unsupported_sec_levels()),
            ("decryption", receiver.usm_decryption_errors()),
        ] {
            metrics::counter!("platen_gateway_traps_refused_total", "why" => why).absolute(count.into());
        }
    }
}
