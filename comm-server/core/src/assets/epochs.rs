//! The usage of an asset: its placements and their readings, as epochs of each counter.
//!
//! An epoch is a series of readings that can be subtracted from each other: of one device, from one source, without a
//! fall. The usage in a period is the sum over all epochs of the last reading minus the first. It is computed as the
//! difference of two running totals, so that the usages of adjacent periods add up to the usage of the whole,
//! whenever readings were taken.

use jiff::{SignedDuration, Timestamp};
use wire::ids::{DeviceId, GatewayId};
use wire::reading::Counter;

use crate::calls::ReportRef;
use crate::ingest::SOURCE_LASTS;

/// A fall that is reversed within this time is a dip, not a fall: a second gateway whose clock differs, or a board
/// that started.
const DIP_LASTS: SignedDuration = SignedDuration::from_hours(48);

/// A counter as it was read, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// When it was read, by the server's clock.
    pub at: Timestamp,
    /// Its value.
    pub value: u64,
    /// The object that was read, or several joined by `+`; "" if the report names none.
    pub source: String,
    /// The value as the device reported it.
    pub raw: u64,
    /// The gateway that read it.
    pub gateway: GatewayId,
    /// The report that contained it; `None` for readings that were stored before reports were recorded with them.
    pub report: Option<ReportRef>,
}

/// A placement of a device under the asset, with the readings of one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// The device.
    pub device: DeviceId,
    /// Begin of the placement.
    pub from: Timestamp,
    /// End of the placement, exclusive; `None` if it has not ended.
    pub to: Option<Timestamp>,
    /// The counter's readings by all gateways, in any order; those outside of the placement are ignored.
    pub meters: Vec<Meter>,
}

/// Why an epoch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The device was placed.
    Placement,
    /// The counter fell: a board was replaced, or the counter was reset.
    Fall,
    /// The counter is read from another object.
    Source,
}

impl Opening {
    /// All openings.
    pub const ALL: [Self; 3] = [Self::Placement, Self::Fall, Self::Source];

    /// Name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Placement => "placement",
            Self::Fall => "fall",
            Self::Source => "source",
        }
    }
}

/// Readings of one device and source whose values never fall: the oldest first, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// The device.
    pub device: DeviceId,
    /// Why it began.
    pub opening: Opening,
    first: Meter,
    others: Vec<Meter>,
}

impl Epoch {
    const fn new(device: DeviceId, opening: Opening, first: Meter) -> Self {
        Self { device, opening, first, others: Vec::new() }
    }

    /// The first reading.
    #[must_use]
    pub const fn begin(&self) -> &Meter {
        &self.first
    }

    /// The last reading; the first one if there is no other.
    #[must_use]
    pub fn end(&self) -> &Meter {
        self.others.last().unwrap_or(&self.first)
    }

    /// The object that is read.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.first.source
    }

    /// The number of readings.
    #[must_use]
    pub fn readings(&self) -> usize {
        1 + self.others.len()
    }

    /// The usage up to and including a time.
    fn counted_until(&self, at: Timestamp) -> u64 {
        let until = self.others.partition_point(|meter| meter.at <= at);
        let last = until.checked_sub(1).and_then(|last| self.others.get(last)).unwrap_or(&self.first);
        last.value.saturating_sub(self.first.value)
    }

    /// The usage after `from`, up to and including `to`.
    #[must_use]
    pub fn usage(&self, from: Timestamp, to: Timestamp) -> u64 {
        self.counted_until(to).saturating_sub(self.counted_until(from))
    }
}

/// The epochs of one counter of an asset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// In the order of their first readings.
    pub epochs: Vec<Epoch>,
    /// Readings that were lower than the one before, until the old value was reached again: they are not counted.
    pub dips: Vec<Meter>,
}

impl History {
    /// The epochs of an asset's placements.
    #[must_use]
    pub fn of(stays: Vec<Stay>) -> Self {
        let mut history = Self::default();
        for stay in stays {
            history.add(stay);
        }
        history.epochs.sort_by_key(|epoch| epoch.first.at);
        history
    }

