//! The position of a lane, and the meaning of the server's acknowledgements for it.
//!
//! A store that is opened may be older than the one that was closed: the end of its log was torn, or an old copy was
//! restored. The server may then already have other reports under the next numbers. So after each opening the lane is
//! *unconfirmed*: the stored reports are sent again under their old numbers, and the server ignores those that it
//! has. New reports get no number until the server has confirmed the lane's position.

use serde::{Deserialize, Serialize};

/// The position of a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    /// The difference between sequence number and position. Unknown before the first poll of a spool's epoch;
    /// negative if the server restarted its numbers behind this spool.
    pub base: Option<i64>,
    /// Position of the last report made; 0 for none.
    pub made: u64,
    /// Position up to which the server has stored everything.
    pub acknowledged: u64,
    /// What is unknown since the store was opened, until the server has confirmed the lane; stored as `doubt`.
    #[serde(default, rename = "doubt", skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Unconfirmed>,
}

/// What is unknown about a lane since its store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// Position of the last report in the store. Numbers of later positions may have been used.
    pub known: u64,
    /// Position of the last report that was ever numbered, according to the high-water mark. It is above `known` if
    /// the store is older than the mark.
    pub numbered: u64,
    /// Number of reports that were made while the lane was unconfirmed before, and were lost with the store before
    /// they had a number.
    #[serde(default)]
    pub gone: u64,
}

impl Unconfirmed {
    /// Whether the store is older than its high-water mark.
    #[must_use]
    pub const fn went_back(&self) -> bool {
        self.numbered > self.known || self.gone > 0
    }
}

/// The meaning of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Nothing new.
    Nothing,
    /// Nothing new, but the lane is confirmed.
    Confirmed,
    /// Reports up to this position can be removed.
    Free {
        /// The position.
        up_to: u64,
    },
    /// The server has more than the opened store contained, and has compared the reports up to this position: they
    /// can be removed.
    Compared {
        /// The position.
        up_to: u64,
    },
    /// The base is now known: numbers continue after the server's last one.
    Begin {
        /// The base.
        base: i64,
    },
    /// The server has more reports than were ever made here: this spool is an old copy. Reports that the server
    /// doesn't have get new numbers.
    ServerAhead {
        /// The base in a new epoch of the spool.
        base: i64,
        /// Position up to which the server has everything.
        up_to: u64,
    },
    /// The server has lost reports that it had acknowledged: numbers continue after its last one.
    ServerBehind {
        /// The base in a new epoch of the spool.
        base: i64,
        /// Number of reports that the server has lost.
        lost: u64,
    },
}

impl Acknowledgement {
    /// Whether this begins a new epoch of the spool.
    #[must_use]
    pub const fn is_new_epoch(self) -> bool {
        matches!(self, Self::ServerAhead { .. } | Self::ServerBehind { .. })
    }
}

impl LaneState {
    /// Returns the next position.
    pub fn make(&mut self) -> u64 {
        self.made = self.made.saturating_add(1);
        self.made
    }

    /// Sequence number of a position; `None` before the base is known.
    #[must_use]
    pub fn number(&self, place: u64) -> Option<u64> {
        u64::try_from(self.base?.checked_add(signed(place))?).ok()
    }

    /// Sequence number of the last report made; 0 before the base is known.
    #[must_use]
    pub fn made_number(&self) -> u64 {
        self.number(self.made).unwrap_or(0)
    }

    /// Sequence number of the last acknowledged report; 0 before the base is known.
    #[must_use]
    pub fn acknowledged_number(&self) -> u64 {
        self.number(self.acknowledged).unwrap_or(0)
    }

    /// Number of reports that are not acknowledged.
    #[must_use]
    pub const fn waiting(&self) -> u64 {
        self.made.saturating_sub(self.acknowledged)
    }

    /// Position of the last report that has a number.
    #[must_use]
    pub fn numbered(&self) -> u64 {
        match (self.base, self.unconfirmed) {
            (None, _) => self.acknowledged,
            (Some(_), None) => self.made,
            (Some(_), Some(unconfirmed)) => unconfirmed.known.clamp(self.acknowledged, self.made),
        }
    }

    /// Whether the waiting reports can get their numbers only after the next poll.
    #[must_use]
    pub(crate) fn needs_server_confirmation(&self) -> bool {
        self.waiting() > 0 && self.numbered() == self.acknowledged
    }

    /// The lane after its store was opened.
    #[must_use]
    pub fn opened(mut self) -> Self {
        if self.base.is_some() && self.unconfirmed.is_none() {
            self.unconfirmed = Some(Unconfirmed { known: self.made, numbered: self.made, gone: 0 });
        }
        self
    }

