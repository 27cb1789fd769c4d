//! Limits the connections of a listener. Peers with a certificate and peers without one (every handshake among them)
//! have separate limits, so that peers with a certificate are never evicted by those without; each network and each
//! certificate has a limit too.
//!
//! At a limit, the oldest connection without an open request is evicted, or else the oldest one whose request waits
//! for its peer. A connection for which the server is working is never evicted: the new connection is rejected
//! instead.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pki::spiffe::SpiffeId;
use tokio_util::sync::CancellationToken;
use wire::network::Network;

use super::activity::{Activity, Standing};

/// Maximum number of connections per certificate.
const PER_CERTIFICATE: usize = 16;

/// The limits of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capacity {
    /// Connections of peers without a certificate, handshakes included.
    pub(super) anonymous: usize,
    /// Connections of peers with a certificate.
    pub(super) certified: usize,
    /// Anonymous connections of one IPv4 address or IPv6 /64.
    pub(super) per_network: usize,
    /// Anonymous connections of one IPv6 /48.
    pub(super) per_site: usize,
}

impl Capacity {
    /// One network gets at most half of the anonymous connections, a /48 at most three quarters.
    pub(super) fn new(anonymous: usize, certified: usize) -> Self {
        let anonymous = anonymous.max(1);
        Self {
            anonymous,
            certified,
            per_network: anonymous.div_ceil(2),
            per_site: (anonymous * 3).div_ceil(4),
        }
    }

    /// Removes the limits for networks.
    pub(super) fn for_any_network(self) -> Self {
        Self { per_network: self.anonymous, per_site: self.anonymous, ..self }
    }
}

/// The holder of a permit.
#[derive(Debug, Clone)]
enum Owner {
    Anonymous(Network),
    Certified(SpiffeId),
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    activity: Activity,
    evicted: CancellationToken,
}

/// Connections by age: a lower number is older.
#[derive(Debug, Default)]
struct Taken {
    next: u64,
    entries: HashMap<u64, Entry>,
    anonymous: BTreeSet<u64>,
    certified: BTreeSet<u64>,
    by_network: HashMap<Network, BTreeSet<u64>>,
    by_certificate: HashMap<SpiffeId, BTreeSet<u64>>,
}

fn forget<K: Eq + Hash>(index: &mut HashMap<K, BTreeSet<u64>>, key: &K, number: u64) {
    if let Some(numbers) = index.get_mut(key) {
        numbers.remove(&number);
        if numbers.is_empty() {
            index.remove(key);
        }
    }
}

impl Taken {
    fn insert(&mut self, number: u64, entry: Entry) {
        match &entry.owner {
            Owner::Anonymous(network) => {
                self.anonymous.insert(number);
                for network in [Some(*network), network.site()].into_iter().flatten() {
                    self.by_network.entry(network).or_default().insert(number);
                }
            }
            Owner::Certified(id) => {
                self.certified.insert(number);
                self.by_certificate.entry(id.clone()).or_default().insert(number);
            }
        }
        self.entries.insert(number, entry);
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        match &entry.owner {
            Owner::Anonymous(network) => {
                self.anonymous.remove(&number);
                for network in [Some(*network), network.site()].into_iter().flatten() {
                    forget(&mut self.by_network, &network, number);
                }
            }
            Owner::Certified(id) => {
                self.certified.remove(&number);
                forget(&mut self.by_certificate, id, number);
            }
        }
        Some(entry)
    }

    /// The connection among these to evict, if any may be.
    fn expendable(&self, numbers: &BTreeSet<u64>) -> Option<u64> {
        let mut waiting = None;
        for number in numbers {
            match self.entries.get(number).map(|entry| entry.activity.standing()) {
                Some(Standing::Idle) => return Some(*number),
                Some(Standing::Waiting) => waiting = waiting.or(Some(*number)),
                Some(Standing::Working) | None => {}
            }
        }
        waiting
    }

    fn evict(&mut self, number: u64) {
        if let Some(entry) = self.remove(number) {
            entry.evicted.cancel();
        }
    }

