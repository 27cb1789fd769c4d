//! Renewal of the gateway's certificate by EST, at two thirds of its lifetime.
//!
//! The new certificate replaces the old one only after our own verifier has accepted it; until then, and after any
//! failure, the old one stays. Clients are rebuilt by their owners; requests in flight end on the old connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pki::Identity;
use pki::est::Applicant;
use pki::renewal::files;
use pki::renewal::{Due, due, prove};
use pki::spiffe::PartyKind;
use runtime::error::chain;
use runtime::identity::LiveIdentity;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::enroll::{Est, NoCertificate, stage};
use crate::mail::Mailer;
use crate::status::{CertificateState, CertificateStatus};

/// Longest pause between two checks: clocks are set, and files are replaced.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// The pause after the first failure; it doubles with each.
const PAUSE: Duration = Duration::from_secs(60);

/// An alarm is mailed again after this time.
const MAIL_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// Why a certificate was not renewed.
#[derive(Debug, thiserror::Error)]
enum NotRenewed {
    #[error(transparent)]
    NoCertificate(#[from] NoCertificate),
    #[error("the new certificate is in place, but the old one is still in use")]
    Unchanged,
    #[error("the new certificate was rejected")]
    ReloadError(#[from] runtime::identity::ReloadError),
}

/// The status of the certificate for the local port.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<Option<CertificateStatus>>);

impl Shown {
    /// The status; `None` before the first check.
    #[must_use]
    pub(crate) fn status(&self) -> Option<CertificateStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, status: CertificateStatus) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }
}

/// Renews the certificate.
#[derive(Debug)]
pub(crate) struct Renewal {
    /// The identity in use.
    pub live: Arc<LiveIdentity>,
    /// The configuration.
    pub config: Arc<Config>,
    /// Sends alarms, if mail is configured.
    pub mailer: Option<Mailer>,
    /// Where the status is published.
    pub shown: Arc<Shown>,
}

impl Renewal {
    /// Checks and renews the certificate until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut changes = self.live.subscribe();
        let mut failures = 0_u32;
        let mut problem = None;
        let mut mailed: Option<Timestamp> = None;
        loop {
            let identity = self.live.now();
            let now = Timestamp::now();
            let due = due_of(&identity, now);
            if matches!(due, Due::Renew | Due::Alarm { .. }) {
                match self.renew(&identity, now).await {
                    Ok(()) => {
                        metrics::counter!("platen_gateway_renewals_total").increment(1);
                        tracing::info!("certificate renewed");
                        (failures, problem) = (0, None);
                        continue;
                    }
                    Err(error) => {
                        metrics::counter!("platen_gateway_renewal_failures_total").increment(1);
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, failures, "certificate not renewed; the old one stays in use");
                        problem = Some(chain(error));
                        failures = failures.saturating_add(1);
                    }
                }
            }
            let status = status_of(&identity, due, problem.clone());
            self.alarm(&status, now, &mut mailed).await;
            self.shown.show(status);
            let wait = self.wait(due, now, failures);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = changes.changed() => match changed {
                    Ok(()) => (failures, problem) = (0, None),
                    Err(_) => return,
                },
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn renew(&self, old: &Identity, now: Timestamp) -> Result<(), NotRenewed> {
        self.obtain(old, now).await?;
        self.live.change_files(|| files::install(&self.config.identity)).map_err(NoCertificate::from)?;
        self.live.reload(Timestamp::now())?;
        if self.live.now().chain() == old.chain() { Err(NotRenewed::Unchanged) } else { Ok(()) }
    }

