//! SNMP v1 and v2c messages (RFC 1157 §4, RFC 1901, RFC 3416 §3): encodes requests and decodes responses. Responses
//! are hostile input: all sizes are limited, and a malformed value doesn't affect the others.

mod ber;
#[cfg(test)]
mod tests;

use ber::Reader;

use crate::reading::limits::VARBINDS_PER_RESPONSE;
use crate::reading::{ErrorStatus, Oid, Request, Response, Value};

/// The largest datagram, octets.
pub const DATAGRAM: usize = 65_535;

const GET: u8 = 0xa0;
const GET_NEXT: u8 = 0xa1;
const RESPONSE: u8 = 0xa2;
const GET_BULK: u8 = 0xa5;

const IP_ADDRESS: u8 = 0x40;
const COUNTER_32: u8 = 0x41;
const GAUGE_32: u8 = 0x42;
const TIME_TICKS: u8 = 0x43;
const OPAQUE: u8 = 0x44;
const NSAP_ADDRESS: u8 = 0x45;
const COUNTER_64: u8 = 0x46;
const UINTEGER_32: u8 = 0x47;
const END_OF_MIB_VIEW: u8 = 0x82;

const TOO_BIG: i32 = 1;
const NO_SUCH_NAME: i32 = 2;

/// The fields of a request that its response must repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// SNMP v1 or v2c.
    pub version: CommunityVersion,
    /// The community.
    pub community: &'a [u8],
    /// request-id.
    pub id: i32,
}

/// A version of SNMP with communities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommunityVersion {
    /// SNMP v1.
    V1,
    /// SNMP v2c.
    V2c,
}

impl CommunityVersion {
    const fn number(self) -> i32 {
        match self {
            Self::V1 => 0,
            Self::V2c => 1,
        }
    }
}

/// Why a datagram was rejected, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not an SNMP message.
    #[error("{octets} octets that are not an SNMP message (tag 30)")]
    NotSnmp {
        /// Its length.
        octets: usize,
    },
    /// It is shorter than its header states.
    #[error("truncated: its header states {promised} octets, but {came} were received")]
    CutOff {
        /// Octets after the header, as the header states.
        promised: usize,
        /// Octets after the header, as received.
        came: usize,
    },
    /// An element is malformed.
    #[error("an SNMP message that can't be decoded: expected {expected} at octet {at}")]
    Octet {
        /// Octets before it.
        at: usize,
        /// The expected element.
        expected: &'static str,
    },
    /// It is not a response.
    #[error("a PDU with tag {tag:02x}, expected a GetResponse (a2)")]
    Pdu {
        /// The tag.
        tag: u8,
    },
    /// It is a response to another request.
    #[error("it is the response to request {id:08x}, which wasn't sent")]
    Id {
        /// The request-id.
        id: i32,
    },
    /// It has another version than the request.
    #[error("its SNMP version is {version}, expected {expected} (0 is v1, 1 is v2c)")]
    Version {
        /// The version number in the message.
        version: i32,
        /// The version number of the request.
        expected: i32,
    },
    /// It has another community than the request.
    #[error("its community isn't that of the request")]
    Community,
}

/// Encodes a request.
#[must_use]
pub fn encode(envelope: Envelope<'_>, request: &Request) -> Vec<u8> {
    let (tag, repetitions) = match request {
        Request::Get(_) => (GET, 0),
        Request::GetNext(_) => (GET_NEXT, 0),
        Request::GetBulk { repetitions, .. } => (GET_BULK, i32::try_from(*repetitions).unwrap_or(i32::MAX)),
    };
    // Error status and error index, or non-repeaters and max-repetitions.
    let numbers = [ber::integer(envelope.id), ber::integer(0), ber::integer(repetitions)];
    let varbinds = ber::element(ber::SEQUENCE, &[&null_varbinds(request.oids())]);
    let [id, first, second] = &numbers;
    let pdu = ber::element(tag, &[id, first, second, &varbinds]);
    let version = ber::integer(envelope.version.number());
    let community = ber::element(ber::OCTET_STRING, &[envelope.community]);
    ber::element(ber::SEQUENCE, &[&version, &community, &pdu])
}

fn null_varbinds(oids: &[Oid]) -> Vec<u8> {
    const NULL_VALUE: [u8; 2] = [ber::NULL, 0];
    let mut out = Vec::with_capacity(oids.len() * 32);
    let mut name = Vec::with_capacity(32);
    for oid in oids {
        name.clear();
        ber::push_object_identifier(&mut name, oid);
        let header = if name.len() < 0x80 { 2 } else { 4 };
        ber::header(&mut out, ber::SEQUENCE, header + name.len() + NULL_VALUE.len());
        ber::header(&mut out, ber::OBJECT_IDENTIFIER, name.len());
        out.extend_from_slice(&name);
        out.extend_from_slice(&NULL_VALUE);
    }
    out
}

