//! What does a device send that never gave a usable answer? Asked once, from a socket of its own, only when the shared
//! socket saw datagrams that fit no request.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;

use super::Credentials;

/// Devices that are diagnosed at once.
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// The largest datagram.
const DATAGRAM_BYTES: usize = 65_535;

const REQUEST_ID: [u8; 4] = [0x50, 0x4c, 0x41, 0x54];

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const GET: u8 = 0xa0;
const RESPONSE: u8 = 0xa2;

/// `sysObjectID.0` as a null varbind.
const VARBIND: [u8; 14] = [SEQUENCE, 12, 6, 8, 0x2b, 6, 1, 2, 1, 1, 2, 0, 5, 0];

/// What is wrong with what the device sends; nothing when it sends nothing, or something usable after all.
pub(super) async fn ask(
    address: SocketAddr,
    credentials: &Credentials,
    patience: Duration,
) -> Option<String> {
    let request = request(credentials)?;
    let _permit = AT_ONCE.acquire().await.ok()?;
    let own: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own).await.ok()?;
    socket.connect(address).await.ok()?;
    socket.send(&request).await.ok()?;
    let mut datagram = vec![0; DATAGRAM_BYTES];
    let received = tokio::time::timeout(patience, socket.recv(&mut datagram)).await.ok()?.ok()?;
    problem(datagram.get(..received)?)
}

/// A plain request; none for SNMPv3, where reports say what is wrong.
fn request(credentials: &Credentials) -> Option<Vec<u8>> {
    let (version, community) = match credentials {
        Credentials::V1(community) => (0, community),
        Credentials::V2c(community) => (1, community),
        Credentials::V3(_) => return None,
    };
    let zero = tlv(INTEGER, &[0]);
    let pdu = [tlv(INTEGER, &REQUEST_ID), zero.clone(), zero, tlv(SEQUENCE, &VARBIND)].concat();
    let community = tlv(OCTET_STRING, community.expose_secret().as_bytes());
    Some(tlv(SEQUENCE, &[tlv(INTEGER, &[version]), community, tlv(GET, &pdu)].concat()))
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(value.len()) {
        Ok(short @ 0..0x80) => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) => {
            let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
            out.push(0x82);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend(value);
    out
}

/// Why a datagram is no answer to [`request`].
fn problem(datagram: &[u8]) -> Option<String> {
    let octets = datagram.len();
    let Some((SEQUENCE, message, promised)) = element(datagram) else {
        return Some(format!("{octets} octets that are no SNMP message: expected one (tag 30)"));
    };
    if message.len() < promised {
        return Some(format!("cut off: its header promises {promised} octets, {} came", message.len()));
    }
    let parts = (|| {
        let (version, rest) = next(message)?;
        let (community, rest) = next(rest)?;
        let (tag, pdu, _) = element(rest)?;
        let (id, _) = next(pdu)?;
        (version.0 == INTEGER && community.0 == OCTET_STRING && id.0 == INTEGER).then_some((tag, id.1))
    })();
    match parts {
        None => Some(format!("{octets} octets that are no SNMP v1 or v2c message")),
        Some((RESPONSE, id)) if id == REQUEST_ID => None,
        Some((RESPONSE, id)) => {
            Some(format!("it answers request {}, expected {}", hex::encode(id), hex::encode(REQUEST_ID)))
        }
        Some((tag, _)) => Some(format!("a PDU of tag {tag:02x}, expected a GetResponse (a2)")),
    }
}

type Element<'a> = ((u8, &'a [u8]), &'a [u8]);

/// A whole element, and what follows.
fn next(octets: &[u8]) -> Option<Element<'_>> {
    let (tag, value, promised) = element(octets)?;
    let header = octets.len() - value.len();
    let (value, _) = value.split_at_checked(promised)?;
    Some(((tag, value), octets.get(header + promised..)?))
}

/// Tag, all octets after the header up to its length, and the length that the header promises.
fn element(octets: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (tag, rest) = octets.split_first()?;
    let (first, rest) = rest.split_first()?;
    match first {
        0..0x80 => Some((*tag, rest, usize::from(*first))),
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = length.iter().fold(0, |sum, octet| (sum << 8) | usize::from(*octet));
            Some((*tag, rest, length))
        }
        0x80 | 0x84.. => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_rubbish_is_named() {
        let mut answer = request(&Credentials::V2c("public".into())).unwrap();
        assert_eq!(problem(&answer).unwrap(), "a PDU of tag a0, expected a GetResponse (a2)");
        let pdu = answer.iter().position(|octet| *octet == GET).unwrap();
        answer[pdu] = RESPONSE;
        assert_eq!(problem(&answer), None);
        assert!(problem(&answer[..30]).unwrap().starts_with("cut off"));
        answer[pdu + 4] ^= 1;
        assert!(problem(&answer).unwrap().starts_with("it answers request 51"));
        for rubbish in [&b""[..], b"HTTP/1.1 400", &[0xff; 300], &[0x30], &[0x30, 0x84, 1, 2]] {
            assert!(problem(rubbish).unwrap().contains("no SNMP message"), "{rubbish:?}");
        }
        assert!(problem(&[0x30, 2, 5, 0]).unwrap().contains("no SNMP v1"));
    }

    #[test]
    fn no_datagram_makes_it_panic() {
        let answer = request(&Credentials::V1("x".repeat(300).into())).unwrap();
        for cut in 0..answer.len() {
            problem(&answer[..cut]);
            for bit in 0..8 {
                let mut changed = answer.clone();
                changed[cut] ^= 1 << bit;
                problem(&changed);
            }
        }
    }
}
