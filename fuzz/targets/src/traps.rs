//! Datagrams that are received on the port for traps.

use std::cell::OnceCell;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gateway_core::traps::{TrapRateLimiter, TrapRules, Verdict};
use snmp::{
    AuthProtocol, AuthoritativeEngine, MasterKeys, NotificationAcceptance, NotificationEnvelope,
    NotificationReceiver, PrivProtocol,
};
use tokio::runtime::Runtime;

/// Id of the SNMP engine to which the informs of the corpus were sent.
const ENGINE: &[u8] = b"\x80\x00\x1f\x88\x04for the fuzzer";

/// Maximum size of a response, octets.
const ANSWER_BYTES: usize = 1_472;

/// Maximum number of octets by which a response may be longer than the request, so that a forged source address gains
/// nothing.
const GROWTH: usize = 128;

/// A datagram's largest payload over IPv4.
const PAYLOAD_BYTES: usize = 65_507;

/// Time after which a datagram on loopback is regarded as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// A v2c trap (coldStart) that follows each input: when it is received, the input was processed.
const NEXT: &[u8] = b"\x30\x3e\x02\x01\x01\x04\x04next\xa7\x33\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x28\
    \x30\x0d\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x43\x01\x00\
    \x30\x17\x06\x0a\x2b\x06\x01\x06\x03\x01\x01\x04\x01\x00\x06\x09\x2b\x06\x01\x06\x03\x01\x01\x05\x01";

/// The input: a datagram. The users `reader`, `signer` (SHA-1) and `keeper` (and AES) may send it.
///
/// # Panics
/// The port fails, accepts more than was sent, or sends too long a response.
pub fn traps(data: &[u8]) {
    thread_local! {
        static PORT: OnceCell<Port> = const { OnceCell::new() };
    }
    let datagram = data.get(..PAYLOAD_BYTES).unwrap_or(data);
    PORT.with(|port| {
        assert!(port.get_or_init(Port::open).take(datagram) <= 1, "several traps in a datagram")
    });
}

/// The port, a device that sends to it, and a second device that sends after it.
struct Port {
    runtime: Runtime,
    receiver: NotificationReceiver,
    device: UdpSocket,
    next: UdpSocket,
}

impl Port {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let receiver = runtime.block_on(receiver());
        let [device, next] = [(); 2].map(|()| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
            socket.connect(receiver.local_addr()).expect("loopback");
            socket
        });
        device.set_nonblocking(true).expect("a socket that needn't wait");
        Self { runtime, receiver, device, next }
    }

    /// Sends a datagram and the following trap; returns the number of traps that were accepted.
    fn take(&self, datagram: &[u8]) -> usize {
        self.device.send(datagram).expect("loopback takes it");
        self.next.send(NEXT).expect("loopback takes it");
        let next = self.next.local_addr().expect("it is bound");
        let mut taken = 0;
        loop {
            let received = self.runtime.block_on(async {
                tokio::time::timeout(PATIENCE, self.receiver.recv()).await.expect("what was sent comes")
            });
            // The gateway takes an error for one of the socket and pauses.
            let received = received.expect("no datagram is an error of the port");
            if received.source == next {
                break;
            }
            taken += 1;
            assert_eq!(received.source, self.device.local_addr().expect("it is bound"));
            drop(received.notification.trap_oid().map(|oid| oid.to_string()));
        }
        let mut answer = vec![0; PAYLOAD_BYTES];
        let mut answers = 0;
        loop {
            match self.device.recv(&mut answer) {
                Ok(length) => {
                    answers += 1;
                    assert!(length <= ANSWER_BYTES.min(datagram.len() + GROWTH), "{length} octets back");
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("the device's socket: {error}"),
            }
        }
        assert!(answers <= 1, "{answers} answers to a datagram");
        taken
    }
}

/// The library's receiver, configured as by the gateway, with the gateway's own gate.
async fn receiver() -> NotificationReceiver {
    let gate = Mutex::new(Gate::new());
    let mut builder = NotificationReceiver::builder()
        .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string())
        .max_message_size(ANSWER_BYTES)
        .acceptance_policy(move |trap: &NotificationEnvelope<'_>| {
            gate.lock().unwrap_or_else(PoisonError::into_inner).admit(trap)
        });
    let signed = MasterKeys::new(AuthProtocol::Sha1, b"for the fuzzer").expect("long enough");
    let private = signed.clone().with_privacy_same_password(PrivProtocol::Aes128).expect("compiled in");
    for (user, keys) in [("reader", None), ("signer", Some(signed)), ("keeper", Some(private))] {
        builder = builder
            .usm_user(user, |own| match keys {
                Some(keys) => own.with_master_keys(keys),
                None => Ok(own),
            })
            .expect("compiled in");
    }
    let engine = AuthoritativeEngine::install(ENGINE, |_: &_| Ok::<_, std::io::Error>(()));
    builder.authoritative_engine(engine.expect("an engine id")).build().await.expect("a port on loopback")
}

/// Decides as the gateway does, with a clock that advances with each trap.
struct Gate {
    gate: TrapRateLimiter,
    now: Duration,
}

impl Gate {
    fn new() -> Self {
        let mut gate = TrapRateLimiter::new(TrapRules::default());
        gate.know(&[Ipv4Addr::LOCALHOST.into()].into());
        Self { gate, now: Duration::ZERO }
    }

    fn admit(&mut self, trap: &NotificationEnvelope<'_>) -> NotificationAcceptance {
        self.now += TrapRules::default().refill;
        match self.gate.on_trap(trap.source.ip(), self.now) {
            Verdict::Read(_) | Verdict::Planned => NotificationAcceptance::Accept,
            Verdict::TooMany | Verdict::UnknownSender => NotificationAcceptance::Reject,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Datagrams from net-snmp's snmptrap and snmpinform, and which of them are accepted.
    #[test]
    fn traps_of_net_snmp_are_accepted_from_configured_users() {
        macro_rules! corpus {
            ($($name:literal),+) => { [$(($name, &include_bytes!(concat!("../../corpus/traps/", $name))[..])),+] };
        }
        let port = Port::open();
        for (name, datagram) in corpus![
            "v1-coldstart",
            "v1-printer-alert",
            "v2c-printer-alert",
            "v2c-every-type",
            "v2c-inform",
            "v3-plain",
            "v3-signed",
            "v3-private",
            "v3-inform",
            "v3-inform-signed",
            "v3-inform-private"
        ] {
            assert_eq!(port.take(datagram), 1, "{name}");
        }
        for (name, datagram) in
            corpus!["v3-stranger", "v3-wrong-password", "v3-discovery", "get", "v3-report"]
        {
            assert_eq!(port.take(datagram), 0, "{name}");
        }
    }
}
