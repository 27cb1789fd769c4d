//! Bodies: limited in size before anything is made of them, and in time by the listener; answers compressed where that is accepted.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use runtime::problem_response::ProblemResponse;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wire::codec::{self, CodecError, ZSTD};
use wire::limits::BODY_BYTES;
use wire::problem::{Problem, ProblemCode};

use super::GatewayState;

/// Bytes of each body that need no permit; the rest of all bodies together takes at most [`BODIES_KIB`].
const FREE_BYTES: usize = 64 << 10;

/// KiB that all bodies together may take beyond that.
const BODIES_KIB: usize = 128 << 10;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The memory of bodies; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct BodyBudget(Arc<Semaphore>);

impl Default for BodyBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BODIES_KIB)))
    }
}

/// A body with its permit.
#[derive(Debug, Default)]
struct BufferedBody {
    bytes: BytesMut,
    memory: Option<OwnedSemaphorePermit>,
}

/// Why a body isn't taken.
#[derive(Debug)]
enum BodyError {
    TooLarge,
    NoMemory,
    Broken,
}

impl BufferedBody {
    fn add(&mut self, data: &[u8], memory: &BodyBudget) -> Result<(), BodyError> {
        let length = self.bytes.len() + data.len();
        if length > BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
        let wanted = length.saturating_sub(FREE_BYTES).div_ceil(1024);
        let missing =
            wanted.saturating_sub(self.memory.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if let Ok(missing @ 1..) = u32::try_from(missing) {
            let more = Arc::clone(&memory.0).try_acquire_many_owned(missing);
            let more = more.map_err(|_| BodyError::NoMemory)?;
            match &mut self.memory {
                Some(memory) => memory.merge(more),
                none => *none = Some(more),
            }
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

/// Reads and parses a body of at most [`BODY_BYTES`], and of at most `limit` bytes after decompression.
pub(super) async fn read<T: DeserializeOwned>(
    state: &GatewayState,
    request: Request<Body>,
    limit: usize,
) -> Result<T, ProblemResponse> {
    let (parts, body) = request.into_parts();
    let encoding = encoding(&parts.headers)?;
    let held = receive(&parts.headers, body, state).await?;
    codec::decode(&held.bytes, encoding, limit).map_err(|error| ProblemResponse(Problem::from(&error)))
}

fn encoding(headers: &HeaderMap) -> Result<Option<&str>, ProblemResponse> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| {
        let error = CodecError::UnknownEncoding { given: "(not text)".to_owned() };
        ProblemResponse(Problem::from(&error))
    })
}

async fn receive(
    headers: &HeaderMap,
    body: Body,
    state: &GatewayState,
) -> Result<BufferedBody, ProblemResponse> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_BYTES) {
        return Err(too_large());
    }
    match collect(body, &state.body_budget).await {
        Ok(held) => Ok(held),
        Err(BodyError::TooLarge) => Err(too_large()),
        Err(BodyError::NoMemory) => {
            Err(ProblemResponse::new(ProblemCode::Overloaded, "too many large bodies at once: retry later"))
        }
        // Where it came too slowly, the listener says so.
        Err(BodyError::Broken) => {
            Err(ProblemResponse::new(ProblemCode::MalformedBody, "the body is incomplete"))
        }
    }
}

fn too_large() -> ProblemResponse {
    ProblemResponse(Problem::from(&CodecError::TooLarge { limit: BODY_BYTES }))
}

async fn collect(mut body: Body, memory: &BodyBudget) -> Result<BufferedBody, BodyError> {
    let mut held = BufferedBody::default();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        held.add(&data, memory)?;
    }
    Ok(held)
}

/// An answer; compressed above [`wire::limits::COMPRESS_ABOVE_BYTES`] if the caller accepts that.
pub(super) fn answer<T: Serialize>(accepted: &HeaderMap, value: &T) -> Result<Response, ProblemResponse> {
    let failed = |_| ProblemResponse::new(ProblemCode::Internal, "the response can't be encoded");
    if !accepts_zstd(accepted) {
        let json = serde_json::to_vec(value).map_err(CodecError::Encode).map_err(failed)?;
        return Ok(([(header::CONTENT_TYPE, JSON)], json).into_response());
    }
    let encoded = codec::encode(value).map_err(failed)?;
    let mut response = ([(header::CONTENT_TYPE, JSON)], encoded.bytes).into_response();
    if encoded.compressed {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(ZSTD));
    }
    Ok(response)
}

fn accepts_zstd(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| one.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(ZSTD)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_share_a_memory_that_small_ones_do_not_need() {
        let memory = BodyBudget(Arc::new(Semaphore::new(100)));
        let (mut first, mut second, mut small) =
            (BufferedBody::default(), BufferedBody::default(), BufferedBody::default());
        let kib = |count: usize| vec![b' '; count << 10];
        first.add(&kib(64), &memory).unwrap();
        assert_eq!(memory.0.available_permits(), 100);
        first.add(&kib(60), &memory).unwrap();
        assert!(matches!(second.add(&kib(105), &memory), Err(BodyError::NoMemory)));
        small.add(&kib(64), &memory).unwrap();
        assert_eq!(memory.0.available_permits(), 40);
        drop(first);
        second.add(&kib(105), &memory).unwrap();
        assert!(matches!(second.add(&vec![b' '; BODY_BYTES], &memory), Err(BodyError::TooLarge)));
        drop((second, small));
        assert_eq!(memory.0.available_permits(), 100);
    }
}
