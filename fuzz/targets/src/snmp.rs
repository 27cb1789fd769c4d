//! Datagrams that the gateway receives: responses of SNMP v1 and v2c are decoded by the gateway, others by its
//! library.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gateway_core::reading::objects;
use snmp::message::Message;
use snmp::v3::UsmSecurityParams;
use snmp::{
    Auth, AuthProtocol, Candidate, ClientBuilder, DecodeConfig, Error, MasterKeys, Oid, PrivProtocol,
    RequestRegistration, Retry, Transport, UsmConfig, Version,
};
use tokio::runtime::Runtime;

use crate::community;
use crate::tape::Tape;

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 161);

/// Maximum number of datagrams of one exchange.
const DATAGRAMS: usize = 8;

/// The input: an octet that selects the kind of the following octets.
///
/// `m` a message, `u` security parameters, `v` and `V` the varbinds of a v2c response, `1` and `2` datagrams that may
/// be responses of v1 and v2c, `3` and `4` parts of v3 messages to a request without and with privacy.
pub fn snmp(data: &[u8]) {
    let mut tape = Tape::new(data);
    match tape.octet() {
        b'm' => drop(Message::decode(Bytes::copy_from_slice(tape.rest()), DecodeConfig::DEFAULT)),
        b'u' => drop(UsmSecurityParams::decode(Bytes::copy_from_slice(tape.rest()), DecodeConfig::DEFAULT)),
        b'v' | b'V' => community::check(&answer(tape.rest())),
        b'1' | b'2' => datagrams(tape, Tape::counted).into_iter().for_each(community::check),
        b'3' => exchange(Auth::usm("reader"), false, datagrams(tape, v3)),
        _ => exchange(private(), true, datagrams(tape, v3)),
    }
}

fn datagrams<'a, T>(mut tape: Tape<'a>, mut one: impl FnMut(&mut Tape<'a>) -> T) -> Vec<T> {
    let mut all = Vec::new();
    while !tape.is_empty() && all.len() < DATAGRAMS {
        all.push(one(&mut tape));
    }
    all
}

fn v3(tape: &mut Tape<'_>) -> Datagram {
    Datagram { flags: tape.octet(), security: tape.counted().to_vec(), data: tape.counted().to_vec() }
}

/// A user with keys. They are derived once, because that takes a million hashes.
fn private() -> Auth {
    static KEYS: OnceLock<MasterKeys> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let keys = MasterKeys::new(AuthProtocol::Sha1, b"for the fuzzer").expect("long enough");
        keys.with_privacy_same_password(PrivProtocol::Aes128).expect("compiled in")
    });
    let user = UsmConfig::new("reader").with_master_keys(keys.clone());
    Auth::Usm(user.expect("compiled in"))
}

/// A request, with these datagrams as responses. Any result is accepted, but the exchange must end.
fn exchange(auth: Auth, bulk: bool, datagrams: Vec<Datagram>) {
    thread_local! {
        static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
    }
    let oids = [objects::SYS_DESCR, objects::SYS_OBJECT_ID].map(Oid::from_slice);
    let transport = Script { datagrams: Mutex::new(datagrams.into()) };
    let client = ClientBuilder::new(auth).retry(Retry::none()).build_with_transport(transport);
    let client = client.expect("a configuration that the gateway uses");
    RUNTIME.with(|runtime| {
        let new = || tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.get_or_init(new).block_on(async {
            if bulk {
                drop(client.get_bulk_with_metadata(&oids, 0, 10).await);
            } else {
                drop(client.get_many(&oids).await);
            }
        });
    });
}

/// A v2c response with these octets in its list of varbinds.
fn answer(varbinds: &[u8]) -> Vec<u8> {
    let small = |number: u8| tlv(0x02, &[number]);
    let pdu = tlv(0xa2, &[small(1), small(0), small(0), tlv(0x30, varbinds)].concat());
    tlv(0x30, &[small(1), tlv(0x04, b"public"), pdu].concat())
}

/// Parts of a v3 message with the id of the request.
struct Datagram {
    flags: u8,
    security: Vec<u8>,
    data: Vec<u8>,
}

impl Datagram {
    /// The octets, as a response to the request.
    fn octets(self, request: &[u8]) -> Vec<u8> {
        let id = tlv(0x02, &request_id(request).to_be_bytes());
        let small = |number: u8| tlv(0x02, &[number]);
        let size = tlv(0x02, &[0x7f, 0xff]);
        let head = tlv(0x30, &[id, size, tlv(0x04, &[self.flags]), small(3)].concat());
        tlv(0x30, &[small(3), head, tlv(0x04, &self.security), self.data].concat())
    }
}

fn request_id(request: &[u8]) -> i32 {
    let Ok(sent) = Message::decode(Bytes::copy_from_slice(request), DecodeConfig::DEFAULT) else { return 0 };
    match (sent.value.version(), sent.value) {
        (Version::V3, Message::V3(message)) => message.global_data().msg_id(),
        (_, message) => message.pdu().map_or(0, snmp::Pdu::request_id),
    }
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[tag, 0x84], &length[..], value].concat()
}

/// A transport that delivers one datagram after the other, and then nothing.
struct Script {
    datagrams: Mutex<VecDeque<Datagram>>,
}

impl Transport for Script {
    async fn send(&self, _data: &[u8]) -> snmp::Result<()> {
        Ok(())
    }

    async fn request_with<T, F>(
        &self,
        data: &[u8],
        _registration: RequestRegistration,
        mut validate: F,
    ) -> snmp::Result<T>
    where
        T: Send,
        F: FnMut(Bytes, SocketAddr) -> snmp::Result<Candidate<T>> + Send,
    {
        loop {
            let next = self.datagrams.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(datagram) = next else {
                return Err(Box::new(Error::Timeout { target: PEER, elapsed: Duration::ZERO, retries: 0 }));
            };
            if let Candidate::Accept(answer) = validate(datagram.octets(data).into(), PEER)? {
                return Ok(answer);
            }
        }
    }

    fn peer_addr(&self) -> SocketAddr {
        PEER
    }

    fn local_addr(&self) -> SocketAddr {
        PEER
    }

    fn is_reliable(&self) -> bool {
        false
    }
}
