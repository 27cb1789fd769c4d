//! What a connection is doing, and when that has taken too long: one value per connection, updated by the socket
//! ([`super::stream`]), the requests and the responses.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::deadlines::Deadlines;

/// A step that took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    Handshake,
    Head,
    Idle,
    Stall,
}

impl Expired {
    /// Name for logs and metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Handshake => "timeout",
            Self::Head => "head_timeout",
            Self::Idle => "idle",
            Self::Stall => "stalled",
        }
    }
}

/// The current step of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    FirstHead,
    /// Requests are in flight.
    Busy,
    /// All requests have been answered.
    Idle,
    Upgraded,
}

/// How much is lost if a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// No request is in flight.
    Idle,
    /// Every request waits until the peer sends or reads more.
    Waiting,
    /// The server is working on a request.
    Working,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When the step began.
    since: Instant,
    /// Requests in flight.
    requests: u32,
    /// Requests in flight whose body the peer is still sending.
    sending: u32,
    /// Requests in flight whose response the peer is still reading.
    taking: u32,
    /// When the peer last read a part of a response.
    progress: Instant,
    /// Since when the socket accepts no more data.
    blocked: Option<Instant>,
}

impl State {
    /// Whether every request waits for the peer.
    fn is_waiting(&self) -> bool {
        self.sending + self.taking >= self.requests
    }

    fn waits(&mut self, turn: Turn) -> &mut u32 {
        match turn {
            Turn::Send => &mut self.sending,
            Turn::Take => &mut self.taking,
        }
    }

