//! How long rows are kept. All meters are kept first, then one per hour, day and month; other rows for a fixed time.
//!
//! The last meter of an hour, day or month is kept unchanged, with its evidence; so are the first meter of all and
//! those before and after a fall.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// The longest retention, days: a hundred years.
const LONGEST_DAYS: u32 = 36_525;

/// Approximate number of points of a plot.
const PLOT_POINTS: i64 = 1500;

/// Retention of each kind of row, days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// All meters; older ones are thinned to the last one of each hour.
    pub meters_raw_days: u32,
    /// The last meter of each hour; older ones are thinned to one per day.
    pub meters_hourly_days: u32,
    /// The last meter of each day; older ones are thinned to one per month, which are kept indefinitely.
    pub meters_daily_days: u32,
    /// Reports as received.
    pub reports_days: u32,
    /// Commands that have ended.
    pub commands_days: u32,
    /// Calls that have ended.
    pub calls_days: u32,
    /// Quarantined reports.
    pub quarantine_days: u32,
    /// Audit entries.
    pub audit_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            meters_raw_days: 45,
            meters_hourly_days: 400,
            meters_daily_days: 1100,
            reports_days: 400,
            commands_days: 400,
            calls_days: 1100,
            quarantine_days: 400,
            audit_days: 1100,
        }
    }
}

/// An invalid retention.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "retention.{name} is {given}: expected 1 to {LONGEST_DAYS} days, meters_raw_days at most \
     meters_hourly_days, and that at most meters_daily_days"
)]
pub struct InvalidRetention {
    name: &'static str,
    given: u32,
}

/// A span of time in which one meter per step is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From, inclusive, milliseconds.
    pub from_ms: i64,
    /// To, exclusive, milliseconds.
    pub to_ms: i64,
    /// Length of a step, milliseconds; if absent, the whole span is one step.
    pub step_ms: Option<i64>,
}

impl Retention {
    /// Validates the numbers of days.
    ///
    /// # Errors
    /// A number of days is 0 or too large, or a coarser step is kept for less time than a finer one.
    pub fn check(&self) -> Result<(), InvalidRetention> {
        let all = [
            ("meters_raw_days", self.meters_raw_days, LONGEST_DAYS.min(self.meters_hourly_days)),
            ("meters_hourly_days", self.meters_hourly_days, LONGEST_DAYS.min(self.meters_daily_days)),
            ("meters_daily_days", self.meters_daily_days, LONGEST_DAYS),
            ("reports_days", self.reports_days, LONGEST_DAYS),
            ("commands_days", self.commands_days, LONGEST_DAYS),
            ("calls_days", self.calls_days, LONGEST_DAYS),
            ("quarantine_days", self.quarantine_days, LONGEST_DAYS),
            ("audit_days", self.audit_days, LONGEST_DAYS),
        ];
        match all.into_iter().find(|&(_, days, most)| days == 0 || days > most) {
            None => Ok(()),
            Some((name, given, _)) => Err(InvalidRetention { name, given }),
        }
    }

    /// The spans in which meters are thinned now. Each ends at the end of a step, so that no step is thinned
    /// partially, and begins where the span with the coarser step ends.
    #[must_use]
    pub fn spans(&self, now: Timestamp, oldest_ms: i64) -> Vec<Span> {
        let hourly_to = before(now, self.meters_raw_days).div_euclid(DAY_MS) * DAY_MS;
        let daily_to = before(now, self.meters_hourly_days).div_euclid(DAY_MS) * DAY_MS;
        let monthly_to = month_of(before(now, self.meters_daily_days));
        let mut spans = Vec::new();
        let mut begin = month_of(oldest_ms);
        while begin < monthly_to {
            let end = next_month(begin);
            if end <= begin {
                break;
            }
            spans.push(Span { from_ms: begin, to_ms: end.min(monthly_to), step_ms: None });
            begin = end;
        }
        let daily_from = oldest_ms.max(monthly_to);
        spans.push(Span { from_ms: daily_from, to_ms: daily_to, step_ms: Some(DAY_MS) });
        let hourly_from = oldest_ms.max(daily_to);
        spans.push(Span { from_ms: hourly_from, to_ms: hourly_to, step_ms: Some(HOUR_MS) });
        spans.retain(|span| span.from_ms < span.to_ms);
        spans
    }
}

/// The time a number of days before `now`, milliseconds.
#[must_use]
pub fn before(now: Timestamp, days: u32) -> i64 {
    now.as_millisecond() - i64::from(days) * DAY_MS
}

/// The step of a plot over this span, milliseconds: 1 to show every value, else an hour or a day.
#[must_use]
pub const fn plot_step_ms(span_ms: i64) -> i64 {
    if span_ms <= 7 * DAY_MS {
        1
    } else if span_ms <= PLOT_POINTS * HOUR_MS {
        HOUR_MS
    } else {
        DAY_MS
    }
}

/// The beginning of the month of a time, UTC.
fn month_of(ms: i64) -> i64 {
    date(ms).map_or(ms, |date| midnight(date.first_of_month()).unwrap_or(ms))
}

/// The beginning of the next month, UTC; the given time if that is out of range.
fn next_month(ms: i64) -> i64 {
    let next = date(ms).and_then(|date| date.first_of_month().checked_add(1.month()).ok());
    next.and_then(midnight).unwrap_or(ms)
}

fn date(ms: i64) -> Option<Date> {
    Some(Timestamp::from_millisecond(ms).ok()?.to_zoned(TimeZone::UTC).date())
}

fn midnight(date: Date) -> Option<i64> {
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn spans_meet_and_end_at_full_steps() {
        let now: Timestamp = "2026-03-10T15:30:00Z".parse().unwrap();
        let retention = Retention {
            meters_raw_days: 10,
            meters_hourly_days: 30,
            meters_daily_days: 60,
            ..Retention::default()
        };
        let spans = retention.spans(now, ms("2025-11-20T07:00:00Z"));
        let span = |from: &str, to: &str, step_ms| Span { from_ms: ms(from), to_ms: ms(to), step_ms };
        assert_eq!(
            spans,
            [
                span("2025-11-01T00:00:00Z", "2025-12-01T00:00:00Z", None),
                span("2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z", None),
                span("2026-01-01T00:00:00Z", "2026-02-08T00:00:00Z", Some(DAY_MS)),
                span("2026-02-08T00:00:00Z", "2026-02-28T00:00:00Z", Some(HOUR_MS)),
            ]
        );
        assert_eq!(retention.spans(now, now.as_millisecond()), []);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        assert_eq!(Retention::default().check(), Ok(()));
        for bad in [
            Retention { meters_raw_days: 0, ..Retention::default() },
            Retention { meters_raw_days: 401, ..Retention::default() },
            Retention { meters_hourly_days: 1101, ..Retention::default() },
            Retention { reports_days: 99_999, ..Retention::default() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_plot_has_few_points_however_long_it_is() {
        assert_eq!([1, 30, 400, 4000].map(|days| plot_step_ms(days * DAY_MS)), [1, HOUR_MS, DAY_MS, DAY_MS]);
    }
}
