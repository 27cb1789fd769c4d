//! `platen-gateway status`: queries the running gateway at its local port.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use runtime::error::chain;
use wire::text::{lines_with_marks, without_hidden};

use super::exit::{EXIT_FAILED, EXIT_USAGE, fail, printed};
use crate::config::Config;
use crate::local_page::words::bytes;
use crate::status::{CertificateState, CertificateStatus, LaneStatus, Status};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum size of a status, bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Queries the status and prints it.
pub(super) fn command(file: &Path, json: bool) -> ExitCode {
    let config: Config = match runtime::config::load(file) {
        Ok(config) => config,
        Err(error) => return fail(EXIT_USAGE, &chain(&error)),
    };
    let address = address(&config);
    let asked = ask(address).and_then(|body| {
        let status: Status = serde_json::from_slice(&body).map_err(io::Error::other)?;
        Ok((body, status))
    });
    let (body, status) = match asked {
        Ok(answer) => answer,
        Err(error) => {
            let running = "is the gateway running?";
            return fail(EXIT_FAILED, &format!("no status from {address}: {error}: {running}"));
        }
    };
    printed(runtime::output::write(|out| {
        if json {
            out.write_all(&body).and_then(|()| writeln!(out))
        } else {
            // Names come from devices and must not control the terminal.
            out.write_all(lines_with_marks(&text(&status)).as_bytes())
        }
    }))
}

/// The configured address; for port 0, the one that the running gateway has written to its file.
fn address(config: &Config) -> SocketAddr {
    let listen = config.local.listen;
    if listen.port() != 0 {
        return listen;
    }
    let written = std::fs::read(config.data_dir.join(runtime::addresses::FILE)).ok();
    let addresses = written.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    addresses.and_then(|a| a.get("local")?.as_str()?.parse().ok()).unwrap_or(listen)
}

fn ask(address: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /status HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or_else(|| io::Error::other("the response is not HTTP"))?;
    let body = answer.split_off(end + 4);
    let is_ok = answer.split(|byte| *byte == b' ').nth(1) == Some(b"200");
    if is_ok {
        return Ok(body);
    }
    // A gateway that waits for disk space responds with the reason.
    let why = without_hidden(String::from_utf8_lossy(&body).trim(), 1000);
    Err(io::Error::other(if why.is_empty() { "the response is not a status".to_owned() } else { why }))
}

fn certificate(certificate: &CertificateStatus) -> String {
    let until = certificate.not_after;
    let problem =
        certificate.problem.as_deref().map(|why| format!(", not renewed: {why}")).unwrap_or_default();
    match certificate.state {
        CertificateState::Valid => format!("certificate until {until:.0}"),
        CertificateState::Due => format!("certificate until {until:.0}, renewal is due{problem}"),
        CertificateState::Ending => format!("certificate EXPIRES at {until:.0}{problem}"),
        CertificateState::Expired => {
            format!("certificate EXPIRED at {until:.0}: enroll again with a new token")
        }
    }
}

fn text(status: &Status) -> String {
    let mut lines = vec![format!("gateway {} {}, up {} s", status.gateway, status.version, status.uptime_s)];
    let link = &status.link;
    let when = |at: Option<jiff::Timestamp>| at.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"));
    lines.push(format!(
        "server  {}: last poll {}, next {}",
        link.url,
        when(link.last_poll),
        when(link.next_poll)
    ));
    if let Some(error) = &link.last_error {
        lines.push(format!("        failed {} times: {error}", link.failures));
    }
    lines.extend(status.certificate.as_ref().map(certificate));
    let lane = |name, lane: &LaneStatus| {
        format!("{name}  made {}, acknowledged {}, waiting {}", lane.made, lane.acknowledged, lane.waiting)
    };
    lines.push(lane("urgent", &status.lanes.urgent));
    lines.push(lane("bulk  ", &status.lanes.bulk));
    let spool = &status.spool;
    lines.push(format!(
        "spool   {} of {} wait, {} on disk",
        bytes(spool.waiting_bytes),
        bytes(spool.limit_bytes),
        bytes(spool.disk_bytes)
    ));
    lines.extend(spool.problem.iter().map(|problem| format!("        {problem}")));
    let online = status.devices.iter().filter(|device| device.online).count();
    lines.push(format!("devices {}, {online} online", status.devices.len()));
    for device in &status.devices {
        let state = if device.online { "online" } else { "offline" };
        let model = device.model.as_deref().unwrap_or("-");
        lines.push(format!("        {} at {}, {model}, {state}", device.device, device.address));
        lines.extend(device.notes.iter().map(|note| format!("            {note}")));
    }
    for call in &status.open_calls {
        let (kind, since) = (call.call.name(), call.since);
        lines.push(format!("call    {} {kind} {} since {since:.0}", call.device, call.detail));
    }
    for update in &status.firmware {
        lines.push(format!("update  {} image {}", update.target, update.image.name()));
        let device = |d: &crate::status::FirmwareDeviceStatus| {
            format!("        {} {} {}", d.device, d.state.name(), d.detail)
        };
        lines.extend(update.devices.iter().map(device));
    }
    lines.join("\n") + "\n"
}
