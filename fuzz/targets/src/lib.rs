//! What the fuzz targets do with their octets. `fuzz/fuzz_targets` hands these functions to libFuzzer, `tests/corpus.rs`
//! replays every committed file through the same ones.
//!
//! A target ends without a word or panics: it asserts what must hold of *any* input.

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

/// A target: its octets are whatever a fuzzer makes of them.
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
