//! Vendor profiles: private objects of one maker as data.

/// All profiles that a gateway knows.
#[derive(Debug, Clone, Default)]
pub struct Profiles {}
