//! A device with more objects than the virtual ones: a recording in snmpsim's format, or a synthetic one with
//! the tables of an office device. A thread of this process responds for it.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use fixtures::agent;
use fixtures::ber::Value;
use fixtures::mib::Listed;

const COMMUNITY: &[u8] = b"public";
const SYSTEM: [u32; 7] = [1, 3, 6, 1, 2, 1, 1];
const DEVICE_ENTRY: [u32; 10] = [1, 3, 6, 1, 2, 1, 25, 3, 2, 1];
const PRINTER_ENTRY: [u32; 10] = [1, 3, 6, 1, 2, 1, 25, 3, 5, 1];
const DEVICE_PRINTER: [u32; 10] = [1, 3, 6, 1, 2, 1, 25, 3, 1, 5];
const PRINTER_MIB: [u32; 7] = [1, 3, 6, 1, 2, 1, 43];

/// Tables of the Printer MIB (RFC 3805): entry, last column, rows, columns that are texts.
const TABLES: [([u32; 3], u32, u32, &[u32]); 14] = [
    ([5, 1, 1], 19, 1, &[16, 17]),
    ([6, 1, 1], 3, 4, &[2]),
    ([7, 1, 1], 4, 3, &[2, 3]),
    ([8, 2, 1], 24, 3, &[12, 13, 14, 15, 16, 17, 18]),
    ([9, 2, 1], 20, 2, &[7, 8, 9, 10, 11]),
    ([10, 2, 1], 15, 1, &[]),
    ([11, 1, 1], 9, 4, &[6]),
    ([12, 1, 1], 5, 4, &[4]),
    ([13, 4, 1], 11, 2, &[]),
    ([14, 1, 1], 9, 4, &[3]),
    ([15, 1, 1], 12, 4, &[3, 4, 5, 6]),
    ([16, 5, 1], 2, 2, &[2]),
    ([17, 6, 1], 5, 3, &[]),
    ([18, 1, 1], 9, 3, &[8]),
];

/// A running device.
pub(crate) struct LargeDevice {
    pub(crate) address: SocketAddr,
    pub(crate) objects: usize,
}

/// Starts it; each response takes this long. Its thread ends with the program.
pub(crate) fn start(recording: Option<&Path>, takes: Duration) -> Result<LargeDevice> {
    let objects = match recording {
        Some(file) => recorded(&std::fs::read_to_string(file).with_context(|| file.display().to_string())?)?,
        None => made_up(),
    };
    let count = objects.len();
    let (listed, socket) = (Listed::new(objects), UdpSocket::bind("127.0.0.1:0")?);
    let address = socket.local_addr()?;
    std::thread::spawn(move || serve(&listed, &socket, takes));
    Ok(LargeDevice { address, objects: count })
}

fn serve(listed: &Listed, socket: &UdpSocket, takes: Duration) -> Result<()> {
    let mut request = vec![0; agent::MAX_REQUEST_BYTES];
    loop {
        let (length, asker) = socket.recv_from(&mut request)?;
        if let Some(answer) = agent::answer(listed, COMMUNITY, request.get(..length).unwrap_or_default()) {
            if !takes.is_zero() {
                std::thread::sleep(takes);
            }
            socket.send_to(&answer, asker)?;
        }
    }
}

fn made_up() -> Vec<(Vec<u32>, Value<'static>)> {
    let mut objects: Vec<(Vec<u32>, Value<'static>)> = Vec::new();
    let mut add = |entry: &[u32], arcs: &[u32], value| objects.push(([entry, arcs].concat(), value));
    for column in [1, 4, 5, 6] {
        add(&SYSTEM, &[column, 0], Value::text("A made up machine"));
    }
    add(&SYSTEM, &[2, 0], Value::Oid(SYSTEM.to_vec().into()));
    add(&SYSTEM, &[3, 0], Value::Ticks(181_301_465));
    add(&DEVICE_ENTRY, &[2, 1], Value::Oid(DEVICE_PRINTER.to_vec().into()));
    add(&DEVICE_ENTRY, &[3, 1], Value::text("A made up machine"));
    add(&DEVICE_ENTRY, &[5, 1], Value::Integer(2));
    add(&PRINTER_ENTRY, &[1, 1], Value::Integer(3));
    add(&PRINTER_ENTRY, &[2, 1], Value::Octets(vec![0].into()));
    for (entry, last_column, rows, texts) in TABLES {
        for (column, row) in (2..=last_column).flat_map(|column| (1..=rows).map(move |row| (column, row))) {
            let value = if texts.contains(&column) {
                Value::text(format!("Text {column} of row {row}"))
            } else {
                Value::number(column * 10 + row)
            };
            // prtGeneralTable alone has one index, without a second one.
            let instance: &[u32] = if entry == [5, 1, 1] { &[1] } else { &[1, row] };
            add(&PRINTER_MIB, &[&entry[..], &[column], instance].concat(), value);
        }
    }
    objects
}

/// Lines `OID|TYPE|VALUE`; types that the agent doesn't know are skipped.
fn recorded(text: &str) -> Result<Vec<(Vec<u32>, Value<'static>)>> {
    let mut objects = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut fields = line.splitn(3, '|');
        let (Some(oid), Some(kind), Some(text)) = (fields.next(), fields.next(), fields.next()) else {
            anyhow::bail!("{line:?}: expected OID|TYPE|VALUE");
        };
        let value = match kind {
            "2" => text.parse().ok().map(Value::Integer),
            "4" => Some(Value::text(text.to_owned())),
            "4x" => octets(text).map(|octets| Value::Octets(octets.into())),
            "6" => arcs(text).ok().map(|arcs| Value::Oid(arcs.into())),
            "65" => text.parse().ok().map(Value::Counter),
            "66" => text.parse().ok().map(Value::Gauge),
            "67" => text.parse().ok().map(Value::Ticks),
            _ => None,
        };
        objects.extend(value.map(|value| arcs(oid).map(|oid| (oid, value))).transpose()?);
    }
    Ok(objects)
}

fn arcs(text: &str) -> Result<Vec<u32>> {
    text.split('.').map(|arc| arc.parse().with_context(|| format!("{text:?} is not an OID"))).collect()
}

fn octets(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
