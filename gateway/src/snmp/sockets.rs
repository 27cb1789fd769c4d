//! The sockets: one for each address family and kind of SNMP, opened when it is needed. A connected one would lose
//! answers.

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
    /// SNMP v3, which is the library's.
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
    /// Where to bind, and what is bound there.
    const fn of(&self, device: SocketAddr) -> (SocketAddr, &OnceCell<T>) {
        match device {
            SocketAddr::V4(_) => (SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), &self.v4),
            SocketAddr::V6(_) => (SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0), &self.v6),
        }
    }
}

impl Sockets {
    /// Opens the IPv4 one for communities: a machine that can't says so at once.
    pub(super) async fn open() -> Result<Self, TransportError> {
        let sockets = Self::default();
        sockets.community((Ipv4Addr::UNSPECIFIED, 0).into()).await?;
        Ok(sockets)
    }

    /// A mailbox for what a device that is asked with a community sends.
    pub(super) async fn mailbox(&self, device: SocketAddr) -> Result<Mailbox, TransportError> {
        Ok(self.community(device).await?.mailbox(device))
    }

    async fn community(&self, device: SocketAddr) -> Result<&Arc<Socket>, TransportError> {
        let (own, socket) = self.community.of(device);
        let open = || async { Socket::open(own).await.map(Arc::new) };
        socket.get_or_try_init(open).await.map_err(|error| TransportError(error.to_string()))
    }

    /// A handle to a device that is asked as a user; answers from any other address are not its.
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
