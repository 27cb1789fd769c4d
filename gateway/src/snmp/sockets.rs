//! The sockets: one for each address family, shared by all devices. A socket for each device would cost memory, and a
//! connected one loses answers.

use std::net::SocketAddr;

use snmp::{UdpHandle, UdpTransport};
use tokio::sync::OnceCell;

use super::TransportError;

/// Answers that wait in the kernel, bytes: a thousand devices may answer at once.
const RECEIVE_BYTES: usize = 4 << 20;

/// The shared sockets.
pub(super) struct Sockets {
    v4: UdpTransport,
    v6: OnceCell<UdpTransport>,
}

impl Sockets {
    /// Opens the IPv4 one; the other is opened when it is needed.
    pub(super) async fn open() -> Result<Self, TransportError> {
        Ok(Self { v4: bind("0.0.0.0:0").await?, v6: OnceCell::new() })
    }

    /// A handle to a device; answers from any other address are not its.
    pub(super) async fn handle(&self, address: SocketAddr) -> Result<UdpHandle, TransportError> {
        let socket = match address {
            SocketAddr::V4(_) => &self.v4,
            SocketAddr::V6(_) => self.v6.get_or_try_init(|| bind("[::]:0")).await?,
        };
        let handle = socket.handle(address).map_err(|error| TransportError(error.to_string()))?;
        Ok(handle.strict_source(true))
    }

    /// Datagrams so far that fit no request.
    pub(super) fn strangers(&self) -> u64 {
        let count = |socket: &UdpTransport| {
            let stats = socket.stats();
            stats.malformed_datagrams + stats.discarded_datagrams
        };
        count(&self.v4) + self.v6.get().map_or(0, count)
    }
}

async fn bind(address: &str) -> Result<UdpTransport, TransportError> {
    UdpTransport::builder()
        .bind(address)
        .recv_buffer_size(RECEIVE_BYTES)
        .warn_on_source_mismatch(false)
        .build()
        .await
        .map_err(|error| TransportError(error.to_string()))
}
