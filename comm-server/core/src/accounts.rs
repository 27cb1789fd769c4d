//! Accounts of people: validates what is entered about one, and protects the last administrator.

use crate::customers::NAME_BYTES;
use crate::fields::{InvalidField, line};
use crate::roles::Role;
use crate::tenancy::{Part, TenantId};

/// The longest mail address, octets (RFC 5321, 4.5.3.1.3, without the brackets).
const MAIL_BYTES: usize = 254;

/// An account as entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSpec {
    /// Its role.
    pub role: Role,
    /// The part of the tree that it can access; `None` for all of it.
    pub part: Option<Part>,
    /// The person's name, "" for none.
    pub full_name: String,
    /// The person's mail address, "" for none.
    pub mail: String,
}

impl AccountSpec {
    /// The specification in its stored form, for a login of a tenant.
    ///
    /// # Errors
    /// The field that is wrong.
    pub fn checked(&self, tenant: &TenantId) -> Result<Self, InvalidField> {
        if !self.role.is_of(tenant) {
            let expected = if tenant.is_provider() { "provider" } else { "a role of a dealer" };
            return Err(InvalidField::new("role", self.role.name(), expected));
        }
        if self.role.is_of_customers() && self.part.is_none() {
            let expected = "a customer or a site: this role is for a customer's own people";
            return Err(InvalidField::new("customer", "", expected));
        }
        let expected = "at most 200 bytes without control characters";
        let full_name = line("full_name", &self.full_name, NAME_BYTES, expected)?;
        Ok(Self { role: self.role, part: self.part, full_name, mail: mail(&self.mail)? })
    }

    /// Whether the account has all permissions in the whole tenant.
    #[must_use]
    pub fn is_head(&self) -> bool {
        matches!(self.role, Role::Administrator | Role::Provider) && self.part.is_none()
    }
}

/// Validates a mail address: a local part and a domain, without spaces. Whether the address exists is not checked.
fn mail(given: &str) -> Result<String, InvalidField> {
    const EXPECTED: &str = "an address such as erin@dealer.example, or an empty text";
    let mail = line("mail", given, MAIL_BYTES, EXPECTED)?;
    let is_address = mail.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !local.contains('@') && !domain.is_empty() && !domain.starts_with('.')
    });
    if mail.is_empty() || (is_address && !mail.contains(char::is_whitespace)) {
        return Ok(mail);
    }
    Err(InvalidField::new("mail", given, EXPECTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(role: Role, part: Option<Part>, mail: &str) -> Result<AccountSpec, &'static str> {
        let spec = AccountSpec { role, part, full_name: " Erin O'Hara ".to_owned(), mail: mail.to_owned() };
        spec.checked(&TenantId::default_tenant()).map_err(|error| error.field)
    }

    #[test]
    fn a_customers_own_people_reach_a_part_only() {
        let part = Part::Customer("01980000-0000-7000-8000-000000000001".parse().unwrap());
        assert_eq!(account(Role::CustomerViewer, None, ""), Err("customer"));
        let found = account(Role::CustomerViewer, Some(part), "").unwrap();
        assert_eq!(found.full_name, "Erin O'Hara");
        assert!(!found.is_head() && account(Role::Administrator, None, "").unwrap().is_head());
        assert!(!account(Role::Administrator, Some(part), "").unwrap().is_head());
        assert_eq!(account(Role::Provider, None, ""), Err("role"));
    }

    #[test]
    fn a_mail_address_has_two_sides() {
        for good in ["", "erin@dealer.example", " e@d ", "o'hara+x@sub.dealer.example"] {
            assert!(account(Role::Viewer, None, good).is_ok(), "{good}");
        }
        for bad in ["erin", "@d.example", "e@", "a@b@c", "e e@d", "e@.d", "e@d\r\nBcc: x@y"] {
            assert_eq!(account(Role::Viewer, None, bad), Err("mail"), "{bad}");
        }
    }
}
