//! Reads one printer by SNMP v2c (community `public`) with nothing but the core and a UDP socket, and prints the reading
//! as JSON: `cargo run -p platen-gateway-core --example read_printer -- ADDRESS:PORT`

use std::error::Error;
use std::time::Duration;

use platen_gateway_core::message::{CommunityVersion, DATAGRAM, Envelope, decode, encode};
use platen_gateway_core::reading::{DeviceReading, ReadContext, ReadScope, Response};

#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is a shell: clock and socket")]
fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("expected ADDRESS:PORT")?;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(&address)?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let (read_at, began) = (jiff::Timestamp::now(), std::time::Instant::now());
    let (mut requests, mut datagram) = (0, [0; DATAGRAM]);
    let mut reading = DeviceReading::new(Default::default(), ReadScope::Full, true);
    while let Some(request) = reading.next_request() {
        requests += 1;
        let envelope = Envelope { version: CommunityVersion::V2c, community: b"public", id: requests };
        socket.send(&encode(envelope, &request))?;
        let received = socket.recv(&mut datagram).ok().and_then(|length| datagram.get(..length));
        let response = received.and_then(|octets| decode(octets, envelope).ok()).unwrap_or(Response::Timeout);
        if !reading.handle_response(&request, response) {
            return Err(format!("{address}: no response to {request}").into());
        }
    }
    let took_ms = began.elapsed().as_millis().try_into()?;
    let context = ReadContext { address, read_at, took_ms, requests: requests.unsigned_abs() };
    Ok(serde_json::to_writer_pretty(std::io::stdout(), &reading.finish(context).reading)?)
}
