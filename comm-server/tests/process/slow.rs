//! Thousands of connections that send slowly or nothing: gateways are still served.

use std::time::Duration;

use pki::Identity;
use pki::spiffe::PartyKind;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::server::{identity, make_identities, start};

/// Number of connections that never finish their handshake.
const SLOW: usize = 2000;

/// The first bytes of a TLS record that announces a handshake of 512 bytes.
const BEGUN: [u8; 5] = [0x16, 0x03, 0x01, 0x02, 0x00];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_are_served_beside_thousands_of_slow_senders() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_owned();
    make_identities(&dir, &["gw-1"]);
    let server = start(&dir, "127.0.0.1:0");
    let mut slow = Vec::with_capacity(SLOW);
    for n in 0..SLOW {
        let mut socket = TcpStream::connect(&server.address).await.unwrap();
        if n % 2 == 0 {
            socket.write_all(&BEGUN).await.unwrap();
        }
        slow.push(socket);
    }

    let identity = Identity::load(&identity(&dir, "gw-1")).unwrap();
    let poll = json!({"at": "2026-01-01T00:00:00Z", "version": "0.1.0",
        "spool": "01980000-0000-7000-8000-000000000001", "made": {"urgent": 0, "bulk": 0}, "devices": 0,
        "devices_offline": 0, "uptime_s": 1});
    for _ in 0..10 {
        // A new connection with a new handshake each time, as gateways poll.
        let tls = pki::tls::client_config(&identity, PartyKind::CommServer).unwrap();
        let client =
            reqwest::Client::builder().tls_backend_preconfigured(tls).timeout(Duration::from_secs(8));
        let url = format!("https://{}/v1/polls", server.address);
        let answer = client.build().unwrap().post(url).body(poll.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json::<Value>().await.unwrap()["next_poll_s"], 3600);
    }
    // No connection is held indefinitely.
    for mut socket in slow {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(60), socket.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "a socket that never shook hands is still open");
    }
}
