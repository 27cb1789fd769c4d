//! A handshake in memory: the result of each side, and the number of bytes.

use std::sync::Arc;

use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, Error, HandshakeKind, NamedGroup, ProtocolVersion,
    ServerConfig, ServerConnection, SideData,
};

pub(crate) struct Handshake {
    pub(crate) client: Result<(), Error>,
    pub(crate) server: Result<(), Error>,
    pub(crate) client_connection: ClientConnection,
    pub(crate) server_connection: ServerConnection,
    pub(crate) bytes: usize,
}

impl Handshake {
    pub(crate) fn group(&self) -> Option<NamedGroup> {
        self.client_connection.negotiated_key_exchange_group().map(|group| group.name())
    }

    pub(crate) fn version(&self) -> Option<ProtocolVersion> {
        self.client_connection.protocol_version()
    }

    pub(crate) fn kind(&self) -> Option<HandshakeKind> {
        self.client_connection.handshake_kind()
    }
}

/// Performs a handshake with `localhost` until neither side has anything to send.
pub(crate) fn shake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Handshake {
    shake_with("localhost", client, server)
}

pub(crate) fn shake_with(name: &str, client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Handshake {
    let name = name.to_owned().try_into().unwrap();
    let mut handshake = Handshake {
        client: Ok(()),
        server: Ok(()),
        client_connection: ClientConnection::new(Arc::clone(client), name).unwrap(),
        server_connection: ServerConnection::new(Arc::clone(server)).unwrap(),
        bytes: 0,
    };
    loop {
        let to_server = said(&mut handshake.client_connection);
        hear(&mut handshake.server_connection, &to_server, &mut handshake.server);
        let to_client = said(&mut handshake.server_connection);
        hear(&mut handshake.client_connection, &to_client, &mut handshake.client);
        handshake.bytes += to_server.len() + to_client.len();
        if to_server.is_empty() && to_client.is_empty() {
            return handshake;
        }
    }
}

fn said<S: SideData>(side: &mut ConnectionCommon<S>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while side.wants_write() {
        side.write_tls(&mut bytes).unwrap();
    }
    bytes
}

fn hear<S: SideData>(side: &mut ConnectionCommon<S>, mut bytes: &[u8], verdict: &mut Result<(), Error>) {
    while !bytes.is_empty() && verdict.is_ok() {
        side.read_tls(&mut bytes).unwrap();
        *verdict = side.process_new_packets().map(drop);
    }
}
