//! Whether an offered revocation list replaces the one in force: by its number (RFC 5280 §5.2.3) and by its dates. A
//! list by which every peer would be rejected never replaces one by which peers are accepted. Pure.

use super::list::List;
use crate::tolerance::Tolerance;

/// State of a list by its dates, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    /// `thisUpdate` is still to come.
    Future,
    /// `nextUpdate` has passed, and so has the grace period.
    TooOld,
    /// `nextUpdate` has passed; the grace period has not.
    Grace,
    /// Between `thisUpdate` and `nextUpdate`.
    Fresh,
}

impl Age {
    /// Whether peers are accepted under such a list.
    pub(super) const fn is_usable(self) -> bool {
        match self {
            Self::Fresh | Self::Grace => true,
            Self::TooOld | Self::Future => false,
        }
    }
}

/// The age of a list with this validity (`thisUpdate`, `nextUpdate`); all in Unix seconds.
pub(super) const fn age((this_update, next_update): (i64, i64), now: i64, tolerance: Tolerance) -> Age {
    let ends = next_update.saturating_add(tolerance.skew());
    if now < this_update.saturating_sub(tolerance.skew()) {
        Age::Future
    } else if now > ends.saturating_add(tolerance.grace()) {
        Age::TooOld
    } else if now > ends {
        Age::Grace
    } else {
        Age::Fresh
    }
}

/// Why an offered list is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its number is lower than that of the list in force.
    Older,
    /// It has the number of the list in force and other content.
    SameNumber,
    /// Its `thisUpdate` is in the future.
    Future,
    /// Its `nextUpdate` has passed, and the list in force is in a better state.
    Overdue,
}

/// Judges an offered list against the newest in force of the same issuer.
pub(super) fn fault(
    in_force: Option<&List>,
    offered: &List,
    now: i64,
    tolerance: Tolerance,
) -> Option<Fault> {
    let offered_age = age(offered.validity, now, tolerance);
    let Some(old) = in_force else { return (offered_age == Age::Future).then_some(Fault::Future) };
    if offered.number < old.number {
        return Some(Fault::Older);
    }
    if offered.number == old.number {
        return (offered.sha256 != old.sha256).then_some(Fault::SameNumber);
    }
    match offered_age {
        Age::Future => Some(Fault::Future),
        worse if worse < age(old.validity, now, tolerance) => Some(Fault::Overdue),
        Age::TooOld | Age::Grace | Age::Fresh => None,
    }
}

/// The result of judging an offered bundle.
#[derive(Debug)]
pub(super) struct Succession {
    /// The lists from now on.
    pub(super) lists: Vec<List>,
    /// Offered lists that were rejected. If no other one of the same issuer was accepted, the list in force stays.
    pub(super) rejected: Vec<(List, Fault)>,
    /// Lists in force whose issuer has no list in the bundle; they stay.
    pub(super) gone: Vec<List>,
}

/// Decides list by list, so that a bad list of one authority does not delay a revocation by another.
pub(super) fn succeed(in_force: &[List], offered: Vec<List>, now: i64, tolerance: Tolerance) -> Succession {
    let (mut lists, mut rejected, mut gone) = (Vec::<List>::new(), Vec::<(List, Fault)>::new(), Vec::new());
    for new in offered {
        let old = in_force.iter().filter(|old| old.same_issuer(&new)).max_by(|a, b| a.number.cmp(&b.number));
        match fault(old, &new, now, tolerance) {
            None => lists.push(new),
            Some(fault) => rejected.push((new, fault)),
        }
    }
    let mut kept = Vec::new();
    for old in in_force {
        if lists.iter().any(|list| list.same_issuer(old)) {
            continue;
        }
        if !rejected.iter().any(|(list, _)| list.same_issuer(old)) {
            if old.signer_not_after < now {
                continue;
            }
            gone.push(old.clone());
        }
        kept.push(old.clone());
    }
    lists.extend(kept);
    Succession { lists, rejected, gone }
}
