//! The lower bound of a reading: its own requests, sent again from a bare socket, without decoding.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::UsageWho;

use crate::exporter::Cost;
use crate::process;

const DATAGRAM: usize = 65_535;
const PATIENCE: Duration = Duration::from_secs(2);

/// A relay in front of a device that records the requests.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    /// Listens on loopback; its thread ends with the program.
    pub(crate) fn start(device: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let recorder = Self { address: socket.local_addr()?, requests: Arc::default() };
        let requests = Arc::clone(&recorder.requests);
        std::thread::spawn(move || relay(&socket, device, &requests));
        Ok(recorder)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Vec<u8>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn relay(socket: &UdpSocket, device: SocketAddr, requests: &Mutex<Vec<Vec<u8>>>) -> Result<()> {
    let beyond = connected(device)?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let (length, asker) = socket.recv_from(&mut buffer)?;
        let request = buffer.get(..length).context("length")?.to_vec();
        beyond.send(&request)?;
        requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let length = beyond.recv(&mut buffer)?;
        socket.send_to(buffer.get(..length).context("length")?, asker)?;
    }
}

/// One round of these requests, one after the other: the mean over some rounds. The remaining CPU is the
/// kernel's.
pub(crate) fn round(device: SocketAddr, requests: &[Vec<u8>], rounds: u32) -> Result<Cost> {
    let socket = connected(device)?;
    let mut buffer = vec![0; DATAGRAM];
    let (cpu, began) = (process::own_cpu_ms(UsageWho::RUSAGE_THREAD)?, Instant::now());
    for _ in 0..rounds {
        for request in requests {
            socket.send(request)?;
            socket
                .recv(&mut buffer)
                .context("the device doesn't answer a request that it answered before")?;
        }
    }
    let each = f64::from(rounds);
    let wall_ms = 1000.0 * began.elapsed().as_secs_f64() / each;
    Ok(Cost { cpu_ms: (process::own_cpu_ms(UsageWho::RUSAGE_THREAD)? - cpu) / each, wall_ms })
}

fn connected(device: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(device)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}
