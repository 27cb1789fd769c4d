//! Handshakes under way: so many at most. When one more comes, the oldest is ended: an honest client is done long
//! before it is the oldest of a thousand, so that slow ones only crowd out each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    by_age: BTreeMap<u64, CancellationToken>,
}

/// Handshakes under way.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    most: usize,
    waiting: Arc<Mutex<Waiting>>,
}

/// A place among them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// Cancelled when a newer one takes the place.
    pub(super) lost: CancellationToken,
    number: u64,
    waiting: Arc<Mutex<Waiting>>,
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pending {
    pub(super) fn new(most: usize) -> Self {
        Self { most, waiting: Arc::default() }
    }

    /// A place for one more.
    pub(super) fn enter(&self) -> Place {
        let lost = CancellationToken::new();
        let mut waiting = lock(&self.waiting);
        if waiting.by_age.len() >= self.most
            && let Some((_, oldest)) = waiting.by_age.pop_first()
        {
            oldest.cancel();
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.by_age.insert(number, lost.clone());
        drop(waiting);
        Place { lost, number, waiting: Arc::clone(&self.waiting) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.waiting).by_age.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_those_that_ended_take_none() {
        let pending = Pending::new(2);
        let first = pending.enter();
        let second = pending.enter();
        let third = pending.enter();
        assert!(first.lost.is_cancelled() && !second.lost.is_cancelled() && !third.lost.is_cancelled());
        drop(second);
        let fourth = pending.enter();
        assert!(!third.lost.is_cancelled() && !fourth.lost.is_cancelled());
        drop((first, third, fourth));
        assert!(lock(&pending.waiting).by_age.is_empty());
    }
}
