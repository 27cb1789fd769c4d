//! The scope of a read.

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadScope {
    /// Everything.
    Full,
    /// Status, error bits, alerts, console, supplies and identity: few requests.
    Status,
    /// A change check: one request that shows whether anything changed.
    ChangeCheck,
    /// One object, to see whether the device responds.
    Presence,
}
