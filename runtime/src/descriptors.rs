//! File descriptors: the limit is raised at start and divided, so that no listener uses up the descriptors of another
//! one, of the database or of `/healthz`.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::listener;

/// Minimum number of connections of a listener.
const FEWEST: usize = 32;

/// Descriptors of the program itself: standard streams, pollers of the runtime, signals, log, and files that are open
/// for a moment.
const PROGRAM: usize = 64;

/// There are too few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the limit of open files is {limit}, and at least {needed} are needed: raise it \
     (LimitNOFILE= of the systemd unit, or ulimit -n)"
)]
pub struct TooFew {
    /// The limit, `RLIMIT_NOFILE`.
    pub limit: usize,
    /// The minimum that is needed.
    pub needed: usize,
}

/// Raises the soft limit to the hard one; returns the limit in force.
#[must_use]
pub fn raise() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let soft = limit.current;
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(error = %error, "the limit of open files can't be raised");
            limit.current = soft;
        }
    }
    // `None`: no limit.
    limit.current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Connections for each listener, by weight, of `limit` descriptors, of which `reserved` are for the database and files.
///
/// # Errors
/// There are too few.
pub fn share<const N: usize>(
    limit: usize,
    reserved: usize,
    weights: [usize; N],
) -> Result<[usize; N], TooFew> {
    let own = PROGRAM
        + reserved
        + listener::descriptors(listener::LOCAL_CONNECTIONS)
        + N * listener::descriptors(0);
    let all = weights.iter().sum::<usize>().max(1);
    // The smallest share is to be large enough.
    let smallest = weights.iter().copied().filter(|weight| *weight > 0).min().unwrap_or(1);
    let needed = own + (FEWEST * all).div_ceil(smallest);
    if limit < needed {
        return Err(TooFew { limit, needed });
    }
    Ok(weights.map(|weight| ((limit - own) / all).saturating_mul(weight)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn too_few_are_refused_in_words() {
        let refused = share(256, 100, [4, 2, 1]).unwrap_err();
        assert_eq!((refused.limit, refused.needed), (256, 488));
        assert!(refused.to_string().contains("LimitNOFILE="), "{refused}");
        assert_eq!(share(488, 100, [4, 2, 1]), Ok([128, 64, 32]));
        assert_eq!(share(1024, 100, [4, 2, 0]), Ok([504, 252, 0]));
    }

    proptest! {
        #[test]
        fn shares_never_exceed_what_there_is(limit in 0_usize..100_000, reserved in 0_usize..1000) {
            if let Ok(shares) = share(limit, reserved, [4, 2, 1]) {
                let used: usize = shares.iter().map(|connections| listener::descriptors(*connections)).sum();
                prop_assert!(used + reserved + listener::descriptors(listener::LOCAL_CONNECTIONS) <= limit);
                prop_assert!(shares.iter().all(|share| *share >= FEWEST));
            }
        }
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let limit = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, now.maximum);
        assert_eq!(now.current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap()), limit);
    }
}
