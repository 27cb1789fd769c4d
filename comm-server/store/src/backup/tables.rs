//! The tables of a backup.

/// Every table; those that others refer to come first. Sessions are left out: users log in again.
pub(super) const TABLES: &[&str] = &[
    "tenants",
    "customers",
    "addresses",
    "sites",
    "settings",
    "gateways",
    "lanes",
    "reports",
    "quarantine",
    "devices",
    "counters",
    "assets",
    "placements",
    "swaps",
    "swap_readings",
    "calls",
    "commands",
    "rollouts",
    "rollout_devices",
    "users",
    "enrollments",
    "audit",
    "audit_heads",
];

/// Tables that a backup leaves out, with the reason.
#[cfg(test)]
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    ("sessions", "everybody logs in again"),
    ("api_tokens", "secrets that may have been revoked since, made again"),
    ("invitations", "one-time links, made again"),
    ("totp_secrets", "secrets: whoever had a second factor sets one up again"),
    ("recovery_codes", "they belong to those secrets"),
    ("idempotency_keys", "they live a day"),
    ("login_failures", "they are forgotten within a day"),
    ("server_keys", "secrets, made again: browsers that were known are unknown once"),
];
