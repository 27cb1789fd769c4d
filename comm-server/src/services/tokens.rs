//! API tokens: created by administrators, used by programs.

use std::net::IpAddr;

use comm_server_core::fields::InvalidField;
use comm_server_core::roles::Permission;
use comm_server_core::tokens::{self, TokenSpec, is_token};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::Actor;
use super::accounts::AccountError;
use super::customers::author;
use super::password::HashError;
use super::sessions::{Session, token_hash};
use crate::store::{ApiToken, Store, StoreError};

/// Minimum time between two records of a token's use.
const NOTED: SignedDuration = SignedDuration::from_mins(1);

/// A token that was created. It is shown only once.
#[derive(Clone)]
pub(crate) struct MadeToken {
    /// Its id.
    pub id: Uuid,
    /// The token.
    pub token: String,
}

/// Creates and revokes tokens, and finds the caller of a token; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    store: Store,
}

impl Tokens {
    /// The service on a store.
    #[must_use]
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Creates a token.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn create(&self, actor: &Actor, spec: &TokenSpec) -> Result<MadeToken, AccountError> {
        actor.check(Permission::ManageUsers)?;
        let author = author(actor);
        let spec = spec.checked(actor.scope.tenant(), author.now)?;
        check_networks(&spec.networks)?;
        let token = tokens::token(&random()?);
        let id = self.store.of(&actor.scope).create_api_token(spec, token_hash(&token), author).await?;
        Ok(MadeToken { id, token })
    }

    /// Tokens that the actor may manage, newest first; at most 1,000.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn list(&self, actor: &Actor) -> Result<Vec<ApiToken>, AccountError> {
        actor.check(Permission::ManageUsers)?;
        Ok(self.store.of(&actor.scope).api_tokens().await?)
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn revoke(&self, actor: &Actor, id: Uuid) -> Result<(), AccountError> {
        actor.check(Permission::ManageUsers)?;
        Ok(self.store.of(&actor.scope).revoke_api_token(id, author(actor)).await?)
    }

    /// The caller of a token; `None` if the token is wrong, has expired, was revoked, or is not accepted from this
    /// address.
    pub(crate) async fn caller(&self, token: &str, address: IpAddr) -> Result<Option<Session>, StoreError> {
        if !is_token(token) {
            return Ok(None);
        }
        let now = Timestamp::now();
        let found = self.store.api_token(&token_hash(token)).await?;
        let Some(found) = found.filter(|found| works(found, address, now)) else { return Ok(None) };
        if found.used_at.is_none_or(|used| now.duration_since(used) >= NOTED) {
            self.store.note_token_use(&found, now).await?;
        }
        let role = found.spec.account.role;
        let name = format!("token:{}", found.spec.name);
        Ok(Some(Session::of_token(Actor::operator(found.scope(), &name, role), role)))
    }
}

/// Whether a token is accepted now from an address.
fn works(token: &ApiToken, address: IpAddr, now: Timestamp) -> bool {
    let address = address.to_canonical();
    let networks = token.spec.networks.split_whitespace();
    let mut networks = networks.filter_map(|network| network.parse::<IpNet>().ok()).peekable();
    let is_from_here = networks.peek().is_none() && token.spec.networks.is_empty()
        || networks.any(|network| network.contains(&address));
    token.revoked_at.is_none() && now < token.spec.expires_at && is_from_here
}

fn check_networks(networks: &str) -> Result<(), InvalidField> {
    let expected = "networks in CIDR notation, such as 192.0.2.0/24 or 2001:db8::/32";
    let wrong = networks.split_whitespace().find(|network| network.parse::<IpNet>().is_err());
    wrong.map_or(Ok(()), |network| Err(InvalidField::new("networks", network, expected)))
}

/// Random letters and digits, evenly distributed.
fn random() -> Result<String, HashError> {
    let mut made = String::with_capacity(tokens::RANDOM);
    while made.len() < tokens::RANDOM {
        let mut octet = [0];
        aws_lc_rs::rand::fill(&mut octet).map_err(|_| HashError::NoRandom)?;
        // 248 is 4 × 62: a larger octet would prefer the first letters.
        if let Some(letter) = tokens::DIGITS.get(usize::from(octet[0] % 62)).filter(|_| octet[0] < 248) {
            made.push(char::from(*letter));
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use comm_server_core::roles::Role;

    use super::*;
    use crate::store::testing::{account, scope};

    #[test]
    fn a_token_works_in_its_time_and_from_its_networks() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let token = |networks: &str| ApiToken {
            tenant: scope().tenant().clone(),
            id: Uuid::nil(),
            spec: TokenSpec {
                name: "erp".to_owned(),
                account: account(Role::Viewer),
                expires_at: at(100),
                networks: networks.to_owned(),
            },
            created_by: "erin".to_owned(),
            created_at: at(0),
            used_at: None,
            revoked_at: None,
        };
        let from = |networks: &str, address: &str| works(&token(networks), address.parse().unwrap(), at(99));
        assert!(from("", "203.0.113.9") && from("203.0.113.0/24 ::1/128", "203.0.113.9"));
        assert!(from("203.0.113.0/24", "::ffff:203.0.113.9"), "an IPv4-mapped address is the IPv4 address");
        assert!(!from("203.0.113.0/24", "198.51.100.1") && !from("nonsense", "198.51.100.1"));
        assert!(!works(&token(""), "::1".parse().unwrap(), at(100)), "expired");
        let revoked = ApiToken { revoked_at: Some(at(1)), ..token("") };
        assert!(!works(&revoked, "::1".parse().unwrap(), at(50)));
        assert!(is_token(&tokens::token(&random().unwrap())));
    }
}