    /// Requests a certificate with a new key. Afterwards both are beside the old ones, verified.
    async fn obtain(&self, old: &Identity, now: Timestamp) -> Result<(), NoCertificate> {
        let server = &self.config.comm_server;
        let tls = pki::tls::client_config(old, PartyKind::CommServer)?;
        let est = Est::new(&server.url, server.proxy.as_deref(), tls)?;
        let applicant = Applicant::new().map_err(NoCertificate::Key)?;
        let mut certificates = est.cacerts().await?;
        certificates.extend(est.reenroll(&applicant.request).await?);
        stage(&self.config.identity, &applicant, &certificates, |staged| {
            let newer = Identity::load_with(&staged, old.crls().tolerance())?;
            Ok(prove(&newer, old.id(), Some(old), now)?)
        })
    }

    /// Reports that less than a fifth of the lifetime is left, or none: in the log, by mail once a day, and as a
    /// metric.
    async fn alarm(&self, status: &CertificateStatus, now: Timestamp, mailed: &mut Option<Timestamp>) {
        let is_alarm = matches!(status.state, CertificateState::Ending | CertificateState::Expired);
        metrics::gauge!("platen_gateway_certificate_alarm").set(if is_alarm { 1.0 } else { 0.0 });
        if !is_alarm {
            *mailed = None;
            return;
        }
        if mailed.is_some_and(|at| now.duration_since(at) < MAIL_EVERY) {
            return;
        }
        let text = words(self.config.gateway.as_str(), status);
        tracing::error!("{text}");
        let Some(mailer) = &self.mailer else {
            *mailed = Some(now);
            return;
        };
        let subject = format!("[Platen] Certificate of gateway {} needs attention", self.config.gateway);
        match mailer.tell(&subject, &text).await {
            Ok(()) => *mailed = Some(now),
            Err(error) => tracing::warn!(error = chain(&error), "the alarm can't be mailed"),
        }
    }

    fn wait(&self, due: Due, now: Timestamp, failures: u32) -> Duration {
        let wait = match due {
            Due::Wait { until } => Duration::try_from(until.duration_since(now)).unwrap_or_default(),
            Due::Expired { .. } => LOOK_EVERY,
            Due::Renew | Due::Alarm { .. } => {
                let longest = gateway_core::backoff(PAUSE, PAUSE.saturating_mul(64), failures);
                longest.mul_f64(1.0 - 0.5 * rand::random::<f64>())
            }
        };
        wait.min(LOOK_EVERY).div_f64(self.config.demonstration.speedup).max(Duration::from_millis(200))
    }
}

fn due_of(identity: &Identity, now: Timestamp) -> Due {
    let at = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    due(at(identity.not_before()), at(identity.not_after()), now, jitter(identity))
}

/// A jitter that is constant for one certificate and differs between certificates.
fn jitter(identity: &Identity) -> f64 {
    let Some(leaf) = identity.chain().first() else { return 0.0 };
    let [a, b, ..] = pki::trust::fingerprint(leaf);
    f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX)
}

fn status_of(identity: &Identity, due: Due, problem: Option<String>) -> CertificateStatus {
    let (state, renew_at) = match due {
        Due::Wait { until } => (CertificateState::Valid, Some(until)),
        Due::Renew => (CertificateState::Due, None),
        Due::Alarm { .. } => (CertificateState::Ending, None),
        Due::Expired { .. } => (CertificateState::Expired, None),
    };
    let not_after = Timestamp::from_second(identity.not_after()).unwrap_or(Timestamp::MAX);
    CertificateStatus { not_after, state, renew_at, problem }
}

fn words(gateway: &str, status: &CertificateStatus) -> String {
    let until = format!("{:.0}", status.not_after);
    let why =
        status.problem.as_deref().map(|why| format!(" The last attempt failed: {why}.")).unwrap_or_default();
    if status.state == CertificateState::Expired {
        return format!(
            "The certificate of gateway {gateway} ended at {until}: the server rejects the gateway.{why} Ask the service \
             company for a new enrollment token, and run `platen-gateway --config FILE enroll --replace`."
        );
    }
    format!(
        "The certificate of gateway {gateway} ends at {until}, after that the server rejects the gateway, and renewal fails.{why}"
    )
}
