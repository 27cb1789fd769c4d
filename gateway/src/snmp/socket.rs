//! A UDP socket that many devices share, since a socket per device would cost memory. Datagrams are distributed by
//! their source address; those from other addresses are dropped.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_core::message::DATAGRAM;
use rustix::net::sockopt;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::task::AbortOnDropHandle;

use crate::receive_errors::ReceiveErrors;

/// Receive buffer of the kernel, bytes: a thousand devices may respond at the same time.
pub(super) const RECEIVE_BYTES: usize = 4 << 20;

/// Maximum number of queued datagrams of one device; further ones are dropped.
const WAITING: usize = 16;

/// The mailboxes of each address: a device may be read and swept at the same time.
#[derive(Debug, Default)]
struct Mailboxes(Mutex<HashMap<SocketAddr, Vec<Sender<Vec<u8>>>>>);

impl Mailboxes {
    fn all(&self) -> MutexGuard<'_, HashMap<SocketAddr, Vec<Sender<Vec<u8>>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, source: SocketAddr, datagram: &[u8]) {
        for mailbox in self.all().get(&source).into_iter().flatten() {
            // A full mailbox means that the device floods it.
            mailbox.try_send(datagram.to_vec()).ok();
        }
    }
}

#[derive(Debug)]
pub(super) struct Socket {
    udp: Arc<UdpSocket>,
    mailboxes: Arc<Mailboxes>,
    _receiving: AbortOnDropHandle<()>,
}

impl Socket {
    /// Must be called within a tokio runtime.
    pub(super) async fn open(own: SocketAddr) -> io::Result<Self> {
        let udp = Arc::new(UdpSocket::bind(own).await?);
        sockopt::set_socket_recv_buffer_size(&udp, RECEIVE_BYTES)?;
        let mailboxes = Arc::new(Mailboxes::default());
        let receiving = tokio::spawn(receive(Arc::clone(&udp), Arc::clone(&mailboxes)));
        Ok(Self { udp, mailboxes, _receiving: AbortOnDropHandle::new(receiving) })
    }

    /// A mailbox for the datagrams of a device.
    pub(super) fn mailbox(self: &Arc<Self>, device: SocketAddr) -> Mailbox {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.mailboxes.all().entry(device).or_default().push(sender);
        Mailbox { socket: Arc::clone(self), device, receiver }
    }
}

async fn receive(udp: Arc<UdpSocket>, mailboxes: Arc<Mailboxes>) {
    let mut datagram = vec![0; DATAGRAM];
    let mut errors = ReceiveErrors::new("snmp");
    loop {
        match udp.recv_from(&mut datagram).await {
            Ok((length, source)) => {
                errors.on_datagram();
                mailboxes.deliver(source, datagram.get(..length).unwrap_or_default());
            }
            Err(error) => errors.on_error(&error).await,
        }
    }
}

/// One device's view of the socket.
#[derive(Debug)]
pub(super) struct Mailbox {
    socket: Arc<Socket>,
    device: SocketAddr,
    receiver: Receiver<Vec<u8>>,
}

impl Mailbox {
    /// Sends a datagram to the device.
    pub(super) async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.udp.send_to(datagram, self.device).await.map(drop)
    }

    /// The next datagram of the device.
    pub(super) async fn receive(&mut self) -> Vec<u8> {
        match self.receiver.recv().await {
            Some(datagram) => datagram,
            // The socket lives as long as its mailboxes.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.receiver.close();
        let mut all = self.socket.mailboxes.all();
        if let Some(own) = all.get_mut(&self.device) {
            own.retain(|mailbox| !mailbox.is_closed());
            if own.is_empty() {
                all.remove(&self.device);
            }
        }
    }
}
