//! Weekly windows in the site's time zone, during which networks may be searched.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;

/// Number of days in which the next window is searched: a week, and one day for a window that spans midnight.
const DAYS_AHEAD: i32 = 8;

/// A window: days of the week, and the time of opening and closing; it spans midnight if `to` is not after `from`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawWindow")]
pub(crate) struct Window {
    days: Vec<Weekday>,
    from: Time,
    to: Time,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWindow {
    #[serde(default)]
    days: Vec<String>,
    from: String,
    to: String,
}

/// A text that is not a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not valid: expected {expected}")]
pub(crate) struct InvalidWindow {
    given: String,
    expected: &'static str,
}

impl TryFrom<RawWindow> for Window {
    type Error = InvalidWindow;

    fn try_from(raw: RawWindow) -> Result<Self, InvalidWindow> {
        let days = raw.days.iter().map(|day| weekday(day)).collect::<Result<_, _>>()?;
        Ok(Self { days, from: time(&raw.from)?, to: time(&raw.to)? })
    }
}

fn weekday(given: &str) -> Result<Weekday, InvalidWindow> {
    let day = match given.trim().to_ascii_lowercase().as_str() {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => {
            let expected = "mon, tue, wed, thu, fri, sat or sun";
            return Err(InvalidWindow { given: given.chars().take(40).collect(), expected });
        }
    };
    Ok(day)
}

fn time(given: &str) -> Result<Time, InvalidWindow> {
    let wrong =
        || InvalidWindow { given: given.chars().take(40).collect(), expected: "a time like \"19:30\"" };
    let (hour, minute) = given.trim().split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<i8>().map_err(|_| wrong());
    Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| wrong())
}

impl Window {
    /// The window that begins on a date, if any. A local time that the time zone skips is moved forward; of a local
    /// time that occurs twice, the first is used.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        if !self.days.is_empty() && !self.days.contains(&date.weekday()) {
            return None;
        }
        let last = if self.to > self.from { date } else { date.checked_add(1.day()).ok()? };
        let at = |date: Date, time| date.to_datetime(time).to_zoned(zone.clone()).ok().map(|z| z.timestamp());
        Some((at(date, self.from)?, at(last, self.to)?))
    }
}

/// All windows; without any, searches may always run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// Until when a window is open: `Some(None)` if always, `None` if none is open now.
    #[must_use]
    pub(crate) fn open_until(&self, now: Timestamp, zone: &TimeZone) -> Option<Option<Timestamp>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let open = self.around(now, zone).filter(|(from, to)| (*from..*to).contains(&now));
        open.map(|(_, to)| Some(to)).max()
    }

    /// When a window opens next: `now` if one is open, `None` if there is never one.
    #[must_use]
    pub(crate) fn next_open(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.open_until(now, zone).is_some() {
            return Some(now);
        }
        self.around(now, zone).map(|(from, _)| from).filter(|from| *from > now).min()
    }

    fn around<'a>(
        &'a self,
        now: Timestamp,
        zone: &'a TimeZone,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> + 'a {
        let today = now.to_zoned(zone.clone()).date();
        let dates = (-1..=DAYS_AHEAD).filter_map(move |days| today.checked_add(days.days()).ok());
        dates.flat_map(move |date| self.0.iter().filter_map(move |window| window.on(date, zone)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn windows(yaml: &str) -> Windows {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_opens_and_closes_in_the_sites_time_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let nights = windows(
            "[{days: [mon, fri], from: '20:00', to: '06:00'}, {days: [sat], from: '08:00', to: '12:00'}]",
        );
        // 2026-11-20 is a Friday; Berlin is an hour ahead of UTC.
        for (now, open, next) in [
            ("2026-11-20T18:59:59Z", None, "2026-11-20T19:00:00Z"),
            ("2026-11-20T19:00:00Z", Some("2026-11-21T05:00:00Z"), "2026-11-20T19:00:00Z"),
            ("2026-11-21T04:59:59Z", Some("2026-11-21T05:00:00Z"), "2026-11-21T04:59:59Z"),
            ("2026-11-21T05:00:00Z", None, "2026-11-21T07:00:00Z"),
            ("2026-11-21T12:00:00Z", None, "2026-11-23T19:00:00Z"),
        ] {
            assert_eq!(nights.open_until(at(now), &berlin), open.map(|to| Some(at(to))), "{now}");
            assert_eq!(nights.next_open(at(now), &berlin), Some(at(next)), "{now}");
        }
        assert_eq!(Windows::default().open_until(at("2026-01-01T00:00:00Z"), &berlin), Some(None));
    }

    #[test]
    fn both_changes_of_daylight_saving_leave_a_window_at_its_local_time() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let daily = windows("[{from: '02:30', to: '04:00'}]");
        // 2026-03-29 02:30 doesn't exist: it begins at 03:30 summer time. 2026-10-25 02:30 is there twice: the first.
        assert_eq!(daily.next_open(at("2026-03-29T00:00:00Z"), &berlin), Some(at("2026-03-29T01:30:00Z")));
        assert_eq!(
            daily.open_until(at("2026-03-29T01:45:00Z"), &berlin),
            Some(Some(at("2026-03-29T02:00:00Z")))
        );
        assert_eq!(daily.next_open(at("2026-10-25T00:00:00Z"), &berlin), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(
            daily.open_until(at("2026-10-25T02:59:00Z"), &berlin),
            Some(Some(at("2026-10-25T03:00:00Z")))
        );
    }

    #[test]
    fn an_invalid_window_is_rejected_with_the_reason() {
        for (yaml, why) in [
            ("[{days: [monday], from: '1:00', to: '2:00'}]", "mon, tue"),
            ("[{from: '24:00', to: '2:00'}]", "19:30"),
            ("[{from: '1:00'}]", "to"),
            ("[{from: '1:00', to: '2:00', zone: x}]", "zone"),
        ] {
            let error = serde_yaml::from_str::<Windows>(yaml).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_window_is_open_at_its_next_opening(now in 0_i64..4_000_000_000, from in 0_u32..1440, to in 0_u32..1440, day in 0_usize..7) {
            let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][day];
            let clock = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
            let one = windows(&format!("[{{days: [{day}], from: '{}', to: '{}'}}]", clock(from), clock(to)));
            let zone = TimeZone::get("America/New_York").unwrap();
            let now = Timestamp::from_second(now).unwrap();
            let next = one.next_open(now, &zone).unwrap();
            prop_assert!(next >= now && next.duration_since(now).as_hours() <= 8 * 24);
        }
    }
}
