//! Who sends is heard out: a connection that is closed with unread octets takes the answer with it (RFC 9112 §9.6), and
//! clients of HTTP/2 take a stream that is reset while they send for a failure.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};

/// How long the rest of a body is read on, before the answer goes.
const PATIENCE: Duration = Duration::from_secs(5);

/// A body in a handler's hands.
#[derive(Debug)]
pub(super) struct Lent<B> {
    // `None` only after it was dropped.
    body: Option<B>,
    back: Arc<Mutex<Option<B>>>,
    asked: bool,
    awaits_yes: bool,
}

/// What a handler left of a body.
#[derive(Debug)]
pub(super) struct Rest<B>(Arc<Mutex<Option<B>>>);

/// Lends a body to a handler.
pub(super) fn lend<B: Body + Unpin>(headers: &HeaderMap, body: B) -> (Lent<B>, Rest<B>) {
    let back = Arc::default();
    // Who awaits a yes before sending (RFC 9110 §10.1.1) gets a no.
    let awaits_yes = headers.contains_key(header::EXPECT);
    (Lent { body: Some(body), back: Arc::clone(&back), asked: false, awaits_yes }, Rest(back))
}

impl<B: Body<Data = Bytes> + Unpin> Body for Lent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.asked = true;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl<B> Drop for Lent<B> {
    fn drop(&mut self) {
        if self.asked || !self.awaits_yes {
            *self.back.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
        }
    }
}

impl<B: Body + Unpin> Rest<B> {
    /// Reads on for a while, and keeps nothing.
    pub(super) async fn hear_out(self) {
        let rest = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut rest) = rest.filter(|rest| !rest.is_end_stream()) else { return };
        let reading = async { while let Some(Ok(_)) = rest.frame().await {} };
        // In time or not, the answer goes.
        drop(tokio::time::timeout(PATIENCE, reading).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use std::collections::VecDeque;
    use std::convert::Infallible;

    /// A body of so many frames, and how many were taken.
    #[derive(Debug)]
    struct Frames(VecDeque<&'static str>, Arc<Mutex<u32>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            *self.1.lock().unwrap() += 1;
            Poll::Ready(self.0.pop_front().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
        }
    }

    /// Frames asked for when a handler has read `read` of two.
    async fn asked(headers: &HeaderMap, read: usize) -> u32 {
        let count = Arc::default();
        let (mut lent, rest) = lend(headers, Frames(["a", "b"].into(), Arc::clone(&count)));
        for _ in 0..read {
            lent.frame().await.unwrap().unwrap();
        }
        drop(lent);
        rest.hear_out().await;
        *count.lock().unwrap()
    }

    #[tokio::test]
    async fn a_rest_is_read_unless_nobody_sends_it() {
        let plain = HeaderMap::new();
        let expecting = HeaderMap::from_iter([(header::EXPECT, HeaderValue::from_static("100-continue"))]);
        assert_eq!(asked(&plain, 0).await, 3);
        assert_eq!(asked(&plain, 1).await, 3);
        assert_eq!(asked(&expecting, 0).await, 0, "it was not asked to send");
        assert_eq!(asked(&expecting, 1).await, 3);
    }
}
