//! Whose rows a query reaches: the tenant, the people of a tenant, and the scope that every query is bound to.

use wire::text_id;

text_id!(
    /// A tenant: a service company whose customers, devices and users no other tenant sees.
    TenantId,
    "tenant id",
    64,
    "1 to 64 of a-z, 0-9, '-', '.' and '_'",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_')
);

text_id!(
    /// The login name of a user, unique in the tenant.
    UserName,
    "user name",
    64,
    "1 to 64 bytes without control characters",
    |c| !c.is_control()
);

impl TenantId {
    /// The tenant of a deployment that has configured none.
    ///
    /// # Panics
    /// Never: the name follows the rule.
    #[must_use]
    pub fn default_tenant() -> Self {
        "default".parse().expect("the default tenant's name follows the rule")
    }
}

/// What a caller may reach. A query is made within a scope and in no other way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    tenant: TenantId,
}

impl Scope {
    /// Everything of a tenant.
    #[must_use]
    pub const fn of_tenant(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// The tenant that it lies in.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_rules() {
        assert_eq!(TenantId::default_tenant().as_str(), "default");
        for bad in ["", "Dealer", "a/b", &"x".repeat(65)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
        assert!("Erin O'Hara".parse::<UserName>().is_ok());
        assert!("".parse::<UserName>().is_err() && "a\nb".parse::<UserName>().is_err());
        assert!("\u{e9}".repeat(33).parse::<UserName>().is_err(), "66 bytes");
    }
}
