//! The arithmetic of billing periods: months that end, and shares of an amount.

use serde_json::Value;
use time::{Date, Month, OffsetDateTime};

use crate::json::{integer, text};

const DAY: i64 = 86_400;

/// How often a price is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cycle {
    unit: Unit,
    /// At least 1.
    count: i64,
}

/// What a cycle counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Of so many days.
    Days(i64),
    /// Of so many months.
    Months(i64),
}

impl Cycle {
    /// The cycle of `every` so many intervals: `day`, `week`, `month` or `year`. Any other text is taken as a month.
    pub(crate) fn new(interval: &str, every: i64) -> Self {
        let unit = match interval {
            "day" => Unit::Days(1),
            "week" => Unit::Days(7),
            "year" => Unit::Months(12),
            _ => Unit::Months(1),
        };
        Self { unit, count: every.max(1) }
    }

    /// The cycle of a recurring price.
    pub(crate) fn of_price(price: &Value) -> Self {
        let recurring = &price["recurring"];
        Self::new(text(&recurring["interval"]), integer(&recurring["interval_count"]))
    }

    /// The time `number` cycles after the anchor. A day that the month does not have is its last: a cycle that is anchored on
    /// the 31st of January ends on the 28th of February and on the 31st of March.
    pub(crate) fn boundary(self, anchor: i64, number: i64) -> i64 {
        match self.unit {
            Unit::Days(days) => anchor + days * DAY * self.count * number,
            Unit::Months(months) => add_months(anchor, months * self.count * number),
        }
    }

    /// The first boundary after a time.
    pub(crate) fn next_after(self, anchor: i64, at: i64) -> i64 {
        // no cycle is longer than this; so the estimate is never too late
        let longest = match self.unit {
            Unit::Days(days) => days * DAY * self.count,
            Unit::Months(months) => months * self.count * 31 * DAY,
        };
        let mut number = (at - anchor).div_euclid(longest);
        while self.boundary(anchor, number) <= at {
            number += 1;
        }
        self.boundary(anchor, number)
    }

    /// The last boundary before a boundary: where the period that ends there begins.
    pub(crate) fn previous(self, anchor: i64, end: i64) -> i64 {
        let shortest = match self.unit {
            Unit::Days(days) => days * DAY * self.count,
            Unit::Months(months) => months * self.count * 28 * DAY,
        };
        let mut number = (end - anchor).div_euclid(shortest) + 1;
        while self.boundary(anchor, number) >= end {
            number -= 1;
        }
        self.boundary(anchor, number)
    }
}

/// A time so many months later, at the same time of the day; what lies beyond the calendar stays as it is.
fn add_months(at: i64, months: i64) -> i64 {
    let shifted = || {
        let at = OffsetDateTime::from_unix_timestamp(at).ok()?;
        let (year, month, day) = at.to_calendar_date();
        let total = i64::from(year) * 12 + i64::from(u8::from(month)) - 1 + months;
        let year = i32::try_from(total.div_euclid(12)).ok()?;
        let month = Month::try_from(u8::try_from(total.rem_euclid(12) + 1).ok()?).ok()?;
        let date = Date::from_calendar_date(year, month, day.min(month.length(year))).ok()?;
        Some(at.replace_date(date).unix_timestamp())
    };
    shifted().unwrap_or(at)
}

/// The share of an amount for `part` of a period of `whole` seconds, rounded to the nearest cent, halves away from zero.
pub(crate) fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if whole <= 0 {
        return amount;
    }
    let (product, whole) = (i128::from(amount) * i128::from(part.clamp(0, whole)), i128::from(whole));
    let rounded = (product.abs() * 2 + whole) / (whole * 2) * product.signum();
    i64::try_from(rounded).unwrap_or(amount)
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;

    use super::*;

    fn at(text: &str) -> i64 {
        OffsetDateTime::parse(text, &Rfc3339).unwrap().unix_timestamp()
    }

    #[track_caller]
    fn check(cycle: (&str, i64), anchor: &str, want: &[&str]) {
        let (cycle, anchor) = (Cycle::new(cycle.0, cycle.1), at(anchor));
        let mut last = anchor;
        for want in want {
            let next = cycle.next_after(anchor, last);
            assert_eq!(next, at(want), "{}", OffsetDateTime::from_unix_timestamp(next).unwrap());
            assert_eq!(cycle.next_after(anchor, next - 1), next);
            assert_eq!(cycle.previous(anchor, next), last);
            last = next;
        }
    }

    #[test]
    fn a_cycle_keeps_to_the_day_of_its_anchor() {
        check(
            ("month", 1),
            "2027-01-31T10:20:30Z",
            &["2027-02-28T10:20:30Z", "2027-03-31T10:20:30Z", "2027-04-30T10:20:30Z", "2027-05-31T10:20:30Z"],
        );
        check(("month", 1), "2028-01-30T00:00:00Z", &["2028-02-29T00:00:00Z", "2028-03-30T00:00:00Z"]);
        check(("month", 3), "2026-11-30T23:59:59Z", &["2027-02-28T23:59:59Z", "2027-05-30T23:59:59Z"]);
        check(
            ("year", 1),
            "2024-02-29T12:00:00Z",
            &["2025-02-28T12:00:00Z", "2026-02-28T12:00:00Z", "2027-02-28T12:00:00Z", "2028-02-29T12:00:00Z"],
        );
        check(("week", 2), "2026-12-25T08:00:00Z", &["2027-01-08T08:00:00Z", "2027-01-22T08:00:00Z"]);
        check(("day", 1), "2027-02-28T08:00:00Z", &["2027-03-01T08:00:00Z", "2027-03-02T08:00:00Z"]);
    }

    #[test]
    fn a_boundary_is_found_from_any_time_of_years() {
        for (interval, every) in [("day", 1), ("week", 1), ("month", 1), ("month", 7), ("year", 1)] {
            let (cycle, anchor) = (Cycle::new(interval, every), at("2026-08-31T06:00:00Z"));
            for hours in (0..26_000).step_by(97) {
                let time = anchor + hours * 3_600;
                let next = cycle.next_after(anchor, time);
                assert!(next > time && cycle.previous(anchor, next) <= time, "{interval} {every} {hours}");
            }
        }
    }

    #[test]
    fn shares_are_rounded_to_the_nearest_cent() {
        for (amount, part, whole, want) in [
            (1_000, 1, 2, 500),
            (1_001, 1, 2, 501),
            (-1_001, 1, 2, -501),
            (1_000, 1, 3, 333),
            (2_000, 1, 3, 667),
            (1_000, 0, 3, 0),
            (1_000, 5, 3, 1_000),
            (1_000, 1, 0, 1_000),
            (i64::MAX, 1, 2, 4_611_686_018_427_387_904),
        ] {
            assert_eq!(share(amount, part, whole), want, "{amount} {part}/{whole}");
        }
    }
}
