//! Settings that are inherited down the tree of a tenant: the value nearest to a gateway or a site applies, and is
//! shown with its origin.

use std::str::FromStr;

use crate::fields::InvalidField;
use crate::roles::Permission;
use crate::second_factor::RequireTotp;

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// IANA time zone of time windows, billing dates and displayed times.
    TimeZone,
    /// Seconds between two polls of a gateway without an open service call.
    PollInterval,
    /// Who must have a second factor.
    RequireTotp,
}

/// A level of the tree, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The service company.
    Tenant,
    /// A customer.
    Customer,
    /// A site.
    Site,
    /// A gateway.
    Gateway,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// No level of the tree has a value: the server's configuration.
    Server,
    /// A level of the tree.
    Level(Level),
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The value that applies.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// An unknown name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such setting or level of the tree")]
pub struct Unknown;

impl Level {
    /// All levels, from the top.
    pub const ALL: [Self; 4] = [Self::Tenant, Self::Customer, Self::Site, Self::Gateway];

    /// Name in the store and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Customer => "customer",
            Self::Site => "site",
            Self::Gateway => "gateway",
        }
    }
}

impl FromStr for Level {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|level| level.name() == text).ok_or(Unknown)
    }
}

impl Origin {
    /// Name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Level(level) => level.name(),
        }
    }
}

impl Setting {
    /// All settings.
    pub const ALL: [Self; 3] = [Self::TimeZone, Self::PollInterval, Self::RequireTotp];

    /// Name in the store and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeZone => "time_zone",
            Self::PollInterval => "poll_interval_s",
            Self::RequireTotp => "require_totp",
        }
    }

    /// Title on pages.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::TimeZone => "Time zone",
            Self::PollInterval => "Poll interval, seconds",
            Self::RequireTotp => "Second factor required of",
        }
    }

    /// The lowest level that can have a value of its own.
    #[must_use]
    pub const fn lowest(self) -> Level {
        match self {
            Self::TimeZone => Level::Site,
            Self::PollInterval => Level::Gateway,
            Self::RequireTotp => Level::Tenant,
        }
    }

    /// The permission to change it.
    #[must_use]
    pub const fn permission(self) -> Permission {
        match self {
            Self::TimeZone | Self::PollInterval => Permission::ManageCustomers,
            Self::RequireTotp => Permission::ManageUsers,
        }
    }

    /// The possible values, if there are few; empty if a text or a number is entered.
    #[must_use]
    pub fn choices(self) -> &'static [&'static str] {
        match self {
            Self::TimeZone | Self::PollInterval => &[],
            Self::RequireTotp => const { &RequireTotp::NAMES },
        }
    }

    /// Validates a value; returns it in its stored form. The caller must check that a time zone is in the tz
    /// database.
    ///
    /// # Errors
    /// The value is out of range.
    pub fn parse(self, given: &str) -> Result<String, InvalidField> {
        let given = given.trim();
        match self {
            Self::TimeZone => {
                let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
                let is_name = (1..=64).contains(&given.len()) && given.chars().all(allowed);
                let expected = "an IANA time zone, such as Europe/Berlin or Asia/Tokyo";
                if is_name {
                    Ok(given.to_owned())
                } else {
                    Err(InvalidField::new(self.name(), given, expected))
                }
            }
            Self::PollInterval => {
                let seconds = given.parse::<u32>().ok().filter(|s| (60..=86_400).contains(s));
                let invalid = || InvalidField::new(self.name(), given, "60 to 86400 seconds");
                seconds.map(|s| s.to_string()).ok_or_else(invalid)
            }
            Self::RequireTotp => {
                let invalid = |_| InvalidField::new(self.name(), given, "none, administrators or everybody");
                given.parse::<RequireTotp>().map(|value| value.name().to_owned()).map_err(invalid)
            }
        }
    }

    /// The value that applies, given the values of some levels; `default` is the server's.
    #[must_use]
    pub fn effective(self, own: &[(Level, &str)], default: &str) -> Effective {
        let lowest = self.lowest();
        let nearest = own.iter().filter(|(level, _)| *level <= lowest).max_by_key(|(level, _)| *level);
        match nearest {
            Some((level, value)) => Effective { value: (*value).to_owned(), origin: Origin::Level(*level) },
            None => Effective { value: default.to_owned(), origin: Origin::Server },
        }
    }
}

impl FromStr for Setting {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|setting| setting.name() == text).ok_or(Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_nearest_to_the_ground_counts() {
        let zone = |own: &[(Level, &str)]| {
            let found = Setting::TimeZone.effective(own, "UTC");
            (found.value, found.origin.name())
        };
        let (tenant, site) = ((Level::Tenant, "Europe/Berlin"), (Level::Site, "Asia/Tokyo"));
        assert_eq!(zone(&[]), ("UTC".to_owned(), "server"));
        assert_eq!(zone(&[site, tenant]), ("Asia/Tokyo".to_owned(), "site"));
        assert_eq!(
            zone(&[tenant, (Level::Gateway, "X")]),
            ("Europe/Berlin".to_owned(), "tenant"),
            "not of gateways"
        );
    }

    #[test]
    fn values_have_their_ranges() {
        assert_eq!(Setting::PollInterval.parse(" 0300 ").unwrap(), "300");
        for bad in ["", "59", "86401", "-60", "1e3", "3600 s"] {
            assert!(Setting::PollInterval.parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Setting::TimeZone.parse("America/Argentina/Buenos_Aires").unwrap().len(), 30);
        for bad in ["", "../etc/passwd", "Europe Berlin", &"x".repeat(65)] {
            let error = Setting::TimeZone.parse(bad).unwrap_err();
            assert!(error.to_string().contains("expected an IANA time zone"), "{error}");
        }
        assert_eq!(Setting::RequireTotp.choices(), RequireTotp::ALL.map(RequireTotp::name));
        assert!(Setting::RequireTotp.parse("all").is_err());
        for setting in Setting::ALL {
            assert_eq!(setting.name().parse(), Ok(setting));
        }
        for level in Level::ALL {
            assert_eq!(level.name().parse(), Ok(level));
        }
    }
}
