//! Second factors: set up, used for a login, and removed; and recovery codes for people who lost theirs.
//!
//! A secret is sent once, to the person who sets it up, and is in no log, audit or backup (decision 0036).

mod authenticator;

use comm_server_core::second_factor::{GivenCode, RECOVERY_CODES, Stage, grouped};
use comm_server_core::tenancy::UserName;
use jiff::Timestamp;
use wire::network::Network;

use super::customers::author;
use super::known_browsers::KeyError;
use super::sessions::{Session, token_hash};
use super::users::{LoggedIn, Origin};
use super::{HashError, LoginError, PasswordError, Users};
use crate::store::{
    AuditEntry, Authenticator, ChangeError, Proof, Scoped, SecondFactorChange, Store, StoreError,
};

/// Why a second factor isn't changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FactorError {
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("a second factor is already set up: remove it first")]
    Already,
    #[error("no second factor is being set up: start the setup again")]
    NotBegun,
    #[error("there is no second factor")]
    NotOn,
    #[error("the code is wrong: expected the six digits that the authenticator shows now")]
    WrongCode,
    #[error("the service company requires a second factor: it can't be removed")]
    Required,
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl From<StoreError> for FactorError {
    fn from(error: StoreError) -> Self {
        Self::Change(error.into())
    }
}

impl From<HashError> for FactorError {
    fn from(error: HashError) -> Self {
        Self::Password(error.into())
    }
}

/// Why a login doesn't continue with a code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    #[error("this session doesn't require a code")]
    NotDue,
    #[error(
        "the code is wrong or was already used, or there were too many wrong codes: after five, wait 15 minutes"
    )]
    Wrong,
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl From<StoreError> for CodeError {
    fn from(error: StoreError) -> Self {
        Self::Login(error.into())
    }
}

impl From<KeyError> for CodeError {
    fn from(error: KeyError) -> Self {
        Self::Login(error.into())
    }
}

/// The second factor of a session's user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FactorStanding {
    /// When it was turned on.
    pub(crate) since: Option<Timestamp>,
    pub(crate) recovery_codes_left: i64,
    /// Whether the service company requires one of this user.
    pub(crate) is_required: bool,
}

/// The secret of an authenticator that is being set up.
#[derive(Clone)]
pub(crate) struct NewSecret {
    /// Base 32.
    pub(crate) secret: String,
    /// `otpauth://totp/...`.
    pub(crate) address: String,
}

/// Changes and uses second factors; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SecondFactors {
    store: Store,
    users: Users,
}

impl SecondFactors {
    /// The service on a store; `users` verifies passwords and begins sessions.
    pub(super) const fn new(store: Store, users: Users) -> Self {
        Self { store, users }
    }

    fn own(&self, session: &Session) -> Result<(Scoped, UserName), PasswordError> {
        let user = session.user.clone().ok_or(PasswordError::NoAccount)?;
        Ok((self.store.of(&session.actor.scope), user))
    }

    async fn confirmed(&self, session: &Session) -> Result<Option<Authenticator>, FactorError> {
        let (own, user) = self.own(session)?;
        Ok(own.authenticator(&user).await?.filter(|found| found.confirmed_at.is_some()))
    }

    async fn is_required(&self, session: &Session) -> Result<bool, StoreError> {
        Ok(self.users.required(session.actor.scope.tenant()).await?.covers(session.role))
    }

    /// The second factor of a session's user.
    pub(crate) async fn standing(&self, session: &Session) -> Result<FactorStanding, FactorError> {
        let (own, user) = self.own(session)?;
        let since = self.confirmed(session).await?.and_then(|found| found.confirmed_at);
        let recovery_codes_left = own.recovery_codes_left(&user).await?;
        let is_required = self.is_required(session).await?;
        Ok(FactorStanding { since, recovery_codes_left, is_required })
    }

    /// Begins to set up an authenticator.
    pub(crate) async fn begin(&self, session: &Session, password: &str) -> Result<NewSecret, FactorError> {
        let user = self.users.check_own_password(session, password).await?.name;
        let (own, secret) = (self.own(session)?.0, authenticator::fresh_secret()?);
        if !own.propose_authenticator(&user, secret.clone(), Timestamp::now()).await? {
            return Err(FactorError::Already);
        }
        new_secret(secret, &user).ok_or(FactorError::NotBegun)
    }

    /// The secret that is being set up, to be shown again after a wrong code.
    pub(crate) async fn begun(&self, session: &Session) -> Result<Option<NewSecret>, FactorError> {
        let (own, user) = self.own(session)?;
        let found = own.authenticator(&user).await?.filter(|found| found.confirmed_at.is_none());
        Ok(found.and_then(|found| new_secret(found.secret, &user)))
    }

