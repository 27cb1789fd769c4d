//! Whose rows a query reaches: the tenant, the people of a tenant, and the scope that every query is bound to.

use wire::{text_id, uuid_id};

text_id!(
    /// A tenant: a service company whose customers, devices and users no other tenant sees.
    TenantId,
    "tenant id",
    64,
    "1 to 64 of a-z, 0-9, '-', '.' and '_'",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_')
);

text_id!(
    /// The login name of a user, unique over all tenants of a server.
    UserName,
    "user name",
    64,
    "1 to 64 bytes without control characters",
    |c| !c.is_control()
);

uuid_id!(
    /// A customer of a tenant, UUID version 7.
    CustomerId
);
uuid_id!(
    /// A site of a customer, UUID version 7.
    SiteId
);
uuid_id!(
    /// A thing under contract, UUID version 7.
    AssetId
);
uuid_id!(
    /// A rule that assigns devices to assets, UUID version 7.
    RuleId
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

    /// Where the logins of the provider are, who keeps the tenants and sees nothing of them. It has no gateways.
    ///
    /// # Panics
    /// Never: the name follows the rule.
    #[must_use]
    pub fn provider() -> Self {
        "provider".parse().expect("the provider's name follows the rule")
    }

    /// Whether it is the provider's own, which is no dealer.
    #[must_use]
    pub fn is_provider(&self) -> bool {
        *self == Self::provider()
    }
}

/// A part of a tenant's tree: the gateways of a customer or of a site, with everything below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A customer with its sites.
    Customer(CustomerId),
    /// A site.
    Site(SiteId),
}

impl Part {
    /// The part that two ids name: the site where both are given, `None` for the whole tenant.
    #[must_use]
    pub fn of(customer: Option<CustomerId>, site: Option<SiteId>) -> Option<Self> {
        site.map(Self::Site).or(customer.map(Self::Customer))
    }

    /// The ids of a part: one of them, or none for the whole tenant.
    #[must_use]
    pub const fn ids(part: Option<Self>) -> (Option<CustomerId>, Option<SiteId>) {
        match part {
            None => (None, None),
            Some(Self::Customer(id)) => (Some(id), None),
            Some(Self::Site(id)) => (None, Some(id)),
        }
    }
}

/// What a caller may reach. A query is made within a scope and in no other way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    tenant: TenantId,
    granted: Option<Part>,
    chosen: Option<Part>,
}

impl Scope {
    /// A part of a tenant, or all of it.
    #[must_use]
    pub const fn new(tenant: TenantId, granted: Option<Part>) -> Self {
        Self { tenant, granted, chosen: None }
    }

    /// Everything of a tenant.
    #[must_use]
    pub const fn of_tenant(tenant: TenantId) -> Self {
        Self::new(tenant, None)
    }

    /// A part of a tenant.
    #[must_use]
    pub const fn of_part(tenant: TenantId, part: Part) -> Self {
        Self::new(tenant, Some(part))
    }

    /// The same scope, narrowed to what lies in `part` as well: nothing, where they have nothing in common.
    #[must_use]
    pub fn narrowed(&self, part: Part) -> Self {
        Self { chosen: Some(part), ..self.clone() }
    }

    /// The tenant that it lies in.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The parts in which everything lies that it reaches; none for a whole tenant.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        [self.granted, self.chosen].into_iter().flatten()
    }

    /// The part that was granted; `None` for the whole tenant.
    #[must_use]
    pub const fn granted(&self) -> Option<Part> {
        self.granted
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

    #[test]
    fn a_part_is_named_by_one_of_two_ids() {
        let customer = "01980000-0000-7000-8000-000000000001".parse().ok();
        let site = "01980000-0000-7000-8000-000000000002".parse().ok();
        for (given, expected) in [
            ((None, None), (None, None)),
            ((customer, None), (customer, None)),
            ((None, site), (None, site)),
            ((customer, site), (None, site)),
        ] {
            assert_eq!(Part::ids(Part::of(given.0, given.1)), expected);
        }
    }

    #[test]
    fn a_choice_never_widens_what_was_granted() {
        let customer = |n: u32| Part::Customer(format!("01980000-0000-7000-8000-{n:012}").parse().unwrap());
        let own = Scope::of_part(TenantId::default_tenant(), customer(1));
        let narrowed = own.narrowed(customer(2)).narrowed(customer(3));
        assert_eq!(narrowed.parts().collect::<Vec<_>>(), [customer(1), customer(3)]);
        assert_eq!(narrowed.granted(), Some(customer(1)));
        assert_eq!(Scope::of_tenant(TenantId::default_tenant()).parts().count(), 0);
    }
}
