//! `GET /v1/images/{sha256}` and `GET /v1/targets/{path}`: an image or one range of it, streamed from the file.

use std::io::{self, SeekFrom};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use runtime::problem_response::ProblemResponse;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use wire::problem::{Problem, ProblemCode};

use super::range::{Selection, select};
use super::{Shared, internal, is_known, not_modified, text};
use crate::repository::is_digest;

/// Bytes read and sent at a time; each download holds two such chunks in memory.
const CHUNK_BYTES: u64 = 64 << 10;

/// A download is ended when the peer takes no byte for this time; the peer resumes it later.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// By the path of a target: its last segment begins with the hash (TUF §6.2), which names the content.
pub(super) async fn answer_target(
    shared: State<Shared>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ProblemResponse> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let hash = name.split_once('.').map_or(name, |(hash, _)| hash).to_owned();
    answer(shared, Path(hash), method, headers).await
}

pub(super) async fn answer(
    State(shared): State<Shared>,
    Path(sha256): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ProblemResponse> {
    if !is_digest(&sha256) {
        let detail = "not an image: expected a SHA-256 of 64 lower-case hexadecimal digits";
        return Err(ProblemResponse::new(ProblemCode::NotFound, detail));
    }
    // Before the file is opened: open files are limited too.
    let place = shared.downloads.clone().try_acquire_owned().map_err(|_| {
        ProblemResponse::new(ProblemCode::Overloaded, "too many downloads at once: retry later")
    })?;
    let (file, length) = open(&shared, &sha256).await?;
    let etag = format!("\"{sha256}\"");
    if is_known(&headers, &etag) {
        return not_modified(&etag);
    }
    // RFC 9110 §14.2: ranges are for GET alone.
    let range = text(&headers, header::RANGE).filter(|_| method == Method::GET);
    let selection = select(range, text(&headers, header::IF_RANGE), &etag, length);
    let (first, count, status) = match selection {
        Selection::Whole => (0, length, StatusCode::OK),
        Selection::Part { first, last } => (first, last - first + 1, StatusCode::PARTIAL_CONTENT),
        Selection::Unsatisfiable => return Ok(unsatisfiable(length)),
    };
    let mut builder = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, count)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CACHE_CONTROL, "private, max-age=31536000, immutable")
        .header(header::ETAG, etag);
    if let Selection::Part { first, last } = selection {
        builder = builder.header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{length}"));
    }
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let outcome = if status == StatusCode::OK { "whole" } else { "part" };
        metrics::counter!("platen_global_images_served_total", "answer" => outcome).increment(1);
        body(place, file, first, count).await?
    };
    builder.body(body).map_err(internal)
}

async fn open(shared: &Shared, sha256: &str) -> Result<(File, u64), ProblemResponse> {
    let file = match File::open(shared.repository.image_path(sha256)).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ProblemResponse::new(
                ProblemCode::NotFound,
                "the repository has no image of that digest",
            ));
        }
        Err(error) => return Err(internal(error)),
    };
    let length = file.metadata().await.map_err(internal)?.len();
    Ok((file, length))
}

fn unsatisfiable(length: u64) -> Response {
    let problem = Problem {
        status: StatusCode::RANGE_NOT_SATISFIABLE.as_u16(),
        ..Problem::new(ProblemCode::Conflict, format!("the range lies outside the image of {length} bytes"))
    };
    let range = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
    (range, ProblemResponse(problem)).into_response()
}

/// The bytes as a body. A task reads one chunk ahead, so that a stalled peer holds neither the file nor its permit.
async fn body(
    place: OwnedSemaphorePermit,
    mut file: File,
    first: u64,
    count: u64,
) -> Result<Body, ProblemResponse> {
    file.seek(SeekFrom::Start(first)).await.map_err(internal)?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(pump(file, count, sender, place));
    let chunks = stream::unfold((receiver, count), |(mut receiver, left)| async move {
        if left == 0 {
            return None;
        }
        // A pump that gave up must not look like the end of the image.
        let gave_up = || Err(io::Error::new(io::ErrorKind::TimedOut, "the peer read nothing in time"));
        let chunk: io::Result<Bytes> = receiver.recv().await.unwrap_or_else(gave_up);
        let taken = chunk.as_ref().map_or(left, |chunk| u64::try_from(chunk.len()).unwrap_or(left));
        Some((chunk, (receiver, left.saturating_sub(taken))))
    });
    Ok(Body::from_stream(chunks))
}

async fn pump(
    mut file: File,
    mut left: u64,
    sender: mpsc::Sender<io::Result<Bytes>>,
    _place: OwnedSemaphorePermit,
) {
    let served = metrics::counter!("platen_global_image_bytes_total");
    while left > 0 {
        let chunk = read(&mut file, left).await;
        let sent = chunk.as_ref().map_or(0, |chunk| u64::try_from(chunk.len()).unwrap_or(0));
        let failed = chunk.is_err();
        match tokio::time::timeout(STALL_TIMEOUT, sender.send(chunk)).await {
            Ok(Ok(())) if !failed => {
                served.increment(sent);
                left -= sent;
            }
            Ok(Ok(()) | Err(_)) | Err(_) => return,
        }
    }
}

async fn read(file: &mut File, left: u64) -> io::Result<Bytes> {
    let size = usize::try_from(left.min(CHUNK_BYTES)).unwrap_or(0);
    let mut chunk = vec![0; size];
    let filled = file.read(&mut chunk).await?;
    if filled == 0 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the image file became shorter while it was sent",
        ));
    }
    chunk.truncate(filled);
    Ok(chunk.into())
}
