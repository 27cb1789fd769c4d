//! The monthly partitions of `reports`: partitions are created some months ahead, and dropped when all of their
//! reports are too old.

use jiff::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::retention::before;

/// Number of months that are created ahead. If the job fails for weeks, no report is lost.
const AHEAD: i32 = 3;

/// A partition: the reports received within a span of time, milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Name of its table.
    pub name: String,
    /// From, inclusive; absent for the oldest.
    pub from_ms: Option<i64>,
    /// To, exclusive.
    pub to_ms: i64,
}

/// The changes to make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Partitions to create, oldest first.
    pub make: Vec<Partition>,
    /// Names of the partitions to drop.
    pub drop: Vec<String>,
}

/// The plan for the existing partitions when reports are kept for `days` days.
#[must_use]
pub fn plan(existing: &[Partition], now: Timestamp, days: u32) -> Plan {
    let oldest_ms = before(now, days);
    let gone = existing.iter().filter(|partition| partition.to_ms <= oldest_ms);
    let drop = gone.map(|partition| partition.name.clone()).collect();
    let this_month = now.to_zoned(TimeZone::UTC).date().first_of_month();
    let wanted = (0..=AHEAD).filter_map(|months| month(this_month.checked_add(months.months()).ok()?));
    // Where two would share a time, the one that is there stays: the one that follows the last is created each month.
    let end_ms = existing.iter().map(|partition| partition.to_ms).max();
    let make = wanted.filter(|month| end_ms.is_none_or(|end_ms| month.to_ms > end_ms)).map(|month| {
        let from_ms = month.from_ms.max(end_ms);
        Partition { from_ms, ..month }
    });
    Plan { make: make.collect(), drop }
}

fn month(first: Date) -> Option<Partition> {
    let ms = |date: Date| Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond());
    Some(Partition {
        name: format!("reports_{}", first.strftime("%Y_%m")),
        from_ms: Some(ms(first)?),
        to_ms: ms(first.checked_add(1.month()).ok()?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.make.iter().map(|partition| partition.name.as_str()).collect()
    }

    #[test]
    fn months_are_made_ahead_and_join_what_is_there() {
        let now: Timestamp = "2026-11-28T08:00:00Z".parse().unwrap();
        // The table as it was before, taken as the partition of all time up to the next full day.
        let before =
            Partition { name: "reports_before".to_owned(), from_ms: None, to_ms: ms("2026-11-29T00:00:00Z") };
        let first = plan(std::slice::from_ref(&before), now, 400);
        assert_eq!(
            names(&first),
            ["reports_2026_11", "reports_2026_12", "reports_2027_01", "reports_2027_02"]
        );
        assert_eq!(
            (first.make[0].from_ms, first.make[0].to_ms),
            (Some(before.to_ms), ms("2026-12-01T00:00:00Z"))
        );
        for pair in first.make.windows(2) {
            assert_eq!(Some(pair[0].to_ms), pair[1].from_ms);
        }
        let mut all = vec![before];
        all.extend(first.make);
        assert_eq!(plan(&all, now, 400), Plan::default());
        let in_january: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(names(&plan(&all, in_january, 400)), ["reports_2027_03", "reports_2027_04"]);
    }

    #[test]
    fn a_month_goes_when_its_last_report_is_too_old() {
        let month = month("2026-11-01".parse().unwrap()).unwrap();
        let at = |text: &str| plan(std::slice::from_ref(&month), text.parse().unwrap(), 30).drop;
        assert_eq!(at("2026-12-30T23:59:59Z"), Vec::<String>::new());
        assert_eq!(at("2026-12-31T00:00:00Z"), ["reports_2026_11"]);
    }
}
