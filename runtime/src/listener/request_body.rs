//! A request's body in a handler. It is rejected with 408 when it arrives too slowly (RFC 9110 §15.5.9), and drained
//! before the response. Closing a connection with unread octets discards the response (RFC 9112 §9.6), and HTTP/2
//! clients treat a stream that is reset while they send as failed.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::activity::{Activity, Turn, Waiting};
use super::deadlines::Deadlines;

/// Maximum time for draining a body before the response is sent.
const DRAIN: Duration = Duration::from_secs(5);

/// An interrupted body.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError<E> {
    /// It arrived too slowly.
    #[error("the body did not arrive in time")]
    Late,
    /// The connection failed.
    #[error(transparent)]
    Connection(E),
}

/// State shared by the handler and the listener.
#[derive(Debug)]
struct Shared<B> {
    rest: Option<B>,
    late_after: Option<Duration>,
}

/// A body in a handler.
#[derive(Debug)]
pub(super) struct RequestBody<B> {
    // `None` only after it was dropped.
    body: Option<B>,
    shared: Arc<Mutex<Shared<B>>>,
    activity: Activity,
    deadlines: Deadlines,
    received: u64,
    /// When the handler first polled it.
    began: Option<Instant>,
    /// Set while no data can be read.
    waiting: Option<(Pin<Box<Sleep>>, Waiting)>,
    awaits_continue: bool,
}

/// The part of a body that a handler left unread.
#[derive(Debug)]
pub(super) struct Unread<B>(Arc<Mutex<Shared<B>>>);

/// Wraps a body for a handler.
pub(super) fn lend<B: Body + Unpin>(
    headers: &HeaderMap,
    body: B,
    activity: &Activity,
    deadlines: Deadlines,
) -> (RequestBody<B>, Unread<B>) {
    let shared = Arc::new(Mutex::new(Shared { rest: None, late_after: None }));
    let lent = RequestBody {
        body: Some(body),
        shared: Arc::clone(&shared),
        activity: activity.clone(),
        deadlines,
        received: 0,
        began: None,
        waiting: None,
        // A client that awaits 100 (RFC 9110 §10.1.1) before it sends gets the final response instead.
        awaits_continue: headers.contains_key(header::EXPECT),
    };
    (lent, Unread(shared))
}

impl<B: Body<Data = Bytes> + Unpin> RequestBody<B> {
    /// Completes when the body has taken too long.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<BodyError<B::Error>> {
        let began = *self.began.get_or_insert_with(Instant::now);
        let allowed = self.deadlines.body(self.received);
        let (late, _) = self.waiting.get_or_insert_with(|| {
            (Box::pin(tokio::time::sleep_until(began + allowed)), self.activity.wait(Turn::Send))
        });
        ready!(late.as_mut().poll(context));
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).late_after = Some(allowed);
        Poll::Ready(BodyError::Late)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.began.get_or_insert_with(Instant::now);
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
            return self.poll_late(context).map(|late| Some(Err(late)));
        };
        self.waiting = None;
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref) {
            self.received = self.received.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Connection)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl<B> Drop for RequestBody<B> {
    fn drop(&mut self) {
        if self.began.is_some() || !self.awaits_continue {
            self.shared.lock().unwrap_or_else(PoisonError::into_inner).rest = self.body.take();
        }
    }
}

impl<B: Body + Unpin> Unread<B> {
    /// Drains the body for a limited time. If it arrived too slowly, returns the time that it took.
    pub(super) async fn drain(self) -> Option<Duration> {
        let (rest, late_after) = {
            let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (shared.rest.take(), shared.late_after)
        };
        let Some(mut rest) = rest.filter(|rest| late_after.is_none() && !rest.is_end_stream()) else {
            return late_after;
        };
        let reading = async { while let Some(Ok(_)) = rest.frame().await {} };
        // In time or not, the response goes.
        drop(tokio::time::timeout(DRAIN, reading).await);
        late_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use std::collections::VecDeque;
    use std::convert::Infallible;

    /// A body that yields these frames and then ends or never ends; and the number of frames read.
    #[derive(Debug)]
    struct Frames(VecDeque<&'static str>, Arc<Mutex<u32>>, bool);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            *self.1.lock().unwrap() += 1;
            let next = self.0.pop_front().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
            if next.is_none() && self.2 { Poll::Pending } else { Poll::Ready(next) }
        }
    }

    /// The number of frames read from the peer after a handler has read `read` of two.
    async fn asked(headers: &HeaderMap, read: usize) -> u32 {
        let count = Arc::default();
        let frames = Frames(["a", "b"].into(), Arc::clone(&count), false);
        let (mut lent, rest) = lend(headers, frames, &Activity::new(false), Deadlines::default());
        for _ in 0..read {
            lent.frame().await.unwrap().unwrap();
        }
        drop(lent);
        assert_eq!(rest.drain().await, None);
        *count.lock().unwrap()
    }

    #[tokio::test]
    async fn the_rest_of_a_body_is_drained_if_it_is_sent() {
        let plain = HeaderMap::new();
        let expecting = HeaderMap::from_iter([(header::EXPECT, HeaderValue::from_static("100-continue"))]);
        assert_eq!(asked(&plain, 0).await, 3);
        assert_eq!(asked(&plain, 1).await, 3);
        assert_eq!(asked(&expecting, 0).await, 0, "it was not asked to send");
        assert_eq!(asked(&expecting, 1).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_is_late_and_not_read_on() {
        let frames = Frames(["a", "b"].into(), Arc::default(), true);
        let deadlines = Deadlines::default();
        let (mut lent, rest) = lend(&HeaderMap::new(), frames, &Activity::new(false), deadlines);
        let began = Instant::now();
        let failed = async { while lent.frame().await.unwrap().is_ok() {} };
        failed.await;
        assert_eq!(began.elapsed(), deadlines.body(2));
        drop(lent);
        assert_eq!(rest.drain().await, Some(deadlines.body(2)));
    }
}