    /// Evicts one of these if there are already `limit`; returns `false` if none may be evicted.
    fn make_room(&mut self, limit: usize, among: impl Fn(&Self) -> Option<&BTreeSet<u64>>) -> bool {
        let full = among(self).filter(|numbers| numbers.len() >= limit);
        let Some(expendable) = full.map(|numbers| self.expendable(numbers)) else { return limit > 0 };
        expendable.map(|number| self.evict(number)).is_some()
    }
}

/// Issues the permits of a listener; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct ConnectionLimiter {
    capacity: Capacity,
    taken: Arc<Mutex<Taken>>,
}

/// The right of one connection to exist; dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Permit {
    /// Cancelled when the connection is evicted.
    pub(super) evicted: CancellationToken,
    number: u64,
    limiter: ConnectionLimiter,
}

impl ConnectionLimiter {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self { capacity, taken: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a connection whose peer is not identified yet.
    pub(super) fn enter(&self, address: IpAddr, activity: Activity) -> Option<Permit> {
        let network = Network::of(address);
        let Capacity { anonymous, per_network, per_site, .. } = self.capacity;
        let mut taken = self.lock();
        let has_room = taken.make_room(per_network, |taken| taken.by_network.get(&network))
            && network
                .site()
                .is_none_or(|site| taken.make_room(per_site, |taken| taken.by_network.get(&site)))
            && taken.make_room(anonymous, |taken| Some(&taken.anonymous));
        if !has_room {
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        let evicted = CancellationToken::new();
        let entry = Entry { owner: Owner::Anonymous(network), activity, evicted: evicted.clone() };
        taken.insert(number, entry);
        drop(taken);
        Some(Permit { evicted, number, limiter: self.clone() })
    }
}

impl Permit {
    /// Moves the connection to the limits of this certificate; returns `false` if those are exhausted.
    pub(super) fn certify(&self, id: &SpiffeId) -> bool {
        let mut taken = self.limiter.lock();
        // It may have been evicted meanwhile.
        let Some(entry) = taken.remove(self.number) else { return false };
        let of_it = taken.by_certificate.get(id).filter(|numbers| numbers.len() >= PER_CERTIFICATE);
        // At a certificate's own limit its oldest connection is evicted even while the server works for it.
        let oldest = of_it.and_then(|numbers| taken.expendable(numbers).or(numbers.first().copied()));
        if let Some(oldest) = oldest {
            taken.evict(oldest);
        }
        if !taken.make_room(self.limiter.capacity.certified, |taken| Some(&taken.certified)) {
            return false;
        }
        taken.insert(self.number, Entry { owner: Owner::Certified(id.clone()), ..entry });
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::activity::Turn;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn gateway(name: &str) -> SpiffeId {
        format!("spiffe://test.example/gateway/{name}").parse().unwrap()
    }

    #[tokio::test]
    async fn the_oldest_idle_one_makes_room_before_one_that_waits_and_never_one_that_works() {
        let limiter = ConnectionLimiter::new(Capacity::new(3, 0).for_any_network());
        let activities = [(); 3].map(|()| Activity::new(false));
        let [first, second, third] =
            [0, 1, 2].map(|n: usize| limiter.enter(ip("192.0.2.1"), activities[n].clone()).unwrap());
        let (open, waiting) = (activities[0].request(), activities[1].request());
        let waits = activities[1].wait(Turn::Send);
        let fourth = limiter.enter(ip("192.0.2.2"), activities[0].clone()).unwrap();
        assert!(third.evicted.is_cancelled() && !first.evicted.is_cancelled());
        assert!(!second.evicted.is_cancelled());
        let fifth = limiter.enter(ip("192.0.2.2"), activities[0].clone()).unwrap();
        assert!(second.evicted.is_cancelled());
        assert!(limiter.enter(ip("192.0.2.3"), Activity::new(false)).is_none(), "all of them work");
        drop((open, waiting, waits, first, second, third, fourth, fifth));
        let taken = limiter.lock();
        assert!(taken.entries.is_empty() && taken.by_network.is_empty() && taken.anonymous.is_empty());
    }

    #[tokio::test]
    async fn a_network_crowds_out_only_itself() {
        let limiter = ConnectionLimiter::new(Capacity::new(8, 0));
        let enter = |address: &str| limiter.enter(ip(address), Activity::new(true)).unwrap();
        let other = enter("192.0.2.9");
        let of_one: Vec<_> = (0..5).map(|host| enter(&format!("2001:db8:1:2::{host}"))).collect();
        assert!(of_one[0].evicted.is_cancelled() && !of_one[1].evicted.is_cancelled());
        let of_site: Vec<_> = (3..6).map(|net| enter(&format!("2001:db8:1:{net}::1"))).collect();
        assert!(of_one[1].evicted.is_cancelled(), "the /48 has six");
        assert!(!of_site.iter().any(|permit| permit.evicted.is_cancelled()));
        assert!(!other.evicted.is_cancelled());
    }

    #[tokio::test]
    async fn peers_with_a_certificate_are_not_displaced_by_peers_without_one() {
        let limiter = ConnectionLimiter::new(Capacity::new(2, 2).for_any_network());
        let certified = |name: &str| {
            let permit = limiter.enter(ip("192.0.2.1"), Activity::new(true)).unwrap();
            permit.certify(&gateway(name)).then_some(permit)
        };
        let (first, second) = (certified("a").unwrap(), certified("b").unwrap());
        let silent: Vec<_> =
            (0..5).map(|_| limiter.enter(ip("192.0.2.1"), Activity::new(true)).unwrap()).collect();
        assert!(!first.evicted.is_cancelled() && !second.evicted.is_cancelled());
        assert_eq!(silent.iter().filter(|permit| !permit.evicted.is_cancelled()).count(), 2);
        // Only another certified connection evicts an idle certified one.
        let third = certified("c").unwrap();
        assert!(first.evicted.is_cancelled() && !second.evicted.is_cancelled());
        assert!(!third.evicted.is_cancelled());
        assert!(!silent[0].certify(&gateway("d")), "it was evicted before");
    }

    #[tokio::test]
    async fn one_certificate_has_so_many_connections_even_when_all_are_at_work() {
        let limiter = ConnectionLimiter::new(Capacity::new(1, 100));
        let mut held = Vec::new();
        for _ in 0..=PER_CERTIFICATE {
            let activity = Activity::new(true);
            let permit = limiter.enter(ip("192.0.2.1"), activity.clone()).unwrap();
            assert!(permit.certify(&gateway("greedy")));
            held.push((permit, activity.request()));
        }
        assert!(held[0].0.evicted.is_cancelled() && !held[1].0.evicted.is_cancelled());
    }

    proptest! {
        #[test]
        fn limits_hold_whatever_comes(steps in prop::collection::vec((0_u8..4, 0_u8..6, any::<bool>()), 1..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _inside = runtime.enter();
            let capacity = Capacity::new(6, 4);
            let limiter = ConnectionLimiter::new(capacity);
            let mut held: Vec<(Permit, Activity)> = Vec::new();
            let mut open = Vec::new();
            for (step, number, works) in steps {
                match step {
                    0 | 1 => {
                        let address = ip(&format!("2001:db8:0:{number}::1"));
                        let activity = Activity::new(true);
                        if let Some(permit) = limiter.enter(address, activity.clone()) {
                            if works {
                                open.push(activity.request());
                            }
                            held.push((permit, activity));
                        }
                    }
                    2 => if let Some((permit, _)) = held.get(usize::from(number)) {
                        permit.certify(&gateway(&format!("g{number}")));
                    },
                    _ => if !held.is_empty() {
                        held.remove(usize::from(number) % held.len());
                    },
                }
                let taken = limiter.lock();
                prop_assert!(taken.anonymous.len() <= capacity.anonymous);
                prop_assert!(taken.certified.len() <= capacity.certified);
                for (network, numbers) in &taken.by_network {
                    let most = match network {
                        Network::V6Site(_) => capacity.per_site,
                        Network::V4(_) | Network::V6(_) => capacity.per_network,
                    };
                    prop_assert!(numbers.len() <= most);
                }
                let inside = held.iter().filter(|(permit, _)| taken.entries.contains_key(&permit.number)).count();
                prop_assert_eq!(inside, taken.entries.len());
            }
        }
    }
}
