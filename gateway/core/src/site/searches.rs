//! The order of searches: one at a time. A scheduled search runs within its windows and continues where the last one
//! was interrupted; an ordered one runs at once.

use std::time::Duration;

/// A search to perform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchRequest {
    /// Addresses to skip: those that the last, interrupted search has covered.
    pub skip: usize,
    /// When it must stop; `None` if it may run to its end.
    pub until: Option<jiff::Timestamp>,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchEnd {
    /// Devices found.
    pub found: usize,
    /// Addresses that were covered before the window closed; `None` if all were.
    pub cut_after: Option<usize>,
}

/// The searches of a site.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Searches {
    running: bool,
    /// A search was ordered while another one was running, which may have passed the address in question.
    again: bool,
    /// Whether a scheduled search waits for its window.
    due: bool,
    /// Addresses that the last, interrupted search has covered.
    covered: usize,
}

impl Searches {
    /// A scheduled search is due: it begins when a window is open.
    pub(crate) const fn schedule(&mut self) {
        self.due = true;
    }

    /// Orders a search: it begins at once, or after the one that is running.
    pub fn order(&mut self) -> Option<SearchRequest> {
        self.begin(None)
    }

    /// Whether a search waits for an open window.
    #[must_use]
    pub(crate) const fn waits(&self) -> bool {
        self.due && !self.running
    }

    /// A window is open until a time, or without an end: begins the search that is due.
    pub(crate) fn begin_due(&mut self, until: Option<jiff::Timestamp>) -> Option<SearchRequest> {
        if !self.waits() {
            return None;
        }
        self.due = false;
        self.begin(until)
    }

    /// The search ended. Returns the next one, if it was ordered meanwhile.
    pub(crate) fn on_end(&mut self, end: &SearchEnd) -> Option<SearchRequest> {
        self.running = false;
        if let Some(covered) = end.cut_after {
            (self.covered, self.due) = (covered, true);
        }
        if !std::mem::take(&mut self.again) {
            return None;
        }
        self.covered = 0;
        self.begin(None)
    }

    fn begin(&mut self, until: Option<jiff::Timestamp>) -> Option<SearchRequest> {
        if self.running {
            self.again = true;
            return None;
        }
        self.running = true;
        Some(SearchRequest { skip: std::mem::take(&mut self.covered), until })
    }
}

/// Whether a search is due at the start: none was made, or the last one is too old or in the future.
pub(super) fn is_due_at_start(ago: Option<jiff::SignedDuration>, every: Duration) -> bool {
    ago.is_none_or(|ago| {
        Duration::try_from(ago).is_ok_and(|ago| ago.as_secs() >= every.as_secs()) || ago.is_negative()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{SignedDuration, Timestamp};

    const CLOSES: Option<Timestamp> = Some(Timestamp::UNIX_EPOCH);

    const fn request(skip: usize, until: Option<Timestamp>) -> Option<SearchRequest> {
        Some(SearchRequest { skip, until })
    }

    /// What happens to the searches.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Schedule,
        Order,
        Opens(Option<Timestamp>),
        Ends,
        Cut(usize),
    }

    fn step(searches: &mut Searches, step: Step) -> Option<SearchRequest> {
        match step {
            Schedule => {
                searches.schedule();
                None
            }
            Order => searches.order(),
            Opens(until) => searches.begin_due(until),
            Ends => searches.on_end(&SearchEnd { found: 0, cut_after: None }),
            Cut(covered) => searches.on_end(&SearchEnd { found: 0, cut_after: Some(covered) }),
        }
    }

    use Step::{Cut, Ends, Opens, Order, Schedule};

    /// A name, and steps with the search that begins at each.
    type Case = (&'static str, &'static [(Step, Option<SearchRequest>)]);

    const ORDER: [Case; 7] = [
        (
            "a scheduled search waits for its window",
            &[
                (Opens(CLOSES), None),
                (Schedule, None),
                (Opens(CLOSES), request(0, CLOSES)),
                (Opens(CLOSES), None),
                (Ends, None),
                (Opens(CLOSES), None),
            ],
        ),
        (
            "a search that its window cut goes on where it was cut",
            &[
                (Schedule, None),
                (Opens(CLOSES), request(0, CLOSES)),
                (Cut(7), None),
                (Opens(None), request(7, None)),
                (Ends, None),
                (Opens(None), None),
            ],
        ),
        ("an ordered search needs no window", &[(Order, request(0, None)), (Ends, None)]),
        (
            "one that is ordered meanwhile follows, once",
            &[
                (Order, request(0, None)),
                (Order, None),
                (Order, None),
                (Ends, request(0, None)),
                (Ends, None),
            ],
        ),
        (
            "a scheduled search waits for the ordered one",
            &[
                (Order, request(0, None)),
                (Schedule, None),
                (Opens(CLOSES), None),
                (Ends, None),
                (Opens(CLOSES), request(0, CLOSES)),
            ],
        ),
        (
            "the ordered one goes before the rest of the cut one, and covers everything",
            &[
                (Schedule, None),
                (Opens(CLOSES), request(0, CLOSES)),
                (Order, None),
                (Cut(7), request(0, None)),
                (Opens(CLOSES), None),
                (Ends, None),
                (Opens(CLOSES), request(0, CLOSES)),
            ],
        ),
        (
            "an order between two windows goes on where the last search was cut",
            &[
                (Schedule, None),
                (Opens(CLOSES), request(0, CLOSES)),
                (Cut(7), None),
                (Order, request(7, None)),
            ],
        ),
    ];

    #[test]
    fn searches_begin_in_their_order() {
        for (name, steps) in ORDER {
            let mut searches = Searches::default();
            for (number, (what, expected)) in steps.iter().enumerate() {
                assert_eq!(step(&mut searches, *what), *expected, "{name}: step {number}, {what:?}");
            }
        }
    }

    #[test]
    fn a_search_is_due_at_the_start_when_the_last_one_is_old_or_from_the_future() {
        let every = Duration::from_secs(3600);
        for (ago, due) in
            [(None, true), (Some(3599), false), (Some(3600), true), (Some(-1), true), (Some(0), false)]
        {
            assert_eq!(is_due_at_start(ago.map(SignedDuration::from_secs), every), due, "{ago:?}");
        }
    }
}
