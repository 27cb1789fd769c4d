//! Bodies: limited in size and time before anything is made of them; answers compressed where that is accepted.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use program::refusal::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::codec::{self, CodecError, ZSTD};
use wire::limits::BODY_BYTES;
use wire::problem::{Problem, ProblemCode};

use super::GatewayState;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Reads and parses a body of at most [`BODY_BYTES`], and of at most `limit` bytes after decompression.
pub(super) async fn read<T: DeserializeOwned>(
    state: &GatewayState,
    request: Request<Body>,
    limit: usize,
) -> Result<T, Refusal> {
    let (parts, body) = request.into_parts();
    let encoding = encoding(&parts.headers)?;
    let bytes = receive(&parts.headers, body, state.body_timeout).await?;
    codec::decode(&bytes, encoding, limit).map_err(|error| Refusal(Problem::from(&error)))
}

fn encoding(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| {
        let error = CodecError::UnknownEncoding { given: "(not text)".to_owned() };
        Refusal(Problem::from(&error))
    })
}

async fn receive(headers: &HeaderMap, mut body: Body, patience: Duration) -> Result<Bytes, Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_BYTES) {
        return Err(too_large());
    }
    match tokio::time::timeout(patience, collect(&mut body)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::new(ProblemCode::MalformedBody, "the body ended before its end")),
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", patience.as_secs());
            Err(Refusal::new(ProblemCode::MalformedBody, detail))
        }
    }
}

fn too_large() -> Refusal {
    Refusal(Problem::from(&CodecError::TooLarge { limit: BODY_BYTES }))
}

/// The body, or `None` when it is larger than [`BODY_BYTES`].
async fn collect(body: &mut Body) -> Result<Option<Bytes>, axum::Error> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > BODY_BYTES {
            return Ok(None);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Some(bytes.freeze()))
}

/// An answer; compressed above [`wire::limits::COMPRESS_ABOVE_BYTES`] if the caller accepts that.
pub(super) fn answer<T: Serialize>(accepted: &HeaderMap, value: &T) -> Result<Response, Refusal> {
    let failed = |_| Refusal::new(ProblemCode::Internal, "the answer can't be written");
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
