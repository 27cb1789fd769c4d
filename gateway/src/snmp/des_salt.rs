//! Salts for DES (RFC 3414 §8.1.1.1), which must never repeat with one key. The clock gives each run of the program a
//! range of its own, so that nothing needs to be stored.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use snmp::{DesSaltState, PersistedDesSaltState};

static SALT: OnceLock<Option<DesSaltState>> = OnceLock::new();

pub(crate) fn of_this_process() -> Result<DesSaltState, &'static str> {
    let salt = SALT.get_or_init(begin).clone();
    salt.ok_or("DES needs a clock between 1970 and 2038")
}

fn begin() -> Option<DesSaltState> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let previous = PersistedDesSaltState::new(u32::try_from(now.as_secs()).ok()?).ok()?;
    DesSaltState::restart(previous, |_| Ok::<(), std::convert::Infallible>(())).ok()
}
