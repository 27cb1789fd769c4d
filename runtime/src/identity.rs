//! The identity of a running program: loaded once, and taken anew when its files change.
//!
//! A new certificate is proven by our own verifier before it takes the old one's place; what can't be used is told, and
//! what was in force stays. Whoever builds a TLS configuration from it subscribes, and builds it anew from nothing.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use pki::revocation::{CrlError, Crls, Freshness};
use pki::{Identity, IdentityConfig, IdentityError, Tolerance, renewal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often an overdue revocation list, or one that is rejected, is complained of.
const COMPLAIN_EVERY: Duration = Duration::from_secs(3600);

/// When lists are judged again that were rejected for their dates.
const JUDGE_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// A file, as far as can be told without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp(Option<(SystemTime, u64)>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        Self(metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len()))))
    }
}

/// The files as they were when they were read last.
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

/// Why new files are not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// They can't be loaded.
    #[error(transparent)]
    Load(#[from] IdentityError),
    /// Our own verifier refuses the certificate, or it names somebody else.
    #[error(transparent)]
    Proof(#[from] renewal::ProofError),
    /// The revocation lists.
    #[error(transparent)]
    Crl(#[from] CrlError),
    /// Some revocation lists of the bundle; the others are used.
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

/// What was read last.
#[derive(Debug, Default)]
struct Seen {
    stamps: Option<Stamps>,
    /// When the revocation lists are judged again though their file has not changed.
    judge_at: Option<Timestamp>,
}

/// The identity, as it is now.
#[derive(Debug)]
pub struct LiveIdentity {
    /// `None`: it never changes.
    config: Option<IdentityConfig>,
    tolerance: Tolerance,
    current: watch::Sender<Arc<Identity>>,
    seen: Mutex<Seen>,
}

impl LiveIdentity {
    /// Loads it.
    ///
    /// # Errors
    /// As [`Identity::load_with`].
    pub fn load(config: &IdentityConfig, tolerance: Tolerance) -> Result<Arc<Self>, IdentityError> {
        // Before the files are read: what changes meanwhile is read again.
        let seen = Mutex::new(Seen { stamps: Some(Stamps::of(config)), judge_at: None });
        let current = watch::Sender::new(Arc::new(Identity::load_with(config, tolerance)?));
        Ok(Arc::new(Self { config: Some(config.clone()), tolerance, current, seen }))
    }

    /// One that never changes.
    #[must_use]
    pub fn fixed(identity: Identity) -> Arc<Self> {
        let tolerance = identity.crls().tolerance();
        let current = watch::Sender::new(Arc::new(identity));
        Arc::new(Self { config: None, tolerance, current, seen: Mutex::default() })
    }

    /// The identity now.
    #[must_use]
    pub fn now(&self) -> Arc<Identity> {
        Arc::clone(&self.current.borrow())
    }

    /// Tells of each change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Identity>> {
        self.current.subscribe()
    }

    /// Looks at the files, and takes what is new; `true` if something was.
    ///
    /// # Errors
    /// They changed and can't be used, or some of the lists can't: what was in force stays, and they are tried again
    /// when they change again; lists with a wrong date also as time passes.
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

    /// The own files anew, with the revocation lists that are in force: these never go back.
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

    /// Changes the files while nobody looks at them half changed.
    ///
    /// # Errors
    /// What `change` says.
    pub fn change_files<E>(&self, change: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let _nobody_looks = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        change()
    }

    /// Keeps it current until `shutdown`; tells by log and metrics what is near its end.
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
                    tracing::info!("certificate, roots or revocation lists were taken anew");
                }
                Ok(Err(error)) => rejected = Some(report(&error, now, rejected.take())),
                Err(error) => tracing::error!(error = %error, "the identity's files were not looked at"),
            }
            let identity = self.now();
            measure(&identity, now);
            complained = complain(identity.crls(), now, complained);
        }
    }
}

/// Reports files that are not taken: each hour while nothing changes. What was reported last, and when.
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
    tracing::warn!(error, "changed identity files are not taken, the old ones stay in force");
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

/// A list that is overdue is an error, told each hour; when it was told last.
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
            tracing::error!(issuer, %next_update, %until, "a revocation list is overdue: peers are let in until then, publish a new one");
        }
        Freshness::TooOld { issuer, next_update } => {
            let next_update = at(next_update);
            tracing::error!(issuer, %next_update, "a revocation list is too old: its issuer's peers are refused, publish a new one");
        }
        Freshness::Future { issuer, this_update, .. } => {
            let this_update = at(this_update);
            tracing::error!(issuer, %this_update, "a revocation list is of the future: its issuer's peers are refused, compare the clocks and publish a new one");
        }
    }
    Some(now)
}

type Make<T> = dyn Fn(&Identity) -> Result<T, String> + Send + Sync;

/// Something made from the identity, a client for one, and made anew for each new one. What is under way goes on with
/// the one that it began with.
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
    /// Makes the first.
    ///
    /// # Errors
    /// What `make` says.
    pub fn new(
        live: Arc<LiveIdentity>,
        make: impl Fn(&Identity) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let identity = live.now();
        let first = Arc::new(make(&identity)?);
        Ok(Self { live, make: Box::new(make), made: Mutex::new((identity, first)) })
    }

    /// The one for the identity now; where that can't be made, the last one.
    #[must_use]
    pub fn now(&self) -> Arc<T> {
        let identity = self.live.now();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&made.0, &identity) {
            match (self.make)(&identity) {
                Ok(newer) => made.1 = Arc::new(newer),
                Err(error) => tracing::error!(error, "a client can't be made for the new identity"),
            }
            made.0 = identity;
        }
        Arc::clone(&made.1)
    }
}
