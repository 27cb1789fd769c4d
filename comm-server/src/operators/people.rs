//! Logging in and out, changing a password, and the first login of a new server.
//!
//! An unknown user and a wrong password get the same answer after the same work; what locks an account, and for whom, is
//! decided by [`comm_server_core::logins`].

use std::net::{IpAddr, Ipv4Addr};

use axum::http::{HeaderMap, HeaderName, header};
use axum::response::AppendHeaders;
use comm_server_core::logins::Source;
use jiff::Timestamp;
use runtime::listener::Peer;
use wire::network::Network;
use wire::problem::ProblemCode;

use super::caller::Caller;
use super::error::ApiError;
use super::password::{self, HashError};
use super::role::Role;
use super::{OperatorState, session};
use crate::store::{Attempt, AuditEntry, DEFAULT_TENANT, NewUser, Session, Store, StoreError};

/// Those who have a session, or the machine's own command line, wait as one network of their own.
const HERE: Network = Network::V4(Ipv4Addr::LOCALHOST);

/// A name is at most so long.
const NAME_BYTES: usize = 64;

/// Addresses that the rate limit remembers before it forgets those at rest.
const ADDRESSES: usize = 10_000;

const WRONG: &str =
    "user or password is wrong, or there were too many wrong ones: after five, wait 15 minutes";

/// A login that succeeded.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) user: String,
    pub(super) role: Role,
    pub(super) must_change: bool,
    pub(super) csrf: String,
    pub(super) cookies: LoggedInCookies,
}

/// The cookies of a login: of the session, and of the browser that is known from now on.
pub(super) type LoggedInCookies = AppendHeaders<[(HeaderName, String); 2]>;

/// Where a request comes from; the unspecified address without a listener (in tests).
pub(super) fn address_of(peer: Option<&Peer>) -> IpAddr {
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address.ip())
}

/// Logs in.
pub(super) async fn log_in(
    state: &OperatorState,
    address: IpAddr,
    headers: &HeaderMap,
    name: &str,
    password: &str,
) -> Result<LoggedIn, ApiError> {
    let network = Network::of(address);
    check_rate(state, network)?;
    let name = if name.len() <= NAME_BYTES { name } else { "" };
    let user = state.store().user(DEFAULT_TENANT, name).await?;
    let hash = user.as_ref().map(|user| user.password_hash.as_str());
    let right = state.0.hasher.verify(password, hash, network).await?;
    let now = Timestamp::now();
    let devices = state.devices().await?;
    let known = devices.id(headers, DEFAULT_TENANT, name, now);
    let source = known.map_or(Source::Network(network), Source::Device);
    let attempt = Attempt { tenant: DEFAULT_TENANT.to_owned(), user: name.to_owned(), source, now };
    let (Some(user), true) = (user, right) else {
        return Err(refuse_login(state, address, attempt).await?);
    };
    let role = user.role.parse().map_err(|error| ApiError::internal(&error))?;
    let (token, csrf) = (session::random_token()?, session::random_token()?);
    let expires_ms = session::expiry(now.as_millisecond(), now.as_millisecond());
    let new = Session {
        token_hash: session::token_hash(&token),
        tenant: user.tenant.clone(),
        user: user.name.clone(),
        csrf: csrf.clone(),
        created_at: now,
        expires_at: Timestamp::from_millisecond(expires_ms).unwrap_or(now),
        changed_ms: 0,
    };
    let entry = AuditEntry::new(now, &user.name, "session.begin", format!("from {address}"));
    if !state.store().begin_session(attempt.clone(), new, entry).await? {
        return Err(refuse_login(state, address, attempt).await?);
    }
    let device = devices.cookie(&user.tenant, &user.name, now)?;
    let cookies = [session::cookie(token).to_string(), device].map(|cookie| (header::SET_COOKIE, cookie));
    Ok(LoggedIn {
        user: user.name,
        role,
        must_change: user.must_change,
        csrf,
        cookies: AppendHeaders(cookies),
    })
}

/// Counts the failure; the same work and answer for every name.
async fn refuse_login(
    state: &OperatorState,
    address: IpAddr,
    attempt: Attempt,
) -> Result<ApiError, ApiError> {
    let entry = AuditEntry::new(attempt.now, &attempt.user, "session.refused", format!("from {address}"));
    state.store().count_login_failure(attempt, entry).await?;
    Ok(ApiError::new(ProblemCode::Unauthorized, WRONG))
}

