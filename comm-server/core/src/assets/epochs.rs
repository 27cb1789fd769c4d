//! What an asset counted: its placements and their readings, as epochs of each counter.
//!
//! An epoch is a run of readings that can be subtracted from each other: of one device, from one source, without a fall.
//! What an asset counted in a period is the sum over its epochs of the last reading minus the first. It is a difference of
//! two running totals, so that periods which touch add up to the whole, whatever was read in between.

use jiff::{SignedDuration, Timestamp};
use wire::ids::{DeviceId, GatewayId};
use wire::reading::Counter;

use crate::calls::ReportRef;
use crate::ingest::SOURCE_LASTS;

/// A fall that is made good within this time was none: a second gateway, whose clock differs, or a board that started.
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
    /// The report that brought it; `None` for readings from before reports were named.
    pub report: Option<ReportRef>,
}

/// A device under an asset, with the readings of one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// The device.
    pub device: DeviceId,
    /// From this time on.
    pub from: Timestamp,
    /// Until before this time; `None` while it stands there.
    pub to: Option<Timestamp>,
    /// The counter's readings by any gateway, in any order; those outside of the stay are ignored.
    pub meters: Vec<Meter>,
}

/// Why an epoch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The device was placed.
    Placement,
    /// The counter fell: a board was changed, or the counter was set back.
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

    /// Readings.
    #[must_use]
    pub fn readings(&self) -> usize {
        1 + self.others.len()
    }

    /// What was counted until a time, that of a reading at this time included.
    fn counted_until(&self, at: Timestamp) -> u64 {
        let until = self.others.partition_point(|meter| meter.at <= at);
        let last = until.checked_sub(1).and_then(|last| self.others.get(last)).unwrap_or(&self.first);
        last.value.saturating_sub(self.first.value)
    }

    /// What was counted after `from`, until and including `to`.
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
    /// Readings that were lower than the one before, and made good later: they count in no epoch.
    pub dips: Vec<Meter>,
}

impl History {
    /// The epochs of an asset's stays.
    #[must_use]
    pub fn of(stays: Vec<Stay>) -> Self {
        let mut history = Self::default();
        for stay in stays {
            history.add(stay);
        }
        history.epochs.sort_by_key(|epoch| epoch.first.at);
        history
    }

    /// What was counted after `from`, until and including `to`: the sum over all epochs.
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

/// For each reading that is lower than the one before: where the counter is back at the higher value, if the fall was a dip.
///
/// A dip is made good within [`DIP_LASTS`], or in one step: the counter of a new board climbs, that of one which started
/// stands still and jumps back. The second rule holds as well when retention has left few readings.
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

/// How many of the readings after `before` are a dip.
fn dip(before: &Meter, rest: &[Meter]) -> Option<usize> {
    let count = rest.iter().position(|meter| meter.value >= before.value)?;
    let (low, back) = rest.split_at(count);
    let is_quick = back.first().is_some_and(|back| back.at.duration_since(before.at) <= DIP_LASTS);
    let is_flat = low.is_sorted_by(|one, other| one.value >= other.value);
    (is_quick || is_flat).then_some(count)
}

/// Splits readings by their source. A source lasts until another one is read [`SOURCE_LASTS`] after its last reading
/// (decision 0016); the other one counts from its first reading after that.
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

/// Whether a counter can be subtracted from an earlier one: one that falls by itself is no meter.
#[must_use]
pub const fn is_meter(counter: Counter) -> bool {
    !matches!(counter, Counter::PowerOn)
}
