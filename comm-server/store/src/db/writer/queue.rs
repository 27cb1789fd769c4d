//! The queue of a writer: urgent changes have their own capacity and are taken first.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Urgency, Waiting};
use crate::db::StoreError;

/// Maximum number of queued changes of each urgency; further senders wait.
const PLACES: usize = 1024;

/// How long a sender waits for room in the queue before it gets [`StoreError::Busy`].
const PATIENCE: Duration = Duration::from_secs(5);

/// The delay between two groups, unless an urgent change is queued. Under load, regular changes accumulate meanwhile
/// and share one transaction. A change for an idle writer isn't delayed.
const PACE: Duration = Duration::from_millis(10);

/// The senders' side.
#[derive(Debug, Clone)]
pub(super) struct Entrance {
    urgent: mpsc::Sender<Waiting>,
    regular: mpsc::Sender<Waiting>,
}

/// The writer's side.
pub(super) struct Queue {
    urgent: mpsc::Receiver<Waiting>,
    regular: mpsc::Receiver<Waiting>,
    /// The earliest time of the next group of regular changes.
    next: Instant,
}

impl Entrance {
    /// Passes a change to the writer.
    pub(super) async fn enter(&self, urgency: Urgency, waiting: Waiting) -> Result<(), StoreError> {
        let places = match urgency {
            Urgency::Urgent => &self.urgent,
            Urgency::Regular => &self.regular,
        };
        let place = tokio::time::timeout(PATIENCE, places.reserve()).await;
        place.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Closed)?.send(waiting);
        Ok(())
    }

    /// How full the queue for regular changes is, 0 to 1.
    pub(super) fn load(&self) -> f64 {
        let taken = self.regular.max_capacity() - self.regular.capacity();
        let part = |n: usize| u32::try_from(n).map_or(f64::INFINITY, f64::from);
        part(taken) / part(self.regular.max_capacity().max(1))
    }
}

impl Queue {
    pub(super) fn new() -> (Entrance, Self) {
        let (urgent, urgent_ones) = mpsc::channel(PLACES);
        let (regular, regular_ones) = mpsc::channel(PLACES);
        (
            Entrance { urgent, regular },
            Self { urgent: urgent_ones, regular: regular_ones, next: Instant::now() },
        )
    }

    /// Waits for changes and removes up to `most`, urgent ones first; none if the queue is closed and empty.
    pub(super) async fn take(
        &mut self,
        changes: &mut Vec<Waiting>,
        most: usize,
        closing: &CancellationToken,
    ) -> usize {
        loop {
            let (urgent_ended, regular_ended) = (self.urgent.is_closed(), self.regular.is_closed());
            if urgent_ended && self.urgent.is_empty() && regular_ended && self.regular.is_empty() {
                return 0;
            }
            let (first, urgent) = tokio::select! {
                biased;
                first = self.urgent.recv(), if !(urgent_ended && self.urgent.is_empty()) => (first, true),
                first = self.regular.recv(), if !(regular_ended && self.regular.is_empty()) => (first, false),
                () = closing.cancelled(), if !urgent_ended || !regular_ended => {
                    self.urgent.close();
                    self.regular.close();
                    (None, true)
                }
            };
            let Some(first) = first else { continue };
            changes.push(first);
            if !urgent {
                self.gather(changes, closing).await;
            }
            self.next = Instant::now() + PACE;
            while changes.len() < most {
                let Ok(next) = self.urgent.try_recv().or_else(|_| self.regular.try_recv()) else { break };
                changes.push(next);
            }
            return changes.len();
        }
    }

