//! Responses of SNMP v1 and v2c, compared with another decoder.

use bytes::Bytes;
use gateway_core::message::{self, CommunityVersion, Envelope};
use gateway_core::reading::limits::VARBINDS_PER_RESPONSE;
use gateway_core::reading::{ErrorStatus, Oid, Response, Value};
use snmp::message::{CommunityPdu, Message};
use snmp::pdu::PduType;
use snmp::{DecodeConfig, Version};

/// Decodes a datagram. If the library decodes it without changing a value, both results must be equal. Our decoder is
/// stricter, and never returns a different value.
pub(crate) fn check(datagram: &[u8]) {
    let strange = Envelope { version: CommunityVersion::V2c, community: b"public", id: 1 };
    drop(message::decode(datagram, strange));
    let Ok(decoded) = Message::decode(Bytes::copy_from_slice(datagram), DecodeConfig::DEFAULT) else {
        return;
    };
    let Message::Community(theirs) = decoded.value else { return };
    let version = match theirs.version() {
        Version::V1 => CommunityVersion::V1,
        Version::V2c => CommunityVersion::V2c,
        Version::V3 | _ => return,
    };
    let community = theirs.community().as_bytes().to_vec();
    let CommunityPdu::Standard(pdu) = theirs.into_community_pdu() else { return };
    if pdu.pdu_type() != PduType::Response || !decoded.anomalies.is_empty() {
        return;
    }
    let id = pdu.request_id();
    let ours = message::decode(datagram, Envelope { version, community: &community, id });
    let expected = match (pdu.error_status(), pdu.error_index()) {
        (0, _) => Response::Varbinds(
            pdu.varbinds()
                .iter()
                .take(VARBINDS_PER_RESPONSE)
                .map(|varbind| (Oid::new(varbind.oid.arcs()), value(&varbind.value)))
                .collect(),
        ),
        (1, _) => Response::Error(ErrorStatus::TooBig),
        (2, index) => Response::Error(ErrorStatus::NoSuchName(usize::try_from(index).unwrap_or(0))),
        _ => Response::Error(ErrorStatus::Other),
    };
    assert_eq!(ours, Ok(expected));
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's values are non-exhaustive")]
fn value(value: &snmp::Value) -> Value {
    match value {
        snmp::Value::Integer(number) => Value::Integer(i64::from(*number)),
        snmp::Value::Counter32(number)
        | snmp::Value::Gauge32(number)
        | snmp::Value::UInteger32(number)
        | snmp::Value::TimeTicks(number) => Value::Unsigned(u64::from(*number)),
        snmp::Value::Counter64(number) => Value::Unsigned(*number),
        snmp::Value::OctetString(octets) | snmp::Value::Opaque(octets) | snmp::Value::Nsap(octets) => {
            Value::octets(octets)
        }
        snmp::Value::IpAddress(octets) => Value::octets(octets),
        snmp::Value::ObjectIdentifier(oid) => Value::from(Oid::new(oid.arcs())),
        snmp::Value::EndOfMibView => Value::EndOfView,
        _ => Value::Missing,
    }
}