fn check_rate(state: &OperatorState, network: Network) -> Result<(), ApiError> {
    let logins = &state.0.logins;
    if logins.len() > ADDRESSES {
        logins.retain_recent();
    }
    logins.check_key(&network).map_err(|_| ApiError::too_many())
}

/// Logs out.
pub(super) async fn log_out(state: &OperatorState, caller: &Caller) -> Result<(), ApiError> {
    state.store().end_session(&caller.token_hash).await?;
    let entry = AuditEntry::new(Timestamp::now(), &caller.user, "session.end", "");
    Ok(state.store().append_audit(&caller.tenant, entry).await?)
}

/// Changes the caller's own password; other sessions of the user end.
pub(super) async fn change_password(
    state: &OperatorState,
    caller: &Caller,
    current: &str,
    new: &str,
) -> Result<(), ApiError> {
    let user = state.store().user(&caller.tenant, &caller.user).await?.ok_or_else(ApiError::not_logged_in)?;
    let hasher = &state.0.hasher;
    // One at a time for a session, whatever waits for others.
    if !hasher.verify(current, Some(&user.password_hash), HERE).await? {
        let now = Timestamp::now();
        let entry = AuditEntry::new(now, &caller.user, "password.refused", "the current one was wrong");
        // A session that guesses is a source of its own: nobody else is locked out.
        let source = Source::Device(format!("session {}", caller.token_hash));
        let attempt = Attempt { tenant: caller.tenant.clone(), user: caller.user.clone(), source, now };
        if state.store().count_login_failure(attempt, entry).await? {
            state.store().end_session(&caller.token_hash).await?;
        }
        return Err(ApiError::new(ProblemCode::Forbidden, "the current password is wrong"));
    }
    password::check_new(&caller.user, current, new).map_err(|weak| ApiError::malformed(weak.to_string()))?;
    let hash = hasher.hash(new, HERE).await?;
    let keep = Some(caller.token_hash.clone());
    state.store().set_password(&caller.tenant, &caller.user, hash, false, keep).await?;
    let entry = AuditEntry::new(Timestamp::now(), &caller.user, "password.change", "");
    Ok(state.store().append_audit(&caller.tenant, entry).await?)
}

/// The first login could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FirstLoginError {
    /// The password can't be hashed.
    #[error("the one-time password can't be made")]
    Password(#[from] HashError),
    /// The store.
    #[error("the first user can't be stored")]
    Store(#[from] StoreError),
}

/// Makes the administrator `admin` with a one-time password if there is nobody yet; answers that password, which
/// goes to standard output and nowhere else.
///
/// # Errors
/// No random numbers, or the store.
pub async fn first_login(store: &Store) -> Result<Option<String>, FirstLoginError> {
    if !store.users(DEFAULT_TENANT).await?.is_empty() {
        return Ok(None);
    }
    let one_time = password::one_time()?;
    let new = NewUser {
        name: "admin".to_owned(),
        role: Role::Administrator.name().to_owned(),
        password_hash: password::Hasher::new()?.hash(&one_time, HERE).await?,
        must_change: true,
        created_at: Timestamp::now(),
    };
    Ok(store.create_user(DEFAULT_TENANT, new).await?.then_some(one_time))
}

/// A password could not be reset.
#[derive(Debug, thiserror::Error)]
pub enum PasswordResetError {
    /// No such user.
    #[error("there is no user {user:?}")]
    NotFound {
        /// As it was given.
        user: String,
    },
    /// The password can't be hashed.
    #[error("the one-time password can't be made")]
    Password(#[from] HashError),
    /// The store.
    #[error("the password can't be stored")]
    Store(#[from] StoreError),
}

/// Gives a user a new one-time password, ends the user's sessions and unlocks the account; `who` is for the audit.
///
/// # Errors
/// There is no such user, no random numbers, or the store.
pub async fn reset_password(
    store: &Store,
    tenant: &str,
    user: &str,
    who: &str,
) -> Result<String, PasswordResetError> {
    let one_time = password::one_time()?;
    let hash = password::Hasher::new()?.hash(&one_time, HERE).await?;
    if !store.set_password(tenant, user, hash, true, None).await? {
        return Err(PasswordResetError::NotFound { user: user.to_owned() });
    }
    let entry = AuditEntry::new(Timestamp::now(), who, "password.reset", format!("of {user}"));
    store.append_audit(tenant, entry).await?;
    Ok(one_time)
}
