//! Customers and their sites: validates what a person or a file enters.

mod import;
#[cfg(test)]
mod tests;

pub use import::{ImportRow, ImportSite, RowError, columns, guarded, parse_row};

use crate::fields::{InvalidField, line};

/// The longest name, bytes.
pub(crate) const NAME_BYTES: usize = 200;

/// The longest key of another system, bytes.
pub(crate) const ERP_KEY_BYTES: usize = 64;

/// The longest line of an address, bytes.
pub const LINE_BYTES: usize = 200;

/// A customer as entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerSpec {
    /// Its name, unique among the customers of a tenant.
    pub name: String,
    /// Its key in the ERP system, "" for none; unique as well.
    pub erp_key: String,
}

/// A site as entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteSpec {
    /// Its name, unique among the sites of a customer.
    pub name: String,
    /// Its key in the ERP system, "" for none; unique in the tenant.
    pub erp_key: String,
    /// Where it is.
    pub address: Address,
}

/// A postal address; each line may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// Street and number.
    pub street: String,
    /// Postal code.
    pub postal_code: String,
    /// Town.
    pub city: String,
    /// State, province or prefecture.
    pub region: String,
    /// ISO 3166-1, two capital letters.
    pub country: String,
}

impl CustomerSpec {
    /// Validates the specification; returns it in its stored form.
    ///
    /// # Errors
    /// The first invalid field.
    pub fn checked(&self) -> Result<Self, InvalidField> {
        Ok(Self { name: name("name", &self.name)?, erp_key: erp_key("erp_key", &self.erp_key)? })
    }
}

impl SiteSpec {
    /// Validates the specification; returns it in its stored form.
    ///
    /// # Errors
    /// The first invalid field.
    pub fn checked(&self) -> Result<Self, InvalidField> {
        Ok(Self {
            name: name("name", &self.name)?,
            erp_key: erp_key("erp_key", &self.erp_key)?,
            address: self.address.checked()?,
        })
    }
}

impl Address {
    /// Validates the address; returns it in its stored form.
    ///
    /// # Errors
    /// The first invalid line.
    pub fn checked(&self) -> Result<Self, InvalidField> {
        let own = |field, given: &str| {
            line(field, given, LINE_BYTES, "at most 200 bytes without control characters")
        };
        let country = self.country.trim().to_ascii_uppercase();
        let is_code = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
        if !(country.is_empty() || is_code) {
            let expected = "two letters (ISO 3166-1), such as DE or JP, or nothing";
            return Err(InvalidField::new("country", &self.country, expected));
        }
        Ok(Self {
            street: own("street", &self.street)?,
            postal_code: own("postal_code", &self.postal_code)?,
            city: own("city", &self.city)?,
            region: own("region", &self.region)?,
            country,
        })
    }

    /// Whether all lines are empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The address in one line, in the order street, postal code and town, region, country.
    #[must_use]
    pub fn line(&self) -> String {
        let town = [self.postal_code.as_str(), &self.city].map(str::trim).join(" ");
        let parts = [self.street.as_str(), town.trim(), &self.region, &self.country];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

fn name(field: &'static str, given: &str) -> Result<String, InvalidField> {
    const EXPECTED: &str = "1 to 200 bytes without control characters";
    let name = line(field, given, NAME_BYTES, EXPECTED)?;
    if name.is_empty() { Err(InvalidField::new(field, given, EXPECTED)) } else { Ok(name) }
}

fn erp_key(field: &'static str, given: &str) -> Result<String, InvalidField> {
    line(field, given, ERP_KEY_BYTES, "at most 64 bytes without control characters, or nothing")
}
