//! Texts in the character set that the device states.

use std::sync::Arc;

use gateway_core::reading::limits::TEXT_BYTES;
use gateway_core::reading::profiles::Profiles;
use gateway_core::reading::{
    DeviceReading, Oid, ReadContext, ReadScope, Request, Response, Value, clean, objects,
};
use jiff::Timestamp;

/// Maximum number of UTF-8 octets for one octet of a text.
const GROWTH: usize = 3;

/// The input: a MIBenum as decimal digits, a line end, the octets of `sysDescr`.
///
/// # Panics
/// The resulting text isn't clean, or is larger than its limit.
pub fn text(data: &[u8]) {
    let mut parts = data.splitn(2, |octet| *octet == b'\n');
    let charset = parts.next().and_then(|line| std::str::from_utf8(line).ok()?.trim().parse().ok());
    let octets = parts.next().unwrap_or_default();
    let charset = charset.unwrap_or(0);
    if let Some(text) = sys_descr(charset, octets) {
        assert!(text.len() <= TEXT_BYTES * GROWTH, "{} octets", text.len());
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
        assert_eq!(clean(&text), text, "cleaning twice changes it");
    }
    if let Ok(text) = std::str::from_utf8(octets) {
        let once = clean(text);
        assert_eq!(clean(&once), once);
    }
}

/// `sysDescr` of a reading with these octets.
pub(crate) fn sys_descr(charset: i64, octets: &[u8]) -> Option<String> {
    let mut reading = DeviceReading::new(Arc::new(Profiles::default()), ReadScope::Status, true);
    let own = |oid: &Oid| {
        let is = |object: &[u32]| oid.after(object).is_some();
        if is(objects::SYS_DESCR) {
            Value::octets(octets)
        } else if is(objects::PRT_LOCALIZATION_CHARACTER_SET) {
            Value::Integer(charset)
        } else {
            Value::EndOfView
        }
    };
    while let Some(request) = reading.next_request() {
        let value = |oid: &Oid| match &request {
            Request::Get(_) => own(oid),
            Request::GetNext(_) | Request::GetBulk { .. } => Value::EndOfView,
        };
        let answer = request.oids().iter().map(|oid| (oid.clone(), value(oid))).collect();
        if !reading.handle_response(&request, Response::Varbinds(answer)) {
            return None;
        }
    }
    let address = "192.0.2.7".to_owned();
    let at = ReadContext { address, read_at: Timestamp::UNIX_EPOCH, took_ms: 1, requests: 1 };
    reading.finish(at).reading.identity.sys_descr
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_goes_through_the_named_set() {
        assert_eq!(sys_descr(2004, b"Gr\xce\xdee").as_deref(), Some("Größe"));
        assert_eq!(sys_descr(0, b"\0\0"), None);
    }
}
