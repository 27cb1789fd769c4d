//! Accounts: login, logout, passwords, and the first login of a new server.
//!
//! For an unknown user and a wrong password, response and work are the same. [`comm_server_core::logins`] decides
//! what locks an account, and for which sources.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use comm_server_core::accounts::AccountSpec;
use comm_server_core::logins::Source;
use comm_server_core::roles::{Permission, Role};
use comm_server_core::second_factor::{RequireTotp, SecondFactor, Stage};
use comm_server_core::settings::Setting;
use comm_server_core::tenancy::{Scope, TenantId, UserName};
use comm_server_core::tree::Node;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use tokio::sync::OnceCell;
use wire::network::Network;
use wire::text::without_hidden;

use super::known_browsers::{KeyError, KnownBrowsers};
use super::password::{self, HashError, Hasher, Leaked, WeakPassword};
use super::sessions::{self, Session};
use super::{Actor, Forbidden};
use crate::store::{
    Attempt, AuditEntry, NewPassword, NewSession, NewUser, OwnValue, Scoped, Store, StoreError, User,
};

/// The network under which sessions and the command line are queued.
const HERE: Network = Network::V4(Ipv4Addr::LOCALHOST);

/// Number of addresses above which the rate limiter forgets those without recent logins.
const ADDRESSES: usize = 10_000;

/// Logins from one address that are accepted at once.
const LOGINS_AT_ONCE: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");

/// Logins from one address that are accepted each minute after that.
const LOGINS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");

/// Characters of a `User-Agent` that are kept.
const AGENT_CHARACTERS: usize = 200;

/// The origin of a login.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) address: IpAddr,
    /// The value of the browser's device cookie.
    pub(crate) device: Option<&'a str>,
    /// `User-Agent` of the request.
    pub(crate) agent: &'a str,
}

/// The contents of a login form or request.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) origin: Origin<'a>,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
}

impl Origin<'_> {
    /// The user name as the audit shows it.
    pub(super) fn told(&self) -> String {
        format!("from {}", self.address)
    }
}

/// A login that succeeded.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    pub(crate) user: UserName,
    pub(crate) role: Role,
    pub(crate) must_change: bool,
    /// The stage of the login.
    pub(crate) stage: Stage,
    pub(crate) csrf: String,
    /// The session's token.
    pub(crate) token: String,
    /// The value of the device cookie. `None` until the code of the second factor was entered, so that only a browser
    /// whose user passed both is recognised later.
    pub(crate) device: Option<String>,
}

/// Why a login fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("too many logins from this address: wait a minute, then try again")]
    TooMany,
    #[error("user or password is wrong, or there were too many failed logins: after five, wait 15 minutes")]
    Wrong,
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<KeyError> for LoginError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Random(error) => Self::Hash(error),
            KeyError::Store(error) => Self::Store(error),
        }
    }
}

/// Why a password isn't changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("the account no longer exists")]
    NoAccount,
    #[error("the current password is wrong")]
    Wrong,
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Accounts and logins; cheap to clone.
#[derive(Debug, Clone)]
pub struct Users(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    hasher: Hasher,
    leaked: Leaked,
    logins: DefaultKeyedRateLimiter<Network>,
    browsers: OnceCell<KnownBrowsers>,
}

