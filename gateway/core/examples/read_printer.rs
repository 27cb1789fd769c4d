//! Reads one printer by SNMP v2c (community `public`) with nothing but the core and a UDP socket, and prints the reading
//! as JSON: `cargo run -p platen-gateway-core --example read_printer -- ADDRESS[:PORT] [PROFILE.yaml]`

use std::error::Error;
#[expect(clippy::disallowed_types, reason = "this is a shell: it owns the socket")]
use std::net::UdpSocket;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use platen_gateway_core::access::{SNMP_PORT, address_text};
use platen_gateway_core::message::{CommunityVersion, DATAGRAM, Envelope, decode, encode};
use platen_gateway_core::reading::profiles::{Profile, Profiles};
use platen_gateway_core::reading::{DeviceReading, ReadContext, ReadScope, Request, Response};

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is a shell: clock, files, socket"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("expected ADDRESS[:PORT]")?;
    let address: SocketAddr =
        address.parse().or_else(|_| address.parse().map(|ip: IpAddr| (ip, SNMP_PORT).into()))?;
    let profile = std::env::args().nth(2).map(|path| std::fs::read_to_string(&path).map(|yaml| (path, yaml)));
    let profile = profile.transpose()?.map(|(path, yaml)| Profile::parse(&path, &yaml)).transpose()?;
    let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;

    let mut reading = DeviceReading::new(Arc::new(Profiles::new(profile)), ReadScope::Full, true);
    let (read_at, began, mut requests) = (jiff::Timestamp::now(), Instant::now(), 0);
    while let Some(request) = reading.next_request() {
        requests += 1;
        let response = exchange(&socket, &request, requests, reading.retries(&request, 2))?;
        if !reading.handle_response(&request, response) {
            return Err(format!("{address}: no response to {request}").into());
        }
    }
    let (took_ms, requests) = (u64::try_from(began.elapsed().as_millis())?, requests.unsigned_abs());
    let address = address_text(address);
    let completed = reading.finish(ReadContext { address, read_at, took_ms, requests });
    Ok(serde_json::to_writer_pretty(std::io::stdout(), &completed.reading)?)
}

#[expect(clippy::disallowed_types, reason = "this is a shell: it owns the socket")]
fn exchange(socket: &UdpSocket, request: &Request, id: i32, retries: u32) -> std::io::Result<Response> {
    let envelope = Envelope { version: CommunityVersion::V2c, community: b"public", id };
    let mut datagram = vec![0; DATAGRAM];
    for _ in 0..=retries {
        socket.send(&encode(envelope, request))?;
        while let Ok(length) = socket.recv(&mut datagram) {
            // Anything else is a late response, or not from this device's agent.
            if let Ok(response) = decode(datagram.get(..length).unwrap_or_default(), envelope) {
                return Ok(response);
            }
        }
    }
    Ok(Response::Timeout)
}
