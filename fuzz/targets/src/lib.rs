//! The fuzz targets as functions. `fuzz/fuzz_targets` passes them to libFuzzer; `tests/corpus.rs` calls them with
//! every committed file.
//!
//! A target returns nothing, or panics: it asserts what must be true for *any* input.

mod community;
mod profile;
mod reading;
mod snmp;
mod tape;
mod text;
mod traps;
mod tuf;
mod wire;

pub use self::snmp::snmp;
pub use self::tuf::tuf;
pub use profile::profile;
pub use reading::reading;
pub use text::text;
pub use traps::traps;
pub use wire::wire;

/// A target: a function of arbitrary octets.
pub type Target = fn(&[u8]);

/// Every target by the name of its folder in `fuzz/corpus`.
pub const ALL: [(&str, Target); 7] = [
    ("profile", profile),
    ("reading", reading),
    ("snmp", snmp),
    ("text", text),
    ("traps", traps),
    ("tuf", tuf),
    ("wire", wire),
];