impl Users {
    /// The service on a store, for the logins of all tenants.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(store: &Store) -> Result<Self, HashError> {
        Self::with_leaked_hashes(store, None)
    }

    /// As [`Users::new`], with a file of the hashes of leaked passwords.
    ///
    /// # Errors
    /// The system's random number generator failed.
    pub(crate) fn with_leaked_hashes(
        store: &Store,
        leaked_hashes: Option<PathBuf>,
    ) -> Result<Self, HashError> {
        let logins = RateLimiter::keyed(Quota::per_minute(LOGINS_PER_MINUTE).allow_burst(LOGINS_AT_ONCE));
        let (hasher, leaked, browsers) = (Hasher::new()?, Leaked::new(leaked_hashes), OnceCell::new());
        let store = store.clone();
        Ok(Self(Arc::new(Inner { store, hasher, leaked, logins, browsers })))
    }

    /// The store within all of a tenant.
    fn of(&self, tenant: &TenantId) -> Scoped {
        self.0.store.of(&Scope::of_tenant(tenant.clone()))
    }

    /// Where an attempt with a login name is counted: in the tenant of its user; without one, in that of the only dealer,
    /// and where there are several, in the provider's, so that no dealer reads what another one's people entered.
    async fn tenant_of(&self, user: Option<&User>) -> Result<TenantId, StoreError> {
        let only = self.0.store.only_dealer().await?;
        Ok(user.map(|user| user.tenant.clone()).or(only).unwrap_or_else(TenantId::provider))
    }

    /// Hashes a new password.
    pub(super) async fn hash(&self, password: &str) -> Result<String, HashError> {
        self.0.hasher.hash(password, HERE).await
    }

    /// Checks a new password.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(super) async fn check_new(
        &self,
        user: &UserName,
        current: &str,
        new: &str,
    ) -> Result<(), WeakPassword> {
        password::check_new(user.as_str(), current, new)?;
        if self.0.leaked.contains(new).await { Err(WeakPassword::Leaked) } else { Ok(()) }
    }

    /// Whether no user has chosen a password yet.
    pub(crate) async fn awaits_first_login(&self) -> Result<bool, StoreError> {
        self.0.store.awaits_first_login().await
    }

    /// Logs in.
    pub(crate) async fn log_in(&self, login: Login<'_>) -> Result<LoggedIn, LoginError> {
        let Inner { store, hasher, .. } = &*self.0;
        let network = Network::of(login.origin.address);
        self.check_rate(network)?;
        let name: Option<UserName> = login.user.parse().ok();
        let user = match &name {
            Some(name) => store.user_by_login(name).await?,
            None => None,
        };
        let tenant = self.tenant_of(user.as_ref()).await?;
        let own = self.of(&tenant);
        let hash = user.as_ref().map(|user| user.password_hash.as_str()).filter(|hash| !hash.is_empty());
        let right = hasher.verify(login.password, hash, network).await?;
        let attempt = self.attempt(&login.origin, &tenant, name).await?;
        // A disabled account or dealer is refused as a wrong password is: nobody learns who is disabled.
        let user = user.filter(|user| user.disabled_at.is_none());
        let (Some(user), true) = (user, right) else {
            return Err(self.refuse(login.origin.address, &tenant, attempt).await);
        };
        let stage = self.stage(&user).await?;
        let (begun, new) = self.new_session(&user, stage, &login.origin, attempt.now).await?;
        let what = if stage == Stage::Code { "session.password" } else { "session.begin" };
        let entry = AuditEntry::new(attempt.now, user.name.as_str(), what, login.origin.told());
        if !own.begin_session(attempt.clone(), new, entry).await? {
            return Err(self.refuse(login.origin.address, &tenant, attempt).await);
        }
        Ok(begun)
    }

    /// The stage of a login after the right password.
    async fn stage(&self, user: &User) -> Result<Stage, StoreError> {
        let own = self.of(&user.tenant);
        let factor = match (user.has_second_factor, own.authenticator(&user.name).await?) {
            (false, _) => SecondFactor::None,
            (true, Some(found)) if found.confirmed_at.is_some() => SecondFactor::On,
            (true, Some(_) | None) => SecondFactor::Lost,
        };
        Ok(Stage::after_password(factor, self.required(&user.tenant).await?, user.role))
    }

    /// Who of a tenant must have a second factor.
    pub(super) async fn required(&self, tenant: &TenantId) -> Result<RequireTotp, StoreError> {
        let values = self.of(tenant).own_values(&Node::Tenant).await?.unwrap_or_default();
        let found = values.into_iter().find(|value| value.setting == Setting::RequireTotp);
        let Some(OwnValue { setting, value, .. }) = found else { return Ok(RequireTotp::default()) };
        // A value that nobody knows must not let people in without a second factor.
        let (table, column, key) = ("settings", "value", setting.name().to_owned());
        value.parse().map_err(|_| StoreError::Unknown { table, column, key, value })
    }

    async fn browsers(&self) -> Result<&KnownBrowsers, KeyError> {
        self.0.browsers.get_or_try_init(|| KnownBrowsers::load(&self.0.store)).await
    }

    /// A login attempt for an account. Its source is the browser if that is recognised, else the network.
    pub(super) async fn attempt(
        &self,
        origin: &Origin<'_>,
        tenant: &TenantId,
        user: Option<UserName>,
    ) -> Result<Attempt, KeyError> {
        let (browsers, now) = (self.browsers().await?, Timestamp::now());
        let known = origin.device.zip(user.as_ref());
        let known = known.and_then(|(value, name)| browsers.id(value, tenant, name, now));
        let source = known.map_or_else(|| Source::Network(Network::of(origin.address)), Source::Device);
        Ok(Attempt { user, source, now })
    }

    /// Begins a session of a user; returns what its browser receives.
    pub(super) async fn new_session(
        &self,
        user: &User,
        stage: Stage,
        origin: &Origin<'_>,
        now: Timestamp,
    ) -> Result<(LoggedIn, NewSession), KeyError> {
        let (token, csrf) = (sessions::random_token()?, sessions::random_token()?);
        let expires_ms = sessions::first_expiry(stage, now.as_millisecond());
        let new = NewSession {
            token_hash: sessions::token_hash(&token),
            user: user.name.clone(),
            csrf: csrf.clone(),
            created_at: now,
            expires_at: Timestamp::from_millisecond(expires_ms).unwrap_or(now),
            address: origin.address.to_string(),
            agent: without_hidden(origin.agent, AGENT_CHARACTERS),
            stage,
        };
        let device = match stage {
            Stage::Code => None,
            Stage::Enroll | Stage::Open => {
                Some(self.browsers().await?.value(&user.tenant, &user.name, now)?)
            }
        };
        let (name, must_change) = (user.name.clone(), user.must_change);
        Ok((LoggedIn { user: name, role: user.role, must_change, stage, csrf, token, device }, new))
    }

    /// Counts the failure: the same work and response for every name.
    async fn refuse(&self, address: IpAddr, tenant: &TenantId, attempt: Attempt) -> LoginError {
        let name = attempt.user.as_ref().map_or("", UserName::as_str);
        let entry = AuditEntry::new(attempt.now, name, "session.refused", format!("from {address}"));
        let counted = self.of(tenant).count_login_failure(attempt, entry).await;
        counted.map_or_else(LoginError::Store, |_| LoginError::Wrong)
    }

    pub(super) fn check_rate(&self, network: Network) -> Result<(), LoginError> {
        let logins = &self.0.logins;
        if logins.len() > ADDRESSES {
            logins.retain_recent();
        }
        logins.check_key(&network).map_err(|_| LoginError::TooMany)
    }

    /// Logs out.
    pub(crate) async fn log_out(&self, session: &Session) -> Result<(), StoreError> {
        let store = &self.0.store;
        store.end_session(&session.token_hash).await?;
        let entry = AuditEntry::new(Timestamp::now(), &session.actor.name, "session.end", "");
        store.of(&session.actor.scope).append_audit(entry).await
    }

    /// Changes the session's own password; other sessions of the user end.
    pub(crate) async fn change_password(
        &self,
        session: &Session,
        current: &str,
        new: &str,
    ) -> Result<(), PasswordError> {
        let Inner { store, hasher, .. } = &*self.0;
        let user = self.check_own_password(session, current).await?;
        let (name, own) = (&user.name, store.of(&session.actor.scope));
        self.check_new(name, current, new).await?;
        let keep_session = Some(session.token_hash.clone());
        let new =
            NewPassword { password_hash: hasher.hash(new, HERE).await?, must_change: false, keep_session };
        let entry = AuditEntry::new(Timestamp::now(), name.as_str(), "password.change", "");
        if own.set_password(name, new, entry).await? { Ok(()) } else { Err(PasswordError::NoAccount) }
    }

    /// The account of a session, after its user has entered the password again.
    ///
    /// # Errors
    /// The password is wrong, or the account doesn't exist any more.
    pub(super) async fn check_own_password(
        &self,
        session: &Session,
        current: &str,
    ) -> Result<User, PasswordError> {
        let Inner { store, hasher, .. } = &*self.0;
        let name = session.user.as_ref().ok_or(PasswordError::NoAccount)?;
        let own = store.of(&session.actor.scope);
        let user = own.user(name).await?.ok_or(PasswordError::NoAccount)?;
        // One at a time for a session, whatever waits for others.
        if !hasher.verify(current, Some(&user.password_hash), HERE).await? {
            let now = Timestamp::now();
            let entry =
                AuditEntry::new(now, name.as_str(), "password.refused", "the current password was wrong");
            // A session that guesses is a source of its own: nobody else is locked out.
            let source = Source::Device(format!("session {}", session.token_hash));
            let attempt = Attempt { user: Some(name.clone()), source, now };
            if own.count_login_failure(attempt, entry).await? {
                store.end_session(&session.token_hash).await?;
            }
            return Err(PasswordError::Wrong);
        }
        Ok(user)
    }

    /// Creates the administrator `admin` of the default tenant, with a one-time password, if that has no users; returns that password, which is
    /// printed to standard output and nowhere else.
    ///
    /// # Errors
    /// The system's random number generator or the store failed.
    pub async fn first_login(&self) -> Result<Option<String>, FirstLoginError> {
        let (own, hasher) = (self.of(&TenantId::default_tenant()), &self.0.hasher);
        if own.has_users().await? {
            return Ok(None);
        }
        let one_time = password::one_time()?;
        let new = NewUser {
            name: "admin".parse().expect("the name follows the rule"),
            spec: AccountSpec {
                role: Role::Administrator,
                part: None,
                full_name: String::new(),
                mail: String::new(),
            },
            password_hash: hasher.hash(&one_time, HERE).await?,
            must_change: true,
            created_at: Timestamp::now(),
        };
        Ok(own.create_user(new).await?.then_some(one_time))
    }

    /// Gives a user a new one-time password, ends the user's sessions and unlocks the account.
    ///
    /// # Errors
    /// The role does not allow it, there is no such user, or the system's random number generator or the store failed.
    pub(crate) async fn reset_password(
        &self,
        actor: &Actor,
        user: &str,
    ) -> Result<String, PasswordResetError> {
        actor.check(Permission::ManageUsers)?;
        let Inner { store, hasher, .. } = &*self.0;
        let not_found = || PasswordResetError::NotFound { user: user.to_owned() };
        let name: UserName = user.parse().map_err(|_| not_found())?;
        let (own, one_time) = (store.of(&actor.scope), password::one_time()?);
        let password_hash = hasher.hash(&one_time, HERE).await?;
        let new = NewPassword { password_hash, must_change: true, keep_session: None };
        let entry = AuditEntry::new(Timestamp::now(), &actor.name, "password.reset", format!("of {user}"));
        if own.set_password(&name, new, entry).await? { Ok(one_time) } else { Err(not_found()) }
    }
}

/// Why the first login was not created.
#[derive(Debug, thiserror::Error)]
pub enum FirstLoginError {
    /// The password can't be hashed.
    #[error("the one-time password can't be generated")]
    Password(#[from] HashError),
    /// The store failed.
    #[error("the first user can't be stored")]
    Store(#[from] StoreError),
}

/// Why a password was not reset.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordResetError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such user.
    #[error("there is no user {user:?}")]
    NotFound {
        /// As it was given.
        user: String,
    },
    /// The password can't be hashed.
    #[error("the one-time password can't be generated")]
    Password(#[from] HashError),
    /// The store failed.
    #[error("the password can't be stored")]
    Store(#[from] StoreError),
}