/// Decodes the response to a request. Octets after the message are ignored.
///
/// # Errors
/// It is not the response to this request, or is malformed.
pub fn decode(datagram: &[u8], envelope: Envelope<'_>) -> Result<Response, Malformed> {
    let (id, mut pdu) = open(datagram, envelope.version, envelope.community)?;
    if id != envelope.id {
        return Err(Malformed::Id { id });
    }
    let status = pdu.integer("an error status")?;
    let index = pdu.integer("an error index")?;
    match status {
        0 => varbinds(pdu.expect(ber::SEQUENCE, "varbinds")?).map(Response::Varbinds),
        TOO_BIG => Ok(Response::Error(ErrorStatus::TooBig)),
        NO_SUCH_NAME => Ok(Response::Error(ErrorStatus::NoSuchName(usize::try_from(index).unwrap_or(0)))),
        _ => Ok(Response::Error(ErrorStatus::Other)),
    }
}

/// The request-id, and the rest of the PDU.
fn open<'a>(
    datagram: &'a [u8],
    version: CommunityVersion,
    community: &[u8],
) -> Result<(i32, Reader<'a>), Malformed> {
    let Some((ber::SEQUENCE, mut message, promised)) = Reader::new(datagram).element() else {
        return Err(Malformed::NotSnmp { octets: datagram.len() });
    };
    if message.len() < promised {
        return Err(Malformed::CutOff { promised, came: message.len() });
    }
    let (told, expected) = (message.integer("a version")?, version.number());
    if told != expected {
        return Err(Malformed::Version { version: told, expected });
    }
    if message.expect(ber::OCTET_STRING, "a community")?.octets() != community {
        return Err(Malformed::Community);
    }
    let begin = message;
    let whole = message.element().filter(|(_, pdu, promised)| pdu.len() == *promised);
    let Some((tag, mut pdu, _)) = whole else { return Err(begin.malformed("a PDU")) };
    if tag != RESPONSE {
        return Err(Malformed::Pdu { tag });
    }
    Ok((pdu.integer("a request-id")?, pdu))
}

/// The varbinds up to the limit; the rest is ignored.
fn varbinds(mut list: Reader<'_>) -> Result<Vec<(Oid, Value)>, Malformed> {
    // Minimum length of a varbind, octets.
    const SMALLEST: usize = 16;
    let mut varbinds = Vec::with_capacity((list.len() / SMALLEST).min(VARBINDS_PER_RESPONSE));
    while !list.is_empty() && varbinds.len() < VARBINDS_PER_RESPONSE {
        let mut varbind = list.expect(ber::SEQUENCE, "a varbind")?;
        let name = varbind.expect(ber::OBJECT_IDENTIFIER, "an object identifier")?;
        let oid = ber::object_identifier(name.octets());
        let oid = oid.ok_or_else(|| name.malformed("at most 128 sub-identifiers of 32 bits"))?;
        let Some((tag, content, _)) = varbind.element() else {
            return Err(varbind.malformed("a value"));
        };
        varbinds.push((oid, value(tag, content.octets())));
    }
    Ok(varbinds)
}

/// Decodes a value. A number outside of the range of its type is `Missing`: truncated, it would be a wrong meter. A
/// string that exceeds its varbind is truncated at the varbind's end.
fn value(tag: u8, octets: &[u8]) -> Value {
    let value = match tag {
        ber::INTEGER => {
            ber::signed(octets).filter(|number| i32::try_from(*number).is_ok()).map(Value::Integer)
        }
        COUNTER_32 | GAUGE_32 | TIME_TICKS | UINTEGER_32 => {
            ber::unsigned(octets).filter(|number| u32::try_from(*number).is_ok()).map(Value::Unsigned)
        }
        COUNTER_64 => ber::unsigned(octets).map(Value::Unsigned),
        ber::OCTET_STRING | OPAQUE | NSAP_ADDRESS | IP_ADDRESS => Some(Value::octets(octets)),
        ber::OBJECT_IDENTIFIER => ber::object_identifier(octets).map(Value::from),
        END_OF_MIB_VIEW => Some(Value::EndOfView),
        _ => None,
    };
    value.unwrap_or(Value::Missing)
}