    /// Combines the lane of a store with the lane of its newer high-water mark. Positions that `mark` shows as
    /// acknowledged are not sent again.
    #[must_use]
    pub fn continued(self, mark: &Self) -> Self {
        let (known, numbered, gone) =
            mark.unconfirmed.map_or((mark.made, mark.made, 0), |d| (d.known, d.numbered, d.gone));
        // Of what was made while the mark was unconfirmed, the store may still have a part.
        let unnumbered = mark.made.saturating_sub(known).saturating_sub(self.made.saturating_sub(known));
        let unconfirmed = Unconfirmed {
            known: known.min(self.made),
            numbered: numbered.max(self.made.min(known)),
            gone: gone.saturating_add(unnumbered),
        };
        Self {
            base: mark.base.or(self.base),
            made: self.made,
            acknowledged: self.acknowledged.max(mark.acknowledged.min(self.made)),
            unconfirmed: Some(unconfirmed),
        }
    }

    /// Evaluates the last number that the server has stored, from its response to a poll or its rejection of a batch
    /// with a gap. [`LaneState::apply`] applies the result.
    #[must_use]
    pub fn judge(&self, server: u64) -> Acknowledgement {
        self.judge_compared(server, 0)
    }

    /// The same for the response to a batch whose last report had the number `last`: the server has compared the
    /// reports of the batch with its own.
    #[must_use]
    pub fn judge_batch(&self, server: u64, last: u64) -> Acknowledgement {
        self.judge_compared(server, self.place(last).unwrap_or(0))
    }

    fn place(&self, number: u64) -> Option<u64> {
        u64::try_from(signed(number).checked_sub(self.base?)?).ok()
    }

    fn judge_compared(&self, server: u64, compared: u64) -> Acknowledgement {
        // What follows this place gets the number that the server expects next.
        let base_after = |place: u64| signed(server).saturating_sub(signed(place));
        let Some(base) = self.base else {
            return Acknowledgement::Begin { base: base_after(self.acknowledged) };
        };
        let (own, numbered) = (self.acknowledged, self.numbered());
        let here = signed(server).saturating_sub(base);
        if here < signed(own) {
            let lost = u64::try_from(signed(own).saturating_sub(here)).unwrap_or(0);
            return Acknowledgement::ServerBehind { base: base_after(own), lost };
        }
        let here = u64::try_from(here).unwrap_or(own);
        if here > numbered {
            let compared = compared.clamp(own, numbered);
            return match self.unconfirmed {
                None => Acknowledgement::ServerAhead { base: base_after(own), up_to: own },
                Some(_) if compared == numbered => {
                    Acknowledgement::ServerAhead { base: base_after(numbered), up_to: numbered }
                }
                Some(_) if compared > own => Acknowledgement::Compared { up_to: compared },
                Some(_) => Acknowledgement::Nothing,
            };
        }
        match (here == own, self.unconfirmed) {
            (true, None) => Acknowledgement::Nothing,
            (true, Some(_)) => Acknowledgement::Confirmed,
            (false, _) => Acknowledgement::Free { up_to: here },
        }
    }

    /// Number of reports that were lost with the store and that the server doesn't have either, for a server number
    /// that [`LaneState::judge`] evaluated.
    #[must_use]
    pub fn gone(&self, server: u64, judged: Acknowledgement) -> u64 {
        let Some(unconfirmed) = self.unconfirmed else { return 0 };
        let has = match judged {
            Acknowledgement::Nothing | Acknowledgement::Compared { .. } => return 0,
            Acknowledgement::ServerAhead { .. } => self.place(server).unwrap_or(0).max(unconfirmed.known),
            Acknowledgement::Confirmed
            | Acknowledgement::Free { .. }
            | Acknowledgement::Begin { .. }
            | Acknowledgement::ServerBehind { .. } => unconfirmed.known,
        };
        unconfirmed.numbered.saturating_sub(has).saturating_add(unconfirmed.gone)
    }

    /// Applies the result of [`LaneState::judge`]. Positions never change.
    pub fn apply(&mut self, acknowledgement: Acknowledgement) {
        let freed = |state: &Self, up_to: u64| state.acknowledged.max(up_to.min(state.made));
        match acknowledgement {
            Acknowledgement::Nothing => {}
            Acknowledgement::Confirmed => self.unconfirmed = None,
            Acknowledgement::Compared { up_to } => self.acknowledged = freed(self, up_to),
            Acknowledgement::Free { up_to } => {
                self.acknowledged = freed(self, up_to);
                self.unconfirmed = None;
            }
            Acknowledgement::Begin { base } | Acknowledgement::ServerBehind { base, .. } => {
                self.base = Some(base);
                self.unconfirmed = None;
            }
            Acknowledgement::ServerAhead { base, up_to } => {
                self.acknowledged = freed(self, up_to);
                self.base = Some(base);
                self.unconfirmed = None;
            }
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
