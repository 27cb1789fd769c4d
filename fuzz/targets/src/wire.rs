//! Bodies of requests and responses.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::codec::{self, ZSTD};
use wire::command::{Command, Response};
use wire::limits::{BATCH_BYTES, MESSAGE_BYTES};
use wire::poll::{Poll, PollResponse};
use wire::problem::Problem;
use wire::reading::Reading;
use wire::report::{Batch, BatchResponse};

/// The input: what it is (`batch`, `poll`, ..., with `zstd` behind it where it is compressed), a line end, the body.
///
/// # Panics
/// A decoded value differs after it is encoded and decoded again.
pub fn wire(data: &[u8]) {
    let mut parts = data.splitn(2, |octet| *octet == b'\n');
    let head = parts.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let body = parts.next().unwrap_or_default();
    let (name, encoding) = match head.split_once(' ') {
        Some((name, encoding)) => (name, Some(encoding)),
        None => (head, None),
    };
    let message = Message { body, encoding };
    match name {
        "batch" => message.batch(),
        "batch-answer" => drop(message.decode::<BatchResponse>(MESSAGE_BYTES)),
        "poll" => drop(message.decode::<Poll>(MESSAGE_BYTES)),
        "poll-answer" => message.poll_answer(),
        "response" => drop(message.decode::<Response>(MESSAGE_BYTES)),
        "problem" => drop(message.decode::<Problem>(MESSAGE_BYTES)),
        "reading" => drop(message.decode::<Reading>(BATCH_BYTES)),
        _ => drop(message.decode::<Command>(MESSAGE_BYTES)),
    }
}

struct Message<'a> {
    body: &'a [u8],
    encoding: Option<&'a str>,
}

impl Message<'_> {
    /// Decodes the body; the value must be the same after it is encoded and decoded again.
    fn decode<T: Serialize + DeserializeOwned>(&self, limit: usize) -> Option<T> {
        let value: T = match codec::decode(self.body, self.encoding, limit) {
            Ok(value) => value,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return None;
            }
        };
        let encoded = codec::encode(&value).expect("what was decoded is encoded");
        let encoding = encoded.compressed.then_some(ZSTD);
        let back: T = codec::decode(&encoded.bytes, encoding, usize::MAX).expect("and decoded again");
        let json = |value: &T| serde_json::to_string(value).expect("encoded before");
        assert_eq!(json(&back), json(&value));
        Some(value)
    }

    /// Also parses the bodies of the reports.
    fn batch(&self) {
        for envelope in self.decode::<Batch>(BATCH_BYTES).into_iter().flat_map(|batch| batch.reports) {
            if let Ok(report) = envelope.parse() {
                assert!(!report.lane().name().is_empty());
                let again = wire::report::Envelope::new(envelope.seq, envelope.at, &report).expect("encodes");
                assert_eq!(again.parse().expect("is parsed again"), report);
            }
        }
    }

    /// Also parses the orders of the commands.
    fn poll_answer(&self) {
        for command in self.decode::<PollResponse>(MESSAGE_BYTES).into_iter().flat_map(|a| a.commands) {
            if let Ok(order) = command.parse() {
                let again = Command::new(command.id, command.expires_at, &order).expect("encodes");
                assert_eq!(again.parse().expect("is parsed again"), order);
            }
        }
    }
}
