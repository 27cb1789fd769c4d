//! Published images, as listed by the global server. Gateways verify the signatures; this list only offers choices.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pki::spiffe::PartyKind;
use reqwest::{Body, Client, Url};
use runtime::bounded_body::{self, BoundedBodyError};
use runtime::error::{chain, tls_failure};
use runtime::identity::{IdentityBound, LiveIdentity};
use tokio::sync::Mutex;
use tokio::time::Instant;
use wire::limits::METADATA_BYTES;
use wire::metadata::{Signed, TARGETS, Targets};

/// How long a list is good for.
const FRESH: Duration = Duration::from_secs(60);

/// How long an error is believed: a page that refreshes itself must not hammer a server in trouble.
const ERROR_FRESH: Duration = Duration::from_secs(5);

/// How long the global server may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A published image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Name of the target.
    pub target: String,
    /// Vendor, as in a reading.
    pub vendor: String,
    /// Model, as in a reading.
    pub model: String,
    /// Version that the device shows afterwards.
    pub version: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// When it was published.
    pub(crate) published_at: Timestamp,
}

/// The list could not be prepared or read.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// Not an address.
    #[error("global_server.url {url:?} is not an https:// address")]
    Url {
        /// As it was given.
        url: String,
    },
    /// The client can't be made with the own certificate.
    #[error("the client of the global server can't be made: {0}")]
    Client(String),
    /// The server can't be reached.
    #[error("the global server can't be reached")]
    Http(#[source] reqwest::Error),
    /// The server answered with an error.
    #[error("the global server responds with {status}")]
    Status {
        /// HTTP status.
        status: u16,
    },
    /// More than the limit.
    #[error("its list is larger than {METADATA_BYTES} bytes")]
    TooLarge,
    /// Not metadata.
    #[error("its list can't be read")]
    Malformed(#[from] wire::codec::CodecError),
}

#[derive(Debug)]
struct Known {
    at: Instant,
    answer: Result<Vec<Image>, String>,
}

/// The global server's list, cached.
#[derive(Debug)]
pub struct Images {
    source: Source,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
enum Source {
    Server {
        client: IdentityBound<Client>,
        targets: Url,
    },
    #[cfg(test)]
    Fixed(Result<Vec<Image>, String>),
}

impl Images {
    /// A list that is read from `url` with the server's own certificate.
    ///
    /// # Errors
    /// The address or the identity can't be used.
    pub fn new(identity: Arc<LiveIdentity>, url: &str) -> Result<Self, ImagesError> {
        let wrong = || ImagesError::Url { url: url.to_owned() };
        let base = Url::parse(url).ok().filter(|base| base.scheme() == "https").ok_or_else(wrong)?;
        let path = wire::METADATA_PATH.replace("{name}", TARGETS);
        let targets = base.join(&path).map_err(|_| wrong())?;
        let client = IdentityBound::new(identity, client).map_err(ImagesError::Client)?;
        Ok(Self { source: Source::Server { client, targets }, known: Mutex::new(None) })
    }

    /// A list that stays as it is.
    #[cfg(test)]
    pub(crate) fn fixed(answer: Result<Vec<Image>, String>) -> Self {
        Self { source: Source::Fixed(answer), known: Mutex::new(None) }
    }

    /// The images, or why they are unknown; at most a minute old.
    ///
    /// # Errors
    /// Why, for people.
    pub async fn list(&self) -> Result<Vec<Image>, String> {
        self.not_older_than(FRESH).await
    }

    /// The images as they are now.
    ///
    /// # Errors
    /// Why they are unknown, for people.
    pub(crate) async fn list_now(&self) -> Result<Vec<Image>, String> {
        self.not_older_than(Duration::ZERO).await
    }

    async fn not_older_than(&self, fresh: Duration) -> Result<Vec<Image>, String> {
        let mut known = self.known.lock().await;
        let good_for = |known: &Known| if known.answer.is_ok() { fresh } else { fresh.min(ERROR_FRESH) };
        if let Some(known) = known.as_ref().filter(|known| known.at.elapsed() < good_for(known)) {
            return known.answer.clone();
        }
        let answer = match &self.source {
            Source::Server { client, targets } => fetch(&client.now(), targets).await.map_err(|error| {
                let why = match tls_failure(&error, PartyKind::GlobalServer) {
                    Some(why) => format!("the global server can't be reached: TLS: {why}"),
                    None => chain(&error),
                };
                let why = format!("{why} ({targets})");
                tracing::warn!(why, "the list of published images is not available");
                why
            }),
            #[cfg(test)]
            Source::Fixed(answer) => answer.clone(),
        };
        *known = Some(Known { at: Instant::now(), answer: answer.clone() });
        answer
    }
}

async fn fetch(client: &Client, targets: &Url) -> Result<Vec<Image>, ImagesError> {
    let response = client.get(targets.clone()).send().await.map_err(ImagesError::Http)?;
    if !response.status().is_success() {
        return Err(ImagesError::Status { status: response.status().as_u16() });
    }
    let file =
        bounded_body::read(Body::from(response), METADATA_BYTES).await.map_err(|error| match error {
            BoundedBodyError::TooLarge { .. } => ImagesError::TooLarge,
            BoundedBodyError::Connection(error) => ImagesError::Http(error),
        })?;
    parse(&file)
}

fn client(identity: &pki::Identity) -> Result<Client, String> {
    let tls = pki::tls::client_config(identity, PartyKind::GlobalServer);
    Client::builder()
        .tls_backend_preconfigured(tls.map_err(|error| chain(&error))?)
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| chain(&error))
}

fn parse(file: &[u8]) -> Result<Vec<Image>, ImagesError> {
    let signed: Signed = wire::codec::from_json(file)?;
    let json = serde_json::to_vec(&signed.signed).map_err(wire::codec::CodecError::Encode)?;
    let targets: Targets = wire::codec::from_json(&json)?;
    let image = |(target, entry): (String, wire::metadata::Target)| Image {
        target,
        vendor: entry.custom.vendor,
        model: entry.custom.model,
        version: entry.custom.version,
        bytes: entry.length,
        sha256: entry.hashes.sha256,
        published_at: entry.custom.published_at,
    };
    Ok(targets.targets.into_iter().map(image).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_targets_file_is_read_and_anything_else_refused() {
        let file = r#"{"signatures":[],"signed":{"_type":"targets","spec_version":"1.0.31","version":1,
            "expires":"2030-01-01T00:00:00Z","targets":{"ricoh/IM-C3000/2.0":{"length":7,
            "hashes":{"sha256":"ab"},"custom":{"vendor":"ricoh","model":"IM C3000","version":"2.0",
            "published_at":"2026-01-01T00:00:00Z"}}}}}"#;
        let images = parse(file.as_bytes()).unwrap();
        assert_eq!((images[0].model.as_str(), images[0].bytes), ("IM C3000", 7));
        assert!(parse(b"[]").is_err());
        assert!(parse(br#"{"signatures":[],"signed":{}}"#).is_err());
    }
}
