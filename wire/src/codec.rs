//! Bodies: JSON, compressed with zstd above a size, and limited before they are decompressed or parsed.

use std::io::Read;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zstd::zstd_safe::CParameter;

use crate::limits::COMPRESS_ABOVE_BYTES;

/// `Content-Encoding` of a compressed body.
pub const ZSTD: &str = "zstd";

const LEVEL: i32 = 9;

/// Compression window, as a power of two. Repetitions in a batch are closer than that, and the compressor's memory
/// grows with it (24 MiB by default, 1 MiB with this limit).
const WINDOW_LOG: u32 = 17;

/// Largest window of a frame that is decoded, 8 MiB: what RFC 8878 recommends decoders to support.
const WINDOW_LOG_MAX: u32 = 23;

/// Why a body can't be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The value can't be serialised.
    #[error("the message can't be serialised")]
    Encode(#[source] serde_json::Error),
    /// It is larger than its limit.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, bytes.
        limit: usize,
    },
    /// The content encoding is unknown.
    #[error("content encoding {given:?} is not known: expected zstd or none")]
    UnknownEncoding {
        /// The value of the header.
        given: String,
    },
    /// It is not a zstd frame.
    #[error("the body is not valid zstd")]
    Decompress(#[source] std::io::Error),
    /// It is not the expected JSON.
    #[error("at {path}: {problem}")]
    Json {
        /// Path of the value, `reports[3].seq`.
        path: String,
        /// What was found and expected, with line and column.
        problem: String,
    },
}

/// An encoded body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether it is a zstd frame: `Content-Encoding: zstd`.
    pub compressed: bool,
}

/// Encodes a message.
///
/// # Errors
/// The value can't be serialised.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Encoded, CodecError> {
    let json = serde_json::to_vec(value).map_err(CodecError::Encode)?;
    if json.len() <= COMPRESS_ABOVE_BYTES {
        return Ok(Encoded { bytes: json, compressed: false });
    }
    match compress(&json) {
        Ok(bytes) if bytes.len() < json.len() => Ok(Encoded { bytes, compressed: true }),
        Ok(_) | Err(_) => Ok(Encoded { bytes: json, compressed: false }),
    }
}

fn compress(json: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
    let mut bytes = compressor.compress(json)?;
    bytes.shrink_to_fit();
    Ok(bytes)
}

/// Decodes a message of at most `limit` bytes after decompression.
///
/// # Errors
/// The body is too large, its encoding unknown, its frame damaged, or its JSON is not a `T`: the error names the
/// path.
pub fn decode<T: DeserializeOwned>(
    body: &[u8],
    encoding: Option<&str>,
    limit: usize,
) -> Result<T, CodecError> {
    match encoding {
        None | Some("identity" | "") => {
            if body.len() > limit {
                return Err(CodecError::TooLarge { limit });
            }
            from_json(body)
        }
        Some(ZSTD) => from_json(&decompress(body, limit)?),
        Some(other) => Err(CodecError::UnknownEncoding { given: other.chars().take(40).collect() }),
    }
}

fn decompress(body: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
    let mut decoder = zstd::stream::read::Decoder::new(body).map_err(CodecError::Decompress)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(CodecError::Decompress)?;
    let mut json = Vec::new();
    let ceiling = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(ceiling).read_to_end(&mut json).map_err(CodecError::Decompress)?;
    if json.len() > limit {
        return Err(CodecError::TooLarge { limit });
    }
    Ok(json)
}

/// Parses JSON; the error names the path.
///
/// # Errors
/// The JSON isn't a `T`.
pub fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, CodecError> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut parser)
        .map_err(|e| CodecError::Json { path: e.path().to_string(), problem: e.inner().to_string() })?;
    parser.end().map_err(|e| CodecError::Json { path: ".".to_owned(), problem: e.to_string() })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_bodies_stay_plain_and_large_ones_are_compressed() {
        let small = encode(&vec![1, 2, 3]).unwrap();
        assert!(!small.compressed);
        let large = encode(&vec![7_u32; 5000]).unwrap();
        assert!(large.compressed && large.bytes.len() < 200);
        let back: Vec<u32> = decode(&large.bytes, Some(ZSTD), 1 << 20).unwrap();
        assert_eq!(back, vec![7_u32; 5000]);
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = zstd::bulk::compress(&vec![b' '; 64 << 20], 19).unwrap();
        assert!(bomb.len() < 16 << 10);
        let refused = decode::<Vec<u32>>(&bomb, Some(ZSTD), 1 << 20);
        assert!(matches!(refused, Err(CodecError::TooLarge { limit }) if limit == 1 << 20));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |body: &[u8], encoding| decode::<Vec<u32>>(body, encoding, 1000).unwrap_err().to_string();
        assert!(error(b"[1,\"x\"]", None).contains("at [1]: invalid type: string \"x\""));
        assert!(error(b"[1] 2", None).contains("trailing"));
        assert!(error(b"[1]", Some("br")).contains("\"br\""));
        assert!(error(b"[1]", Some(ZSTD)).contains("zstd"));
        assert!(error(&[b' '; 1001], None).contains("larger than 1000"));
    }
}