    /// The usage after `from`, up to and including `to`: the sum over all epochs.
    #[must_use]
    pub fn usage(&self, from: Timestamp, to: Timestamp) -> u64 {
        self.epochs.iter().map(|epoch| epoch.usage(from, to)).fold(0, u64::saturating_add)
    }

    fn add(&mut self, Stay { device, from, to, mut meters }: Stay) {
        meters.retain(|meter| meter.at >= from && to.is_none_or(|to| meter.at < to));
        meters.sort_by_key(|meter| (meter.at, meter.value));
        for (turn, reign) in reigns(meters).into_iter().enumerate() {
            let opening = if turn == 0 { Opening::Placement } else { Opening::Source };
            self.add_reign(&device, opening, reign);
        }
    }

    /// Splits the readings of one source where the counter fell.
    fn add_reign(&mut self, device: &DeviceId, opening: Opening, reign: Vec<Meter>) {
        let mut open: Option<Epoch> = None;
        let mut skipped = 0;
        let back = backs(&reign);
        for (place, meter) in reign.into_iter().enumerate() {
            if place < skipped {
                self.dips.push(meter);
                continue;
            }
            match &mut open {
                None => open = Some(Epoch::new(device.clone(), opening, meter)),
                Some(epoch) if meter.value >= epoch.end().value => epoch.others.push(meter),
                Some(epoch) => match back.get(place).copied().flatten() {
                    Some(until) => {
                        skipped = until;
                        self.dips.push(meter);
                    }
                    None => {
                        let next = Epoch::new(device.clone(), Opening::Fall, meter);
                        self.epochs.push(std::mem::replace(epoch, next));
                    }
                },
            }
        }
        self.epochs.extend(open);
    }
}

/// For each reading that is lower than its predecessor: the position at which the counter has reached the higher
/// value again, if the fall was a dip.
///
/// A dip is reversed within [`DIP_LASTS`], or by the next reading. A new board's counter rises slowly; a board that
/// has just started reports a wrong value and then the right one. The second rule also works when retention has left
/// few readings.
fn backs(reign: &[Meter]) -> Vec<Option<usize>> {
    let mut found = vec![None; reign.len()];
    let mut high: Option<&Meter> = None;
    let mut place = 0;
    while let Some(meter) = reign.get(place) {
        if let Some(before) = high.filter(|before| meter.value < before.value) {
            let rest = reign.get(place..).unwrap_or_default();
            if let Some(count) = dip(before, rest) {
                found[place] = Some(place + count);
                place += count;
                continue;
            }
        }
        high = Some(meter);
        place += 1;
    }
    found
}

/// The number of readings after `before` that are part of a dip.
fn dip(before: &Meter, rest: &[Meter]) -> Option<usize> {
    let count = rest.iter().position(|meter| meter.value >= before.value)?;
    let (low, back) = rest.split_at(count);
    let is_quick = back.first().is_some_and(|back| back.at.duration_since(before.at) <= DIP_LASTS);
    let is_flat = low.is_sorted_by(|one, other| one.value >= other.value);
    (is_quick || is_flat).then_some(count)
}

/// Splits readings by their source. A source ends when another one is read more than [`SOURCE_LASTS`] after its last
/// reading (decision 0016); the other one counts from its first reading after that.
fn reigns(meters: Vec<Meter>) -> Vec<Vec<Meter>> {
    let (mut done, mut reign, mut waiting) = (Vec::new(), Vec::<Meter>::new(), Vec::<Meter>::new());
    for meter in meters {
        let Some(last) = reign.last() else {
            reign.push(meter);
            continue;
        };
        if last.source == meter.source {
            waiting.clear();
            reign.push(meter);
            continue;
        }
        let is_over = meter.at.duration_since(last.at) >= SOURCE_LASTS;
        waiting.push(meter);
        if is_over && let Some(source) = waiting.last().map(|newest| newest.source.clone()) {
            waiting.retain(|meter| meter.source == source);
            done.push(std::mem::replace(&mut reign, std::mem::take(&mut waiting)));
        }
    }
    if !reign.is_empty() {
        done.push(reign);
    }
    done
}

/// Whether readings of a counter can be subtracted: one that falls in normal operation is not a meter.
#[must_use]
pub const fn is_meter(counter: Counter) -> bool {
    !matches!(counter, Counter::PowerOn)
}
