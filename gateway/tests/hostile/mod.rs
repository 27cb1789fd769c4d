//! An agent whose responses are encoded octet by octet, without the library under test.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Tag of a GetRequest.
pub(crate) const GET: u8 = 0xa0;

/// Tag of a GetBulkRequest.
pub(crate) const GETBULK: u8 = 0xa5;

/// A request as the agent received it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Tag of the PDU.
    pub(crate) tag: u8,
    pub(crate) id: u32,
    /// max-repetitions of a GETBULK, else an error index.
    pub(crate) repetitions: u32,
    /// The objects, dotted.
    pub(crate) oids: Vec<String>,
}

/// An agent on a loopback port; it ends when it is dropped.
pub(crate) struct Agent {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Agent {
    /// Starts an agent that responds to each request with the datagrams that `answer` returns.
    pub(crate) async fn start(answer: impl Fn(&Request) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut datagram = vec![0; 65_535];
            while let Ok((length, peer)) = socket.recv_from(&mut datagram).await {
                for octets in answer(&parse(&datagram[..length])) {
                    socket.send_to(&octets, peer).await.unwrap();
                }
            }
        });
        Self { address, task }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Encodes tag, length and value.
pub(crate) fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    let mut out = vec![tag, 0x82];
    out.extend(length.to_be_bytes());
    out.extend(value);
    out
}

/// A small `INTEGER`.
pub(crate) fn integer(value: u8) -> Vec<u8> {
    tlv(2, &[value])
}

/// A GetResponse with these varbinds, values encoded.
pub(crate) fn response(request: &Request, varbinds: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let varbind = |(oid, value): (String, Vec<u8>)| tlv(0x30, &[tlv(6, &encode_oid(&oid)), value].concat());
    let varbinds: Vec<u8> = varbinds.into_iter().flat_map(varbind).collect();
    message(request, &tlv(0x30, &varbinds))
}

/// A GetResponse with these octets in place of the varbinds.
pub(crate) fn message(request: &Request, varbinds: &[u8]) -> Vec<u8> {
    pdu(request, 0, 0, varbinds)
}

/// A GetResponse with an error-status and the requested objects.
pub(crate) fn error(request: &Request, status: u8, index: u8) -> Vec<u8> {
    let varbind = |oid: &String| tlv(0x30, &[tlv(6, &encode_oid(oid)), vec![5, 0]].concat());
    let varbinds: Vec<u8> = request.oids.iter().flat_map(varbind).collect();
    pdu(request, status, index, &tlv(0x30, &varbinds))
}

fn pdu(request: &Request, status: u8, index: u8, varbinds: &[u8]) -> Vec<u8> {
    let id = tlv(2, &request.id.to_be_bytes());
    let pdu = [id, integer(status), integer(index), varbinds.to_vec()].concat();
    tlv(0x30, &[integer(1), tlv(4, b"public"), tlv(0xa2, &pdu)].concat())
}

fn encode_oid(oid: &str) -> Vec<u8> {
    let arcs: Vec<u32> = oid.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut out = vec![u8::try_from(arcs[0] * 40 + arcs[1]).unwrap()];
    for arc in &arcs[2..] {
        let groups = (0..5).rev().map(|group| arc >> (7 * group)).skip_while(|rest| *rest == 0);
        let groups: Vec<u32> = groups.collect();
        let groups = if groups.is_empty() { vec![0] } else { groups };
        for (at, rest) in groups.iter().enumerate() {
            let more = if at + 1 < groups.len() { 0x80 } else { 0 };
            out.push(u8::try_from(rest & 0x7f).unwrap() | more);
        }
    }
    out
}

/// Splits off the first element; returns its tag and the octets after it.
fn element(octets: &[u8]) -> (u8, &[u8], &[u8]) {
    let (header, length) = match octets[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let count = usize::from(long & 0x7f);
            (2 + count, octets[2..2 + count].iter().fold(0, |sum, octet| (sum << 8) | usize::from(*octet)))
        }
    };
    (octets[0], &octets[header..header + length], &octets[header + length..])
}

fn number(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |sum, octet| (sum << 8) | u32::from(*octet))
}

fn parse(datagram: &[u8]) -> Request {
    let (_, message, _) = element(datagram);
    let (_, _, rest) = element(message);
    let (_, _, rest) = element(rest);
    let (tag, pdu, _) = element(rest);
    let (_, id, rest) = element(pdu);
    let (_, _, rest) = element(rest);
    let (_, repetitions, rest) = element(rest);
    let (_, mut varbinds, _) = element(rest);
    let mut oids = Vec::new();
    while !varbinds.is_empty() {
        let (_, varbind, more) = element(varbinds);
        oids.push(decode_oid(element(varbind).1));
        varbinds = more;
    }
    Request { tag, id: number(id), repetitions: number(repetitions), oids }
}

fn decode_oid(octets: &[u8]) -> String {
    let mut arcs = vec![u32::from(octets[0] / 40), u32::from(octets[0] % 40)];
    let mut arc = 0;
    for octet in &octets[1..] {
        arc = (arc << 7) | u32::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    arcs.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}
