//! Published images, as the global server's metadata lists them. Gateways verify the signatures; this list only offers
//! choices.

use std::collections::BTreeMap;
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
use tuf::{Document, Role, RoleName, Snapshot, Targets};
use wire::image::ImageFacts;

/// How long a list is used before it is read again.
const FRESH: Duration = Duration::from_secs(60);

/// How long an error is returned before the list is read again, so that refreshing pages don't overload a failing
/// server.
const ERROR_FRESH: Duration = Duration::from_secs(5);

/// How long the global server may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Roles that describe images: the publisher's and those of makers.
const MAX_ROLES: usize = 256;

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
    /// The address is not valid.
    #[error("global_server.url {url:?} is not an https:// address")]
    Url {
        /// As it was given.
        url: String,
    },
    /// The client can't be created with the server's certificate.
    #[error("the client of the global server can't be created: {0}")]
    Client(String),
    /// The global server can't be reached.
    #[error("the global server can't be reached")]
    Http(#[source] reqwest::Error),
    /// The global server responded with an error.
    #[error("the global server responded with status {status}")]
    Status {
        /// HTTP status.
        status: u16,
    },
    /// More than the limit.
    #[error("its list is larger than {limit} bytes")]
    TooLarge {
        /// The limit, bytes.
        limit: u64,
    },
    /// More makers than the limit.
    #[error("its list has {found} parts: at most {MAX_ROLES}")]
    TooManyRoles {
        /// Roles in the snapshot.
        found: usize,
    },
    /// Not metadata.
    #[error("its list can't be read")]
    Malformed(#[from] tuf::Refusal),
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
        base: Url,
    },
    #[cfg(test)]
    Fixed(Result<Vec<Image>, String>),
}

impl Images {
    /// A list that is read from `url` with this server's certificate.
    ///
    /// # Errors
    /// The address or the identity can't be used.
    pub fn new(identity: Arc<LiveIdentity>, url: &str) -> Result<Self, ImagesError> {
        let wrong = || ImagesError::Url { url: url.to_owned() };
        let base = Url::parse(url).ok().filter(|base| base.scheme() == "https").ok_or_else(wrong)?;
        let base = base.join(&wire::METADATA_PATH.replace("{name}", "")).map_err(|_| wrong())?;
        let client = IdentityBound::new(identity, client).map_err(ImagesError::Client)?;
        Ok(Self { source: Source::Server { client, base }, known: Mutex::new(None) })
    }

    /// A list that never changes.
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

    /// The images, read now.
    ///
    /// # Errors
    /// The list is not available; the text is the reason, for operators.
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
            Source::Server { client, base } => fetch(&client.now(), base).await.map_err(|error| {
                let why = match tls_failure(&error, PartyKind::GlobalServer) {
                    Some(why) => format!("the global server can't be reached: TLS: {why}"),
                    None => chain(&error),
                };
                let why = format!("{why} ({base})");
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

/// The images, by the newest timestamp.
async fn fetch(client: &Client, base: &Url) -> Result<Vec<Image>, ImagesError> {
    let timestamp: tuf::Timestamp = role(client, base, &RoleName::timestamp(), None).await?;
    let version = Some(timestamp.meta.snapshot.version.get());
    let snapshot: Snapshot = role(client, base, &RoleName::snapshot(), version).await?;
    if snapshot.meta.len() > MAX_ROLES {
        return Err(ImagesError::TooManyRoles { found: snapshot.meta.len() });
    }
    let mut roles = BTreeMap::new();
    for (file, meta) in &snapshot.meta {
        let name = file.strip_suffix(".json").unwrap_or(file).to_owned();
        let Ok(name) = RoleName::try_from(name) else { continue };
        let targets: Targets = role(client, base, &name, Some(meta.version.get())).await?;
        roles.insert(name, Arc::new(targets));
    }
    Ok(list(roles))
}

/// A role's file of a version; its signatures are not verified.
async fn role<R: Role>(
    client: &Client,
    base: &Url,
    name: &RoleName,
    version: Option<u64>,
) -> Result<R, ImagesError> {
    let version = version.map_or_else(String::new, |version| format!("{version}."));
    let url = format!("{base}{version}{}", name.file_name());
    let response = client.get(url).send().await.map_err(ImagesError::Http)?;
    if !response.status().is_success() {
        return Err(ImagesError::Status { status: response.status().as_u16() });
    }
    let limit = tuf::limit::<R>();
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let file = bounded_body::read(Body::from(response), size).await.map_err(|error| match error {
        BoundedBodyError::TooLarge { .. } => ImagesError::TooLarge { limit },
        BoundedBodyError::Connection(error) => ImagesError::Http(error),
    })?;
    Ok(Document::parse::<R>(name, &file)?.role(name)?)
}

/// The images that gateways find in these roles.
fn list(mut roles: BTreeMap<RoleName, Arc<Targets>>) -> Vec<Image> {
    let Some(top) = roles.remove(&RoleName::targets()) else { return Vec::new() };
    let image = |(target, (_, file)): (String, (RoleName, tuf::TargetFile))| {
        let facts: ImageFacts = serde_json::from_value(file.custom?).ok()?;
        Some(Image {
            target,
            vendor: facts.vendor,
            model: facts.model,
            version: facts.version,
            bytes: file.length,
            sha256: file.hashes.hash("sha256")?.to_owned(),
            published_at: facts.published_at,
        })
    };
    tuf::visible(&top, &roles).into_iter().filter_map(image).collect()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn targets(images: &[&str], delegations: serde_json::Value) -> Arc<Targets> {
        let mut role = json!({"_type": "targets", "spec_version": "1.0.31", "version": 1,
            "expires": "2030-01-01T00:00:00Z", "targets": {}, "delegations": delegations});
        for name in images {
            role["targets"][name] = json!({"length": 7, "hashes": {"sha256": "ab"}, "custom": {"vendor": "ricoh",
                "model": "IM C3000", "version": "2.0", "published_at": "2026-01-01T00:00:00Z"}});
        }
        role["targets"]["another/kind"] = json!({"length": 1, "hashes": {"sha256": "ab"}});
        Arc::new(serde_json::from_value(role).unwrap())
    }

    #[test]
    fn images_of_the_publisher_and_of_makers_are_listed() {
        let delegations = json!({"keys": {}, "roles": [{"name": "ricoh", "keyids": ["k"], "threshold": 1,
            "terminating": true, "paths": ["ricoh/*/*"]}]});
        let name = |text: &str| RoleName::try_from(text.to_owned()).unwrap();
        let roles = BTreeMap::from([
            (name("targets"), targets(&["sharp/a/1"], delegations)),
            (name("ricoh"), targets(&["ricoh/a/1", "sharp/not-its-own/1"], json!(null))),
            (name("nobody"), targets(&["sharp/b/1"], json!(null))),
        ]);
        let names: Vec<String> = list(roles).into_iter().map(|image| image.target).collect();
        assert_eq!(names, ["ricoh/a/1", "sharp/a/1"]);
        assert!(list(BTreeMap::new()).is_empty());
    }
}