    /// When the deadline of the current step is; `None` while the server is working.
    fn due(&self, deadlines: &Deadlines) -> Option<(Instant, Expired)> {
        let stalled = self.blocked.map(|since| (since + deadlines.stall(), Expired::Stall));
        let step = match self.phase {
            Phase::Handshake => Some((self.since + deadlines.handshake(), Expired::Handshake)),
            Phase::FirstHead => Some((self.since + deadlines.head(), Expired::Head)),
            // The last response is still under way.
            Phase::Idle if self.blocked.is_some() => None,
            Phase::Idle => Some((self.since + deadlines.idle(), Expired::Idle)),
            Phase::Busy if self.taking > 0 && self.is_waiting() => {
                Some((self.progress + deadlines.stall(), Expired::Stall))
            }
            Phase::Busy | Phase::Upgraded => None,
        };
        [stalled, step].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The peer sends the request's body, which has a deadline of its own ([`super::request_body`]).
    Send,
    /// The peer reads the response.
    Take,
}

/// A connection's activity; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

impl Activity {
    /// The activity of a socket that was just accepted; `shakes_hands`: TLS comes first.
    pub(super) fn new(shakes_hands: bool) -> Self {
        let now = Instant::now();
        let phase = if shakes_hands { Phase::Handshake } else { Phase::FirstHead };
        let state =
            State { phase, since: now, requests: 0, sending: 0, taking: 0, progress: now, blocked: None };
        Self(Arc::new(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the end of the handshake.
    pub(super) fn established(&self) {
        let mut state = self.lock();
        (state.phase, state.since) = (Phase::FirstHead, Instant::now());
    }

    /// Records the head of a request, which is in flight until the value is dropped.
    pub(super) fn request(&self) -> Open {
        let mut state = self.lock();
        state.requests += 1;
        if state.phase != Phase::Upgraded {
            state.phase = Phase::Busy;
        }
        drop(state);
        Open(self.clone())
    }

    /// Records an upgrade to another protocol (status 101): the deadlines for heads and idleness end, because the new
    /// protocol has its own. The stall deadline still applies to what is written through [`super::stream`]. The
    /// listener's checks on each request (the peer's certificate) also end: the new protocol must check by itself.
    pub(super) fn upgraded(&self) {
        self.lock().phase = Phase::Upgraded;
    }

    /// Records that the peer must act, until the value is dropped.
    pub(super) fn wait(&self, turn: Turn) -> Waiting {
        let mut state = self.lock();
        *state.waits(turn) += 1;
        state.progress = Instant::now();
        drop(state);
        Waiting(self.clone(), turn)
    }

    /// Records that the socket accepts no more data.
    pub(super) fn write_blocked(&self) {
        self.lock().blocked.get_or_insert_with(Instant::now);
    }

    /// Records that the socket accepts data again.
    pub(super) fn write_resumed(&self) {
        let (mut state, now) = (self.lock(), Instant::now());
        state.blocked = None;
        state.progress = now;
        if state.phase == Phase::Idle {
            state.since = now;
        }
    }

    /// What would be lost if the connection were closed now.
    pub(super) fn standing(&self) -> Standing {
        let state = self.lock();
        match state.phase {
            Phase::Handshake | Phase::FirstHead | Phase::Idle => Standing::Idle,
            Phase::Busy if state.is_waiting() => Standing::Waiting,
            Phase::Busy | Phase::Upgraded => Standing::Working,
        }
    }

    /// Completes when a step has exceeded its deadline.
    pub(super) async fn expired(&self, deadlines: &Deadlines) -> Expired {
        loop {
            let (due, now) = (self.lock().due(deadlines), Instant::now());
            // A step may begin that ends sooner, but never sooner than the shortest.
            let mut next = now + deadlines.shortest();
            if let Some((at, expired)) = due {
                if at <= now {
                    return expired;
                }
                next = next.min(at);
            }
            tokio::time::sleep_until(next).await;
        }
    }
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct Open(Activity);

impl Open {
    pub(super) fn activity(&self) -> &Activity {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.requests = state.requests.saturating_sub(1);
        if state.requests == 0 && state.phase == Phase::Busy {
            (state.phase, state.since) = (Phase::Idle, Instant::now());
        }
    }
}

/// A request that waits for its peer.
#[derive(Debug)]
pub(super) struct Waiting(Activity, Turn);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let waiting = state.waits(self.1);
        *waiting = waiting.saturating_sub(1);
        state.progress = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: u64 = 10;
    const HEAD: u64 = 10;
    const IDLE: u64 = 30;
    const STALL: u64 = 30;

    fn due_in_s(activity: &Activity) -> Option<(u64, Expired)> {
        let due = activity.lock().due(&Deadlines::default());
        due.map(|(at, expired)| (at.duration_since(Instant::now()).as_secs(), expired))
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_step_has_its_deadline_and_the_server_has_none() {
        let activity = Activity::new(true);
        assert_eq!(due_in_s(&activity), Some((HANDSHAKE, Expired::Handshake)));
        activity.established();
        pass(4).await;
        assert_eq!(due_in_s(&activity), Some((HEAD - 4, Expired::Head)), "bytes of a head give no more time");
        let (first, second) = (activity.request(), activity.request());
        assert_eq!((due_in_s(&activity), activity.standing()), (None, Standing::Working));
        let waits = activity.wait(Turn::Take);
        assert_eq!((due_in_s(&activity), activity.standing()), (None, Standing::Working), "one still works");
        let also = activity.wait(Turn::Send);
        pass(7).await;
        assert_eq!(due_in_s(&activity), Some((STALL - 7, Expired::Stall)));
        assert_eq!(activity.standing(), Standing::Waiting);
        drop(waits);
        assert_eq!(due_in_s(&activity), None, "a body has its own deadline");
        drop((also, first));
        assert_eq!(due_in_s(&activity), None);
        drop(second);
        pass(1).await;
        assert_eq!(due_in_s(&activity), Some((IDLE - 1, Expired::Idle)));
        assert_eq!(activity.standing(), Standing::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_is_still_taken_is_not_idle() {
        let activity = Activity::new(false);
        drop(activity.request());
        activity.write_blocked();
        pass(20).await;
        activity.write_blocked();
        assert_eq!(due_in_s(&activity), Some((STALL - 20, Expired::Stall)), "it is blocked since then");
        activity.write_resumed();
        assert_eq!(due_in_s(&activity), Some((IDLE, Expired::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upgraded_connection_has_only_the_stall_deadline() {
        let activity = Activity::new(false);
        let open = activity.request();
        activity.upgraded();
        drop(open);
        assert_eq!(due_in_s(&activity), None);
        assert_eq!(activity.standing(), Standing::Working);
        activity.write_blocked();
        assert_eq!(due_in_s(&activity), Some((STALL, Expired::Stall)));
    }

    #[tokio::test(start_paused = true)]
    async fn expiry_is_seen_when_it_is_due() {
        let activity = Activity::new(true);
        let began = Instant::now();
        activity.established();
        let open = activity.request();
        let watched = activity.clone();
        let deadlines = Deadlines::default();
        let watching = tokio::spawn(async move { (watched.expired(&deadlines).await, Instant::now()) });
        pass(13).await;
        drop(open);
        let (expired, at) = watching.await.unwrap();
        assert_eq!((expired, (at - began).as_secs()), (Expired::Idle, 13 + IDLE));
    }
}
