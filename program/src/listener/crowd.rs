//! So many at a time of one kind: handshakes under way, connections of one peer. When one more comes, the oldest is ended:
//! an honest client is done long before it is the oldest, so that slow ones only crowd out each other.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct Inside<K> {
    next: u64,
    by_age: HashMap<K, BTreeMap<u64, CancellationToken>>,
}

/// Who is inside, by kind.
#[derive(Debug)]
pub(super) struct Crowd<K> {
    most: usize,
    inside: Arc<Mutex<Inside<K>>>,
}

/// A place among them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<K: Eq + Hash> {
    /// Cancelled when a newer one takes the place.
    pub(super) lost: CancellationToken,
    kind: K,
    number: u64,
    inside: Arc<Mutex<Inside<K>>>,
}

fn lock<K>(inside: &Mutex<Inside<K>>) -> MutexGuard<'_, Inside<K>> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Eq + Hash + Clone> Crowd<K> {
    /// At most so many of each kind.
    pub(super) fn new(most: usize) -> Self {
        Self { most, inside: Arc::new(Mutex::new(Inside { next: 0, by_age: HashMap::new() })) }
    }

    /// A place for one more.
    pub(super) fn enter(&self, kind: K) -> Place<K> {
        let lost = CancellationToken::new();
        let mut inside = lock(&self.inside);
        let number = inside.next;
        inside.next += 1;
        let by_age = inside.by_age.entry(kind.clone()).or_default();
        if by_age.len() >= self.most
            && let Some((_, oldest)) = by_age.pop_first()
        {
            oldest.cancel();
        }
        by_age.insert(number, lost.clone());
        drop(inside);
        Place { lost, kind, number, inside: Arc::clone(&self.inside) }
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut inside = lock(&self.inside);
        if let Some(by_age) = inside.by_age.get_mut(&self.kind) {
            by_age.remove(&self.number);
            if by_age.is_empty() {
                inside.by_age.remove(&self.kind);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_its_kind_makes_room_and_those_that_ended_take_none() {
        let crowd = Crowd::new(2);
        let other = crowd.enter("other");
        let first = crowd.enter("a");
        let second = crowd.enter("a");
        let third = crowd.enter("a");
        assert!(first.lost.is_cancelled() && !second.lost.is_cancelled() && !third.lost.is_cancelled());
        drop(second);
        let fourth = crowd.enter("a");
        assert!(!third.lost.is_cancelled() && !fourth.lost.is_cancelled() && !other.lost.is_cancelled());
        drop((first, third, fourth, other));
        assert!(lock(&crowd.inside).by_age.is_empty());
    }
}
