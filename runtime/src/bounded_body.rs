//! Bodies from a peer, read as a whole and up to a limit.

use axum::body::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;

/// Why a body can't be read.
#[derive(Debug, thiserror::Error)]
pub enum BoundedBodyError<E> {
    /// It is larger than the limit.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, bytes.
        limit: usize,
    },
    /// The connection failed.
    #[error(transparent)]
    Connection(E),
}

/// Reads a body of at most `limit` bytes; no more than that is held.
///
/// # Errors
/// It is larger, or the connection fails.
pub async fn read<B>(mut body: B, limit: usize) -> Result<Vec<u8>, BoundedBodyError<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(BoundedBodyError::Connection)?.into_data() else { continue };
        if data.len() > limit - bytes.len() {
            return Err(BoundedBodyError::TooLarge { limit });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let body = || axum::body::Body::from("12345");
        assert_eq!(read(body(), 5).await.unwrap(), b"12345");
        let refused = read(body(), 4).await;
        assert!(matches!(refused, Err(BoundedBodyError::TooLarge { limit: 4 })));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_shorter_body() {
        let frames =
            futures_util::stream::iter([Ok(Bytes::from_static(b"1")), Err(std::io::Error::other("cut"))]);
        let body = axum::body::Body::from_stream(frames);
        assert!(matches!(read(body, 5).await, Err(BoundedBodyError::Connection(_))));
    }
}
