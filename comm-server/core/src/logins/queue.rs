//! A queue that serves networks in turn, with a limited number of entries for each.

use std::collections::VecDeque;

use wire::network::Network;

/// Why a request can't be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The network has the maximum number of entries.
    Network,
    /// The queue has the maximum number of networks.
    Everybody,
}

/// A queue that is fair by network.
#[derive(Debug)]
pub struct FairQueue<T> {
    per_network: usize,
    networks: usize,
    waiting: VecDeque<(Network, VecDeque<T>)>,
}

impl<T> FairQueue<T> {
    /// A queue with a limit per network and a limit of networks.
    #[must_use]
    pub const fn new(per_network: usize, networks: usize) -> Self {
        Self { per_network, networks, waiting: VecDeque::new() }
    }

    /// Appends a request; an IPv6 /48 counts as one network.
    ///
    /// # Errors
    /// The queue is full.
    pub fn push(&mut self, network: Network, item: T) -> Result<(), Full> {
        let network = network.site().unwrap_or(network);
        let networks = self.waiting.len();
        match self.waiting.iter_mut().find(|(waits, _)| *waits == network) {
            Some((_, items)) if items.len() >= self.per_network => Err(Full::Network),
            Some((_, items)) => {
                items.push_back(item);
                Ok(())
            }
            None if networks >= self.networks => Err(Full::Everybody),
            None => {
                self.waiting.push_back((network, VecDeque::from([item])));
                Ok(())
            }
        }
    }

    /// Removes the next entry: the oldest one of the network whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let (network, mut items) = self.waiting.pop_front()?;
        let item = items.pop_front();
        if !items.is_empty() {
            self.waiting.push_back((network, items));
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(host: u8) -> Network {
        Network::of([192, 0, 2, host].into())
    }

    #[test]
    fn networks_take_turns_and_none_fills_the_queue() {
        let mut queue = FairQueue::new(3, 2);
        for number in 0..3 {
            assert_eq!(queue.push(network(1), (1, number)), Ok(()));
        }
        assert_eq!(queue.push(network(1), (1, 3)), Err(Full::Network));
        assert_eq!(queue.push(network(2), (2, 0)), Ok(()));
        assert_eq!(queue.push(network(3), (3, 0)), Err(Full::Everybody));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [(1, 0), (2, 0), (1, 1), (1, 2)]);
    }

    #[test]
    fn a_site_of_ipv6_is_one_network() {
        let mut queue = FairQueue::new(1, 9);
        let of = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(queue.push(of("2001:db8:1:2::1"), ()), Ok(()));
        assert_eq!(queue.push(of("2001:db8:1:3::1"), ()), Err(Full::Network));
        assert_eq!(queue.push(of("2001:db8:2:2::1"), ()), Ok(()));
    }

    proptest! {
        /// A login that waits alone in its network is next after at most one login of each other network.
        #[test]
        fn a_newcomer_waits_for_one_of_each_other_network(
            before in prop::collection::vec(0_u8..20, 0..200)
        ) {
            let mut queue = FairQueue::new(16, 32);
            for host in before {
                let fits = queue.push(network(host), false);
                prop_assert!(matches!(fits, Ok(()) | Err(Full::Network)));
            }
            let networks = queue.waiting.len();
            prop_assert_eq!(queue.push(network(200), true), Ok(()));
            let waited = std::iter::from_fn(|| queue.pop()).take_while(|own| !own).count();
            prop_assert_eq!(waited, networks);
        }
    }
}
