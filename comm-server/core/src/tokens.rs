//! API tokens: `platen_at_`, 30 random letters and digits, and a checksum of 6. By the checksum, scanners for leaked
//! secrets, and the server before it queries its database, recognise a token.

use crate::accounts::AccountSpec;
use crate::customers::NAME_BYTES;
use crate::fields::{InvalidField, line};
use crate::tenancy::TenantId;
use jiff::{SignedDuration, Timestamp};

/// Prefix of every token.
pub(crate) const PREFIX: &str = "platen_at_";

/// Random letters and digits of a token: 178 bits.
pub const RANDOM: usize = 30;

/// Letters and digits of the checksum.
const CHECKSUM: usize = 6;

/// The digits of base 62.
pub const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Maximum validity of a token.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Maximum number of networks of a token.
const NETWORKS: usize = 20;

/// A token as entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpec {
    /// What it is for, unique in the tenant.
    pub name: String,
    /// Its role and the part of the tree that it can access.
    pub account: AccountSpec,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Networks from which it is accepted, in CIDR notation, separated by spaces; "" for all.
    pub networks: String,
}

impl TokenSpec {
    /// Validates the specification; returns it in its stored form. The caller must validate the networks.
    ///
    /// # Errors
    /// The first invalid field.
    pub fn checked(&self, tenant: &TenantId, now: Timestamp) -> Result<Self, InvalidField> {
        const NAMED: &str = "1 to 200 bytes without control characters";
        let name = line("name", &self.name, NAME_BYTES, NAMED)?;
        if name.is_empty() {
            return Err(InvalidField::new("name", &self.name, NAMED));
        }
        let latest = now.checked_add(LONGEST).unwrap_or(now);
        if self.expires_at <= now || self.expires_at > latest {
            let expected = "a time within the next 366 days";
            return Err(InvalidField::new("expires_at", &self.expires_at.to_string(), expected));
        }
        let networks: Vec<&str> = self.networks.split_whitespace().collect();
        if networks.len() > NETWORKS {
            return Err(InvalidField::new("networks", &self.networks, "at most 20 networks"));
        }
        let networks = networks.join(" ");
        Ok(Self { name, account: self.account.checked(tenant)?, expires_at: self.expires_at, networks })
    }
}

/// Makes a token from random letters and digits, by adding the checksum.
#[must_use]
pub fn token(random: &str) -> String {
    format!("{PREFIX}{random}{}", checksum(random))
}

/// Whether a text has the form of a token and the right checksum.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX) else { return false };
    let Some((random, sum)) = rest.split_at_checked(RANDOM) else { return false };
    random.bytes().all(|b| b.is_ascii_alphanumeric()) && sum == checksum(random)
}

/// CRC-32 (IEEE 802.3) in base 62, with leading zeros.
fn checksum(random: &str) -> String {
    let mut rest = crc32fast::hash(random.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        let at = usize::try_from(rest % 62).unwrap_or_default();
        *digit = DIGITS.get(at).copied().unwrap_or(b'0');
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::Role;

    #[test]
    fn a_token_is_known_by_its_checksum() {
        let random = "0123456789abcdefghijABCDEFGHIJ";
        let made = token(random);
        assert_eq!(made.len(), PREFIX.len() + 36);
        assert!(is_token(&made));
        // CRC-32 of the check string of its catalogue, 0xCBF43926 = 3,421,780,262.
        assert_eq!(checksum("123456789"), "3jZRME");
        for at in 0..made.len() {
            let mut wrong = made.clone().into_bytes();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            assert!(!is_token(&String::from_utf8(wrong).unwrap()), "{at}");
        }
        for wrong in ["", "platen_at_", "platen_at_äääääääääääääääääääääääääääääää", made.get(..40).unwrap()]
        {
            assert!(!is_token(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_token_ends_within_a_year() {
        let now = Timestamp::UNIX_EPOCH;
        let days = |days: i64| {
            let account =
                AccountSpec { role: Role::Viewer, part: None, full_name: String::new(), mail: String::new() };
            let expires_at = now + SignedDuration::from_hours(24 * days);
            let spec = TokenSpec {
                name: " ERP ".to_owned(),
                account,
                expires_at,
                networks: " 10.0.0.0/8\t::1/128".to_owned(),
            };
            spec.checked(&TenantId::default_tenant(), now)
                .map(|spec| (spec.name, spec.networks))
                .map_err(|error| error.field)
        };
        assert_eq!(days(366), Ok(("ERP".to_owned(), "10.0.0.0/8 ::1/128".to_owned())));
        assert_eq!([days(0), days(-1), days(367)], [Err("expires_at"), Err("expires_at"), Err("expires_at")]);
    }
}