    /// Waits until the next group may start, or an urgent change is queued.
    async fn gather(&mut self, changes: &mut Vec<Waiting>, closing: &CancellationToken) {
        if Instant::now() >= self.next || closing.is_cancelled() || self.urgent.is_closed() {
            return;
        }
        tokio::select! {
            biased;
            urgent = self.urgent.recv() => changes.extend(urgent),
            () = closing.cancelled() => {}
            () = tokio::time::sleep_until(self.next) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::writer::{GatewayKey, What};

    fn waiting(gateway: &str) -> Waiting {
        let key = GatewayKey { tenant: "t".parse().unwrap(), gateway: gateway.parse().unwrap() };
        let what = What::Change(Box::new(|_| Box::pin(async { (true, Box::new(|_| ()) as _) })));
        Waiting { key: Some(key), what }
    }

    fn names(changes: &[Waiting]) -> Vec<&str> {
        changes.iter().filter_map(|w| w.key.as_ref()).map(|key| key.gateway.as_str()).collect()
    }

    #[tokio::test]
    async fn urgent_changes_go_first_and_closing_loses_none() {
        let (entrance, mut queue) = Queue::new();
        let closing = CancellationToken::new();
        for (urgency, name) in [
            (Urgency::Regular, "r1"),
            (Urgency::Regular, "r2"),
            (Urgency::Urgent, "u1"),
            (Urgency::Urgent, "u2"),
        ] {
            entrance.enter(urgency, waiting(name)).await.unwrap();
        }
        let mut taken = Vec::new();
        assert_eq!(queue.take(&mut taken, 3, &closing).await, 3);
        assert_eq!(names(&taken), ["u1", "u2", "r1"]);
        closing.cancel();
        taken.clear();
        assert_eq!(queue.take(&mut taken, 3, &closing).await, 1);
        assert_eq!(names(&taken), ["r2"]);
        taken.clear();
        assert_eq!(queue.take(&mut taken, 3, &closing).await, 0);
        assert!(matches!(entrance.enter(Urgency::Urgent, waiting("late")).await, Err(StoreError::Closed)));
    }

    #[tokio::test]
    async fn regular_changes_gather_and_what_is_urgent_does_not_wait() {
        let (entrance, mut queue) = Queue::new();
        let (closing, mut taken) = (CancellationToken::new(), Vec::new());
        let enter = |urgency, name| entrance.enter(urgency, waiting(name));
        enter(Urgency::Regular, "r1").await.unwrap();
        queue.take(&mut taken, 9, &closing).await;
        assert_eq!(names(&taken), ["r1"], "it was idle");

        // Never, as far as this test goes.
        queue.next = Instant::now() + Duration::from_secs(86_400);
        enter(Urgency::Regular, "r2").await.unwrap();
        taken.clear();
        let (_, ()) = tokio::join!(queue.take(&mut taken, 9, &closing), async {
            enter(Urgency::Regular, "r3").await.unwrap();
            enter(Urgency::Urgent, "u1").await.unwrap();
        });
        assert_eq!(names(&taken), ["r2", "u1", "r3"]);

        queue.next = Instant::now() + Duration::from_secs(86_400);
        enter(Urgency::Regular, "r4").await.unwrap();
        taken.clear();
        closing.cancel();
        assert_eq!(queue.take(&mut taken, 9, &closing).await, 1, "who closes is not kept waiting");
    }

    #[tokio::test]
    async fn a_queue_whose_senders_are_gone_ends() {
        let (entrance, mut queue) = Queue::new();
        entrance.enter(Urgency::Regular, waiting("r1")).await.unwrap();
        drop(entrance);
        let (closing, mut taken) = (CancellationToken::new(), Vec::new());
        assert_eq!(queue.take(&mut taken, 9, &closing).await, 1);
        taken.clear();
        assert_eq!(queue.take(&mut taken, 9, &closing).await, 0);
    }

    #[tokio::test]
    async fn the_load_is_the_part_of_the_places_that_is_taken() {
        let (entrance, _queue) = Queue::new();
        for _ in 0..PLACES / 4 {
            entrance.enter(Urgency::Regular, waiting("r")).await.unwrap();
        }
        assert!((entrance.load() - 0.25).abs() < 1e-9);
    }
}
