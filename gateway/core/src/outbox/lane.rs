//! The position of a lane, and what an acknowledgement of the server means for it.
//!
//! A store that is opened may be older than the one that was closed: the end of its log is torn, or somebody put back an
//! old copy. Its numbers may then be taken. So after each opening the lane is *unconfirmed*: what the store knew is sent
//! again under its old numbers, where the server drops what it has, and what is made meanwhile gets no number before the
//! server has confirmed the lane's position.

use serde::{Deserialize, Serialize};

/// Where a lane is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    /// Added to a place to give its number; unknown before the first poll of a spool's epoch, and below zero where the
    /// server began again behind this spool.
    pub base: Option<i64>,
    /// Place of the last report made; 0 for none.
    pub made: u64,
    /// Place up to which the server has everything on its disk.
    pub acknowledged: u64,
    /// What isn't known since the store was opened, until the server has confirmed it; stored as `doubt`.
    #[serde(default, rename = "doubt", skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Unconfirmed>,
}

/// What isn't known of a lane since its store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// Place of the last report that the store knew. Numbers behind it may be taken.
    pub known: u64,
    /// Place of the last report that was ever numbered, by the mark beside the store; above `known` when the store went
    /// back.
    pub numbered: u64,
    /// Reports that were made while the lane was unconfirmed before, and went with the store before they had a number.
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

/// What the server's word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Nothing new.
    Nothing,
    /// Nothing new, but the numbers are certain now.
    Confirmed,
    /// Reports up to this place may be freed.
    Free {
        /// The place.
        up_to: u64,
    },
    /// The server has more than the opened store knew, and has compared the reports up to this place: they may be freed.
    Compared {
        /// The place.
        up_to: u64,
    },
    /// The base is known now: numbers go on after what the server has.
    Begin {
        /// The base.
        base: i64,
    },
    /// The server has more than was ever made here: this spool is an old copy. What it doesn't have gets new numbers.
    ServerAhead {
        /// The base in a new epoch of the spool.
        base: i64,
        /// Place up to which it has everything.
        up_to: u64,
    },
    /// The server lost what it had acknowledged: numbers go on from where it is.
    ServerBehind {
        /// The base in a new epoch of the spool.
        base: i64,
        /// Reports that are lost at the server.
        lost: u64,
    },
}

impl Acknowledgement {
    /// Whether the spool's epoch changes with it.
    #[must_use]
    pub const fn is_new_epoch(self) -> bool {
        matches!(self, Self::ServerAhead { .. } | Self::ServerBehind { .. })
    }
}

impl LaneState {
    /// Takes the next place.
    pub fn make(&mut self) -> u64 {
        self.made = self.made.saturating_add(1);
        self.made
    }

    /// Number on the wire of a place; `None` before the base is known.
    #[must_use]
    pub fn number(&self, place: u64) -> Option<u64> {
        u64::try_from(self.base?.checked_add(signed(place))?).ok()
    }

    /// Number of the last report made, 0 before the base is known.
    #[must_use]
    pub fn made_number(&self) -> u64 {
        self.number(self.made).unwrap_or(0)
    }

    /// Number of the last acknowledged report, 0 before the base is known.
    #[must_use]
    pub fn acknowledged_number(&self) -> u64 {
        self.number(self.acknowledged).unwrap_or(0)
    }

    /// Reports that wait.
    #[must_use]
    pub const fn waiting(&self) -> u64 {
        self.made.saturating_sub(self.acknowledged)
    }

    /// Place of the last report that has a number now.
    #[must_use]
    pub fn numbered(&self) -> u64 {
        match (self.base, self.unconfirmed) {
            (None, _) => self.acknowledged,
            (Some(_), None) => self.made,
            (Some(_), Some(unconfirmed)) => unconfirmed.known.clamp(self.acknowledged, self.made),
        }
    }

    /// Whether reports wait that get no number before the server was polled.
    #[must_use]
    pub(crate) fn needs_server_confirmation(&self) -> bool {
        self.waiting() > 0 && self.numbered() == self.acknowledged
    }

    /// The lane of a store that was just opened.
    #[must_use]
    pub fn opened(mut self) -> Self {
        if self.base.is_some() && self.unconfirmed.is_none() {
            self.unconfirmed = Some(Unconfirmed { known: self.made, numbered: self.made, gone: 0 });
        }
        self
    }

    /// The lane of a store that went back: `self` is what it says, `mark` what was written beside it last. Places that the
    /// mark knows as acknowledged need not be offered again.
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

    /// What the number means that the server has on its disk, by its answer to a poll or its refusal of a gap.
    /// [`LaneState::apply`] carries it out.
    #[must_use]
    pub fn judge(&self, server: u64) -> Acknowledgement {
        self.judge_compared(server, 0)
    }

    /// The same by its answer to a batch whose last report had the number `last`: the server has compared what it had of it.
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

    /// Reports that went with a store that went back, and that the server doesn't have either, by its word that
    /// [`LaneState::judge`] judged so.
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

    /// Carries out what [`LaneState::judge`] said. Places never change.
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
