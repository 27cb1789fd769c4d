//! The identity of a running program: loaded at start, and again when its files change.
//!
//! A new certificate must pass our own verifier before it replaces the old one. A file that is rejected is logged, and
//! the identity in force stays. TLS configurations subscribe to the identity and are built again from scratch at each
//! change.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use pki::revocation::{CrlError, Crls, Freshness};
use pki::{Identity, IdentityConfig, IdentityError, Tolerance, renewal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the files are checked for changes.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Interval between two log lines about an overdue or rejected revocation list.
const COMPLAIN_EVERY: Duration = Duration::from_secs(3600);

/// Time after which lists that were rejected for their dates are judged again.
const JUDGE_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// A file's metadata, by which a change is detected without reading the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp(Option<(SystemTime, u64)>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        Self(metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len()))))
    }
}

/// The files as last read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamps {
    own: [Stamp; 3],
    crl: Option<Stamp>,
}

impl Stamps {
    fn of(config: &IdentityConfig) -> Self {
        Self {
            own: [&config.certificate, &config.key, &config.root].map(|path| Stamp::of(path)),
            crl: config.crl.as_deref().map(Stamp::of),
        }
    }
}

/// Why new files are rejected.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// They can't be loaded.
    #[error(transparent)]
    Load(#[from] IdentityError),
    /// Our own verifier rejects the certificate, or it names another party.
    #[error(transparent)]
    Proof(#[from] renewal::ProofError),
    /// The revocation lists are rejected.
    #[error(transparent)]
    Crl(#[from] CrlError),
    /// Some revocation lists of the bundle are rejected; the others are used.
    #[error("{}", joined(.0))]
    Lists(Vec<CrlError>),
}

impl ReloadError {
    fn lists(&self) -> &[CrlError] {
        match self {
            Self::Crl(error) => std::slice::from_ref(error),
            Self::Lists(errors) => errors,
            Self::Load(_) | Self::Proof(_) => &[],
        }
    }
}

fn joined(errors: &[CrlError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// State of the last read.
#[derive(Debug, Default)]
struct Seen {
    stamps: Option<Stamps>,
    /// When the revocation lists are judged again although their file has not changed.
    judge_at: Option<Timestamp>,
}

/// The current identity, with notification of changes.
#[derive(Debug)]
pub struct LiveIdentity {
    /// `None`: it never changes.
    config: Option<IdentityConfig>,
    tolerance: Tolerance,
    current: watch::Sender<Arc<Identity>>,
    seen: Mutex<Seen>,
}

impl LiveIdentity {
    /// Loads the identity.
    ///
    /// # Errors
    /// As [`Identity::load_with`].
    pub fn load(config: &IdentityConfig, tolerance: Tolerance) -> Result<Arc<Self>, IdentityError> {
        // Before the files are read: what changes meanwhile is read again.
        let seen = Mutex::new(Seen { stamps: Some(Stamps::of(config)), judge_at: None });
        let current = watch::Sender::new(Arc::new(Identity::load_with(config, tolerance)?));
        Ok(Arc::new(Self { config: Some(config.clone()), tolerance, current, seen }))
    }

    /// An identity that never changes.
    #[must_use]
    pub fn fixed(identity: Identity) -> Arc<Self> {
        let tolerance = identity.crls().tolerance();
        let current = watch::Sender::new(Arc::new(identity));
        Arc::new(Self { config: None, tolerance, current, seen: Mutex::default() })
    }

    /// The current identity.
    #[must_use]
    pub fn now(&self) -> Arc<Identity> {
        Arc::clone(&self.current.borrow())
    }

    /// A receiver that is notified of each change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Identity>> {
        self.current.subscribe()
    }

    /// Checks the files and loads changed ones; returns whether anything changed.
    ///
    /// # Errors
    /// The files changed and can't be used, or some of the lists can't. The identity in force stays; the files are
    /// tried again at their next change, lists with a wrong date also as time passes.
    pub fn reload(&self, now: Timestamp) -> Result<bool, ReloadError> {
        let Some(config) = &self.config else { return Ok(false) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = Stamps::of(config);
        let before = seen.stamps.replace(found.clone());
        let unchanged = |same: fn(&Stamps, &Stamps) -> bool| before.as_ref().is_some_and(|b| same(b, &found));
        let judge = seen.judge_at.is_some_and(|at| at <= now) || !unchanged(|a, b| a.crl == b.crl);
        let old = self.now();
        let mut newest = Arc::clone(&old);
        let mut trouble = None;
        if judge {
            seen.judge_at = None;
            match old.crls().reload(now) {
                Ok(reload) => {
                    if let Some(newer) = reload.taken {
                        newest = Arc::new(old.with_crls(Arc::new(newer)));
                    }
                    if reload.rejected.iter().any(CrlError::may_pass) {
                        seen.judge_at = now.checked_add(JUDGE_AGAIN).ok();
                    }
                    if !reload.rejected.is_empty() {
                        trouble = Some(ReloadError::Lists(reload.rejected));
                    }
                }
                Err(error) => trouble = Some(ReloadError::Crl(error)),
            }
        }
        if !unchanged(|a, b| a.own == b.own) {
            match self.newer(config, &newest, now) {
                Ok(None) => {}
                Ok(Some(newer)) => newest = Arc::new(newer),
                Err(error) => trouble = Some(error),
            }
        }
        let taken = !Arc::ptr_eq(&newest, &old);
        if taken {
            self.current.send_replace(newest);
        }
        trouble.map_or(Ok(taken), Err)
    }

    /// The changed files, with the revocation lists in force as the minimum: a list never goes back to an older one.
    fn newer(
        &self,
        config: &IdentityConfig,
        old: &Identity,
        now: Timestamp,
    ) -> Result<Option<Identity>, ReloadError> {
        let lists = Arc::clone(old.crls());
        let newer = Identity::load_with(config, self.tolerance)?.with_crls(lists);
        if newer.chain() == old.chain() && newer.trust().roots() == old.trust().roots() {
            return Ok(None);
        }
        renewal::prove(&newer, old.id(), None, now)?;
        Ok(Some(newer))
    }

    /// Runs `change` under the lock, so that no reload sees partly changed files.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn change_files<E>(&self, change: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let _nobody_looks = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        change()
    }

    /// Reloads changed files until `shutdown`; logs and measures approaching expiry.
    pub async fn watch_files(self: Arc<Self>, shutdown: CancellationToken) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut complained, mut rejected) = (None, None);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = shutdown.cancelled() => return,
            }
            let now = Timestamp::now();
            let live = Arc::clone(&self);
            // Files, and a signature for each list.
            match tokio::task::spawn_blocking(move || live.reload(now)).await {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => {
                    metrics::counter!("platen_identity_reloads_total").increment(1);
                    tracing::info!("changed certificate, roots or revocation lists were loaded");
                }
                Ok(Err(error)) => rejected = Some(report(&error, now, rejected.take())),
                Err(error) => tracing::error!(error = %error, "the identity's files could not be checked"),
            }
            let identity = self.now();
            measure(&identity, now);
            complained = complain(identity.crls(), now, complained);
        }
    }
}

