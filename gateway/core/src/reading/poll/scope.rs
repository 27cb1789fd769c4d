//! How much of a device is read.

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadScope {
    /// Everything.
    Full,
    /// Status, error bits, alerts, console, supplies, and what names the device: few requests.
    Status,
    /// One request: whether anything happened.
    ChangeCheck,
    /// One object: whether anything answers.
    Presence,
}