    /// Turns on the authenticator that is being set up, by one of its codes. Returns the recovery codes, which are
    /// shown once.
    pub(crate) async fn confirm(&self, session: &Session, code: &str) -> Result<Vec<String>, FactorError> {
        let (own, user) = self.own(session)?;
        let found = own.authenticator(&user).await?.ok_or(FactorError::NotBegun)?;
        if found.confirmed_at.is_some() {
            return Err(FactorError::Already);
        }
        let now = Timestamp::now();
        let Proof::Step(step) = proof(Some(&found), code, now) else { return Err(FactorError::WrongCode) };
        let (shown, recovery_hashes) = recovery_codes()?;
        let session = session.token_hash.clone();
        let change = SecondFactorChange { secret: found.secret, step, recovery_hashes, session };
        let is_on = own.confirm_second_factor(&user, change, now).await?;
        if is_on { Ok(shown) } else { Err(FactorError::NotBegun) }
    }

    /// Creates recovery codes, which are shown once; earlier ones no longer work.
    pub(crate) async fn renew_recovery_codes(
        &self,
        session: &Session,
        password: &str,
    ) -> Result<Vec<String>, FactorError> {
        let user = self.users.check_own_password(session, password).await?.name;
        if self.confirmed(session).await?.is_none() {
            return Err(FactorError::NotOn);
        }
        let (shown, hashes) = recovery_codes()?;
        self.own(session)?.0.renew_recovery_codes(&user, hashes, Timestamp::now()).await?;
        Ok(shown)
    }

    /// Removes the user's own second factor; other sessions end.
    pub(crate) async fn remove(&self, session: &Session, password: &str) -> Result<(), FactorError> {
        let user = self.users.check_own_password(session, password).await?;
        if self.confirmed(session).await?.is_none() {
            return Err(FactorError::NotOn);
        }
        if self.is_required(session).await? {
            return Err(FactorError::Required);
        }
        let (own, keep) = (self.own(session)?.0, session.token_hash.clone());
        Ok(own.remove_second_factor(user.name, keep, author(&session.actor)).await?)
    }

    /// Continues a login that requires a code: a new session begins, with a new token.
    pub(crate) async fn enter(
        &self,
        session: &Session,
        origin: Origin<'_>,
        code: &str,
    ) -> Result<LoggedIn, CodeError> {
        let (own, name) = self.own(session).map_err(|_| CodeError::NotDue)?;
        if session.stage != Stage::Code {
            return Err(CodeError::NotDue);
        }
        self.users.check_rate(Network::of(origin.address))?;
        let user = own.user(&name).await?.ok_or(CodeError::NotDue)?;
        let attempt = self.users.attempt(&origin, &user.tenant, Some(name.clone())).await?;
        let found = own.authenticator(&name).await?;
        let proof = proof(found.as_ref(), code, attempt.now);
        let (begun, new) = self.users.new_session(&user, Stage::Open, &origin, attempt.now).await?;
        let entry = |what, detail| AuditEntry::new(attempt.now, name.as_str(), what, detail);
        let by = if matches!(proof, Proof::Recovery(_)) { ", by a recovery code" } else { "" };
        let entries = (
            entry("session.begin", origin.told() + by),
            entry("session.refused", format!("{}, wrong code", origin.told())),
        );
        let passed = own.pass_second_factor(attempt.clone(), proof, (&session.token_hash, new), entries);
        if passed.await? { Ok(begun) } else { Err(CodeError::Wrong) }
    }
}

fn new_secret(secret: String, user: &UserName) -> Option<NewSecret> {
    let address = authenticator::address(&secret, user.as_str())?;
    Some(NewSecret { secret, address })
}

/// The result of verifying a code.
fn proof(found: Option<&Authenticator>, code: &str, now: Timestamp) -> Proof {
    let now_s = u64::try_from(now.as_second()).unwrap_or_default();
    match (GivenCode::parse(code), found) {
        (Some(GivenCode::Authenticator(code)), Some(found)) => {
            authenticator::step_of(&found.secret, &code, now_s).map_or(Proof::Wrong, Proof::Step)
        }
        (Some(GivenCode::Recovery(code)), Some(_)) => Proof::Recovery(token_hash(&code)),
        (None, _) | (_, None) => Proof::Wrong,
    }
}

/// New recovery codes: as displayed, and as stored.
fn recovery_codes() -> Result<(Vec<String>, Vec<String>), HashError> {
    let mut codes = (Vec::new(), Vec::new());
    for _ in 0..RECOVERY_CODES {
        let code = authenticator::fresh_recovery_code()?;
        codes.0.push(grouped(&code));
        codes.1.push(token_hash(&code));
    }
    Ok(codes)
}