/// Logs rejected files, and again each hour until they change. Takes and returns the last text with its time.
fn report(error: &ReloadError, now: Timestamp, last: Option<(String, Timestamp)>) -> (String, Timestamp) {
    let text = error.to_string();
    if let Some((before, at)) = last
        && before == text
        && error.lists().iter().any(CrlError::may_pass)
        && now.duration_since(at).unsigned_abs() < COMPLAIN_EVERY
    {
        return (before, at);
    }
    metrics::counter!("platen_identity_reload_failures_total").increment(1);
    for list in error.lists() {
        metrics::counter!("platen_crl_rejected_total", "reason" => list.label()).increment(1);
    }
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "changed identity files are rejected, the old ones stay in use");
    (text, now)
}

#[expect(clippy::cast_precision_loss, reason = "seconds, for a metric")]
fn measure(identity: &Identity, now: Timestamp) {
    let left = |until: i64| until.saturating_sub(now.as_second()) as f64;
    metrics::gauge!("platen_certificate_expires_seconds").set(left(identity.not_after()));
    match identity.crls().freshness(now.as_second()) {
        Freshness::NotConfigured => {}
        Freshness::Fresh { next_update }
        | Freshness::Grace { next_update, .. }
        | Freshness::TooOld { next_update, .. }
        | Freshness::Future { next_update, .. } => {
            metrics::gauge!("platen_crl_next_update_seconds").set(left(next_update));
        }
    }
}

/// Logs an overdue list as an error, each hour. Takes and returns the time of the last log line.
fn complain(crls: &Crls, now: Timestamp, last: Option<Timestamp>) -> Option<Timestamp> {
    let recently = last.is_some_and(|last| now.duration_since(last).unsigned_abs() < COMPLAIN_EVERY);
    let at = |second: i64| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    match crls.freshness(now.as_second()) {
        Freshness::NotConfigured | Freshness::Fresh { .. } => return None,
        Freshness::Grace { .. } | Freshness::TooOld { .. } | Freshness::Future { .. } if recently => {
            return last;
        }
        Freshness::Grace { issuer, next_update, until } => {
            let (next_update, until) = (at(next_update), at(until));
            tracing::error!(issuer, %next_update, %until, "a revocation list is overdue: peers are accepted until then; publish a new one");
        }
        Freshness::TooOld { issuer, next_update } => {
            let next_update = at(next_update);
            tracing::error!(issuer, %next_update, "a revocation list is too old: its issuer's peers are rejected; publish a new one");
        }
        Freshness::Future { issuer, this_update, .. } => {
            let this_update = at(this_update);
            tracing::error!(issuer, %this_update, "a revocation list is dated in the future: its issuer's peers are rejected, compare the clocks and publish a new one");
        }
    }
    Some(now)
}

type Make<T> = dyn Fn(&Identity) -> Result<T, String> + Send + Sync;

/// A value built from the identity, such as a client, and built again at each change. Operations in flight continue
/// with the value that they started with.
pub struct IdentityBound<T> {
    live: Arc<LiveIdentity>,
    make: Box<Make<T>>,
    made: Mutex<(Arc<Identity>, Arc<T>)>,
}

impl<T> std::fmt::Debug for IdentityBound<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdentityBound").field("id", self.live.now().id()).finish_non_exhaustive()
    }
}

impl<T> IdentityBound<T> {
    /// Builds the first value.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn new(
        live: Arc<LiveIdentity>,
        make: impl Fn(&Identity) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let identity = live.now();
        let first = Arc::new(make(&identity)?);
        Ok(Self { live, make: Box::new(make), made: Mutex::new((identity, first)) })
    }

    /// The value for the current identity, or the last one if building fails.
    #[must_use]
    pub fn now(&self) -> Arc<T> {
        let identity = self.live.now();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&made.0, &identity) {
            match (self.make)(&identity) {
                Ok(newer) => made.1 = Arc::new(newer),
                Err(error) => tracing::error!(error, "a client with the new identity can't be created"),
            }
            made.0 = identity;
        }
        Arc::clone(&made.1)
    }
}
