//! The shared sockets: one per address family and security model, opened on demand. They are not connected, because a
//! connected socket would lose responses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use snmp::{UdpHandle, UdpTransport};
use tokio::sync::OnceCell;

use super::TransportError;
use super::socket::{Mailbox, RECEIVE_BYTES, Socket};

/// The shared sockets.
#[derive(Default)]
pub(super) struct Sockets {
    /// SNMP v1 and v2c.
    community: Families<Arc<Socket>>,
    /// SNMP v3, opened by the library.
    usm: Families<UdpTransport>,
}

/// One for each address family.
struct Families<T> {
    v4: OnceCell<T>,
    v6: OnceCell<T>,
}

impl<T> Default for Families<T> {
    fn default() -> Self {
        Self { v4: OnceCell::new(), v6: OnceCell::new() }
    }
}

impl<T> Families<T> {
    /// The address to bind, and the socket.
    const fn of(&self, device: SocketAddr) -> (SocketAddr, &OnceCell<T>) {
        match device {
            SocketAddr::V4(_) => (SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), &self.v4),
            SocketAddr::V6(_) => (SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0), &self.v6),
        }
    }
}

impl Sockets {
    /// Opens the IPv4 community socket eagerly so that failure surfaces at start-up.
    pub(super) async fn open() -> Result<Self, TransportError> {
        let sockets = Self::default();
        sockets.community((Ipv4Addr::UNSPECIFIED, 0).into()).await?;
        Ok(sockets)
    }

    /// A mailbox for the datagrams of a device that is read with a community.
    pub(super) async fn mailbox(&self, device: SocketAddr) -> Result<Mailbox, TransportError> {
        Ok(self.community(device).await?.mailbox(device))
    }

    async fn community(&self, device: SocketAddr) -> Result<&Arc<Socket>, TransportError> {
        let (own, socket) = self.community.of(device);
        let open = || async { Socket::open(own).await.map(Arc::new) };
        socket.get_or_try_init(open).await.map_err(|error| TransportError(error.to_string()))
    }

    /// A handle to a device that is read as a user; responses from other addresses are ignored.
    pub(super) async fn handle(&self, device: SocketAddr) -> Result<UdpHandle, TransportError> {
        let (own, socket) = self.usm.of(device);
        let open = || {
            let builder = UdpTransport::builder().bind(own.to_string()).recv_buffer_size(RECEIVE_BYTES);
            builder.warn_on_source_mismatch(false).build()
        };
        let handle = match socket.get_or_try_init(open).await {
            Ok(socket) => socket.handle(device),
            Err(error) => Err(error),
        };
        let handle = handle.map_err(|error| TransportError(error.to_string()))?;
        Ok(handle.strict_source(true))
    }
}
