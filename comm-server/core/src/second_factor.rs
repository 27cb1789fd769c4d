//! The second factor of a login: who must have one, which step a login needs next, and the forms of codes.

use std::str::FromStr;

use crate::roles::Role;

/// Digits of a code of an authenticator.
const CODE_DIGITS: usize = 6;

/// Recovery codes that a user gets.
pub const RECOVERY_CODES: usize = 10;

/// Letters of a recovery code, without hyphens: 80 random bits, enough to store it as a fast hash.
pub const RECOVERY_LETTERS: usize = 16;

/// The letters of recovery codes: 32 that can't be mistaken for each other (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Who must have a second factor: a setting of the service company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequireTotp {
    /// Nobody must have one; everybody may.
    #[default]
    None,
    /// Administrators.
    Administrators,
    /// Everybody who logs in.
    Everybody,
}

/// An unknown name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such value of require_totp or stage of a session")]
pub struct Unknown;

impl RequireTotp {
    /// All values.
    pub const ALL: [Self; 3] = [Self::None, Self::Administrators, Self::Everybody];

    /// The names of all values.
    pub(crate) const NAMES: [&str; 3] =
        [Self::None.name(), Self::Administrators.name(), Self::Everybody.name()];

    /// Name in the store and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Administrators => "administrators",
            Self::Everybody => "everybody",
        }
    }

    /// Whether users with a role must have a second factor.
    #[must_use]
    pub const fn covers(self, role: Role) -> bool {
        match self {
            Self::None => false,
            Self::Administrators => matches!(role, Role::Administrator | Role::Provider),
            Self::Everybody => true,
        }
    }
}

impl FromStr for RequireTotp {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|value| value.name() == text).ok_or(Unknown)
    }
}

/// The second factor of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    /// None was set up.
    None,
    /// An authenticator, confirmed by a code.
    On,
    /// A second factor was set up, but its secret is missing: the database was restored from a backup, which contains no
    /// such secrets.
    Lost,
}

/// The stage of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The password was right; the code of the second factor is missing.
    Code,
    /// A second factor must be set up before anything else.
    Enroll,
    /// The login is complete.
    Open,
}

impl Stage {
    /// All stages.
    pub const ALL: [Self; 3] = [Self::Code, Self::Enroll, Self::Open];

    /// The stage of a login after the right password.
    #[must_use]
    pub const fn after_password(factor: SecondFactor, required: RequireTotp, role: Role) -> Self {
        match factor {
            SecondFactor::On => Self::Code,
            SecondFactor::Lost => Self::Enroll,
            SecondFactor::None if required.covers(role) => Self::Enroll,
            SecondFactor::None => Self::Open,
        }
    }

    /// Name in the store and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Enroll => "enroll",
            Self::Open => "open",
        }
    }
}

impl FromStr for Stage {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|stage| stage.name() == text).ok_or(Unknown)
    }
}

/// A code as entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenCode {
    /// Six digits of an authenticator.
    Authenticator(String),
    /// A recovery code, without its hyphens.
    Recovery(String),
}

impl GivenCode {
    /// Parses a code, ignoring spaces and hyphens; `None` if it can't be a code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let read = |c: char| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        let letters = text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(read);
        let code: String = letters.take(RECOVERY_LETTERS + 1).collect();
        if code.len() == CODE_DIGITS && code.bytes().all(|octet| octet.is_ascii_digit()) {
            return Some(Self::Authenticator(code));
        }
        let is_recovery =
            code.len() == RECOVERY_LETTERS && code.bytes().all(|octet| ALPHABET.contains(&octet));
        is_recovery.then_some(Self::Recovery(code))
    }
}

/// Makes a recovery code from random octets, without hyphens.
#[must_use]
pub fn recovery_code(random: &[u8; RECOVERY_LETTERS]) -> String {
    let letter = |octet: &u8| ALPHABET.get(usize::from(*octet % 32)).copied().map_or('0', char::from);
    random.iter().map(letter).collect()
}

/// A recovery code as displayed: four groups.
#[must_use]
pub fn grouped(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_after_the_password_follows_the_table() {
        use RequireTotp::{Administrators, Everybody, None};
        let table = [
            (SecondFactor::None, None, Role::Administrator, Stage::Open),
            (SecondFactor::None, Administrators, Role::Administrator, Stage::Enroll),
            (SecondFactor::None, Administrators, Role::Engineer, Stage::Open),
            (SecondFactor::None, Everybody, Role::CustomerViewer, Stage::Enroll),
            (SecondFactor::On, None, Role::Viewer, Stage::Code),
            (SecondFactor::On, Everybody, Role::Viewer, Stage::Code),
            (SecondFactor::Lost, None, Role::Viewer, Stage::Enroll),
        ];
        for (factor, required, role, expected) in table {
            assert_eq!(Stage::after_password(factor, required, role), expected, "{factor:?} {required:?}");
        }
        for value in RequireTotp::ALL {
            assert_eq!(value.name().parse(), Ok(value));
        }
        for stage in Stage::ALL {
            assert_eq!(stage.name().parse(), Ok(stage));
        }
        assert_eq!("".parse::<Stage>(), Err(Unknown));
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        let digits = |text: &str| GivenCode::Authenticator(text.to_owned());
        assert_eq!(GivenCode::parse(" 123 456 "), Some(digits("123456")));
        assert_eq!(GivenCode::parse("123-456"), Some(digits("123456")));
        let code = recovery_code(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 31, 255]);
        assert_eq!(grouped(&code), "0123-4567-89ab-cdzz");
        assert_eq!(GivenCode::parse(&grouped(&code).to_uppercase()), Some(GivenCode::Recovery(code)));
        for bad in [
            "",
            "12345",
            "1234567",
            "12345a",
            "１２３４５６",
            "0123-4567-89ab-cdz",
            "0123-4567-89ab-cdzzz",
            "u123-4567-89ab-cdzz",
        ] {
            assert_eq!(GivenCode::parse(bad), None, "{bad}");
        }
        assert_eq!(GivenCode::parse(&"1".repeat(100_000)), None);
    }
}
