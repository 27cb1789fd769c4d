//! The tables of a backup.

/// All tables of a backup; referenced tables come first. Sessions are omitted, so users log in again.
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

/// Tables that a backup omits, with the reason.
#[cfg(test)]
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    ("sessions", "everybody logs in again"),
    ("api_tokens", "secrets that may have been revoked since; create new ones"),
    ("invitations", "one-time links; create new ones"),
    ("totp_secrets", "secrets; users set up their second factor again"),
    ("recovery_codes", "they belong to those secrets"),
    ("idempotency_keys", "they expire within a day"),
    ("login_failures", "they are deleted within a day"),
    ("server_keys", "secrets; browsers are recognised again after the next login"),
];
