//! `GET /v1/metadata/{name}`: a signed file, byte for byte as stored.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bytes::Bytes;
use runtime::problem_response::ProblemResponse;
use serde_json::value::RawValue;
use tuf::limits::TARGETS_BYTES;
use wire::codec::{self, ZSTD};
use wire::problem::ProblemCode;

use super::{Shared, internal, is_known, not_modified, text};
use crate::repository::{Repository, RepositoryError};

/// Files that are kept in memory; after that many others, all are forgotten.
const CACHED: usize = 64;

/// The metadata files as last read.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<BTreeMap<String, Arc<Cached>>>);

#[derive(Debug)]
struct Cached {
    stamp: Stamp,
    plain: Form,
    compressed: Option<Form>,
}

/// A value that changes whenever the file is replaced.
type Stamp = (u64, u64, Option<SystemTime>);

/// A representation of the file (RFC 9110 §3.2).
#[derive(Debug)]
struct Form {
    etag: String,
    body: Bytes,
}

pub(super) async fn answer(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ProblemResponse> {
    let role = role(&name);
    // A role's name is percent-encoded in its file's name, so that it is one segment whatever it contains.
    let file = tuf::quoted(&name);
    let read = tokio::task::spawn_blocking(move || match role {
        Some(_) => shared.metadata.read(&shared.repository, &file),
        None => Ok(None),
    });
    let cached = read.await.map_err(internal)?.map_err(internal)?.ok_or_else(|| {
        ProblemResponse::new(
            ProblemCode::NotFound,
            "no such metadata: expected timestamp.json, or N.ROLE.json",
        )
    })?;
    let compressed = cached.compressed.as_ref().filter(|_| takes_zstd(&headers));
    let form = compressed.unwrap_or(&cached.plain);
    if is_known(&headers, &form.etag) {
        return not_modified(&form.etag);
    }
    metrics::counter!("platen_global_metadata_served_total", "name" => role.unwrap_or("other")).increment(1);
    let mut builder = Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::VARY, "accept-encoding")
        .header(header::ETAG, &form.etag);
    if compressed.is_some() {
        builder = builder.header(header::CONTENT_ENCODING, ZSTD);
    }
    builder.body(form.body.clone().into()).map_err(internal)
}

/// The role of a file as metrics name it; `None` if the name isn't one of metadata.
fn role(name: &str) -> Option<&'static str> {
    let stem = name.strip_suffix(".json").filter(|stem| !stem.is_empty() && !stem.starts_with('.'))?;
    let role =
        stem.split_once('.').filter(|(version, _)| version.parse::<u64>().is_ok()).map_or(stem, |(_, r)| r);
    let top_level = ["root", "timestamp", "snapshot", "targets"];
    Some(top_level.into_iter().find(|known| *known == role).unwrap_or("delegated"))
}

/// Whether `Accept-Encoding` allows zstd.
fn takes_zstd(headers: &HeaderMap) -> bool {
    let codings = text(headers, header::ACCEPT_ENCODING).unwrap_or("");
    codings.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_zstd = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(ZSTD));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        is_zstd && weight.is_ok_and(|weight| weight > 0.0)
    })
}

impl Cache {
    /// A file; `None` if there is none.
    fn read(&self, repository: &Repository, name: &str) -> Result<Option<Arc<Cached>>, RepositoryError> {
        let path = repository.metadata_path(name);
        let found = match std::fs::metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RepositoryError::Storage { path, source }),
        };
        let stamp = (found.ino(), found.len(), found.modified().ok());
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).map(Arc::clone);
        if let Some(known) = known.filter(|known| known.stamp == stamp) {
            return Ok(Some(known));
        }
        let Some(bytes) = repository.metadata(name, TARGETS_BYTES)? else { return Ok(None) };
        let fresh = Arc::new(Cached::new(bytes, stamp));
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= CACHED {
            files.clear();
        }
        files.insert(name.to_owned(), Arc::clone(&fresh));
        Ok(Some(fresh))
    }
}

impl Cached {
    fn new(file: Vec<u8>, stamp: Stamp) -> Self {
        let tag = hex::encode(digest(&SHA256, &file).as_ref().get(..16).unwrap_or_default());
        let compressed = compress(&file).map(|body| Form { etag: format!("\"{tag}-zstd\""), body });
        Self { stamp, plain: Form { etag: format!("\"{tag}\""), body: file.into() }, compressed }
    }
}

/// The same JSON, byte for byte, as a zstd frame; `None` if that is not smaller.
fn compress(file: &[u8]) -> Option<Bytes> {
    let json: &RawValue = serde_json::from_slice(file).ok()?;
    let encoded = codec::encode(json).ok()?;
    encoded.compressed.then(|| encoded.bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_roles() {
        for (name, expected) in [
            ("timestamp.json", Some("timestamp")),
            ("12.root.json", Some("root")),
            ("1.ricoh.json", Some("delegated")),
            ("../keys/root.pk8", None),
            (".json", None),
            ("..json", None),
            ("targets.json.new", None),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
    }

    #[test]
    fn zstd_is_sent_to_clients_that_accept_it() {
        for (given, expected) in [
            ("zstd", true),
            ("gzip, ZSTD;q=0.5", true),
            ("gzip", false),
            ("zstd;q=0", false),
            ("zstd; q=0.000", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, given.parse().unwrap())]);
            assert_eq!(takes_zstd(&headers), expected, "{given}");
        }
    }
}
