//! A response's body while it is sent: records in the connection's activity whether the server or the peer must act
//! next.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::activity::{Open, Turn, Waiting};

/// HTTP/2 data is passed on in pieces of this size. Each waits for the peer's flow-control window, so that a closed
/// window is detected.
const PIECE_BYTES: usize = 16 << 10;

/// A response body that updates the activity.
#[derive(Debug)]
pub(super) struct ResponseBody<B> {
    body: B,
    open: Open,
    /// Set while the peer must read the data.
    waiting: Option<Waiting>,
    /// Whether frames are split into pieces, as for HTTP/2. `rest` is what remains of the current frame.
    in_pieces: bool,
    rest: Bytes,
}

impl<B: Body<Data = Bytes> + Unpin> ResponseBody<B> {
    pub(super) fn new(body: B, open: Open, in_pieces: bool) -> Self {
        let waiting = Some(open.activity().wait(Turn::Take));
        Self { body, open, waiting, in_pieces, rest: Bytes::new() }
    }

    fn piece(&mut self, mut data: Bytes) -> Frame<Bytes> {
        if self.in_pieces && data.len() > PIECE_BYTES {
            self.rest = data.split_off(PIECE_BYTES);
        }
        Frame::data(data)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.waiting = None;
        let frame = if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Some(Ok(self.piece(data))),
                    Err(trailers) => Some(Ok(trailers)),
                },
                Poll::Ready(end) => end,
                Poll::Pending => return Poll::Pending,
            }
        } else {
            let rest = std::mem::take(&mut self.rest);
            Some(Ok(self.piece(rest)))
        };
        self.waiting = Some(self.open.activity().wait(Turn::Take));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::activity::{Activity, Standing};
    use http_body_util::{BodyExt as _, Full};

    #[tokio::test]
    async fn the_peer_must_act_until_it_requests_more() {
        let activity = Activity::new(false);
        let whole = Bytes::from(vec![7; 3 * PIECE_BYTES + 1]);
        let mut body = ResponseBody::new(Full::new(whole.clone()), activity.request(), true);
        assert_eq!((activity.standing(), body.size_hint().exact()), (Standing::Waiting, Some(49_153)));
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((first.len(), body.size_hint().exact()), (PIECE_BYTES, Some(32_769)));
        assert!(!body.is_end_stream());
        assert_eq!(activity.standing(), Standing::Waiting);
        let rest = (&mut body).collect().await.unwrap().to_bytes();
        assert_eq!([first, rest].concat(), whole);
        assert!(body.is_end_stream());
        drop(body);
        assert_eq!(activity.standing(), Standing::Idle);
    }
}
