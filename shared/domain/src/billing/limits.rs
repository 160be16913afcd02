//! What a plan limits, and whether one more is within it.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// The limits of a plan. An absent one does not limit anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Items that are processed on a day (UTC), one at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_per_day: Option<u64>,
    /// Notifications that are stored in a calendar month (UTC), in the application's stream and in users' inboxes. Those to
    /// groups and to everyone count for nothing; when the month is used up they are refused like the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications_per_month: Option<u64>,
    /// Channels that exist at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u64>,
    /// Users who get a token or a ticket in a calendar month (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The limits of two products together: of each limit the greater one. A product that does not name a limit has no
    /// part in it.
    #[must_use]
    pub fn or_greater(self, other: Self) -> Self {
        Self {
            items_per_day: self.items_per_day.max(other.items_per_day),
            notifications_per_month: self.notifications_per_month.max(other.notifications_per_month),
            channels: self.channels.max(other.channels),
            users: self.users.max(other.users),
        }
    }
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    Notifications,
    Channels,
    Users,
}

/// A plan does not allow more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitExceeded {
    pub limited: Limited,
    /// How many the plan allows.
    pub allowed: u64,
    /// After how many seconds there is room again; `None` if only another plan makes room.
    pub retry_after: Option<u32>,
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, time) = match self.limited {
            Limited::Notifications => ("notification", " a month"),
            Limited::Channels => ("channel", ""),
            Limited::Users => ("user", " a month"),
        };
        let plural = if self.allowed == 1 { "" } else { "s" };
        write!(f, "the plan allows {} {what}{plural}{time}", self.allowed)
    }
}

/// Checks that `new` notifications fit into a month in which `used` were stored. A month that is used up makes room when
/// it ends; a plan without any notification never does.
///
/// # Errors
/// The limit that is exceeded.
pub fn check_notifications(limits: &Limits, used: u64, new: u64, now: OffsetDateTime) -> Result<(), LimitExceeded> {
    let Some(allowed) = limits.notifications_per_month else { return Ok(()) };
    if used.saturating_add(new) <= allowed {
        return Ok(());
    }
    let seconds = (next_month(now) - now).whole_seconds();
    // more than a whole month allows fits into no other one
    let retry_after = (new <= allowed).then(|| u32::try_from(seconds).unwrap_or(u32::MAX).max(1));
    Err(LimitExceeded { limited: Limited::Notifications, allowed, retry_after })
}

/// Checks that there is room for one more channel beside `used` ones.
///
/// # Errors
/// The limit that is exceeded.
pub fn check_channel(limits: &Limits, used: u64) -> Result<(), LimitExceeded> {
    match limits.channels {
        Some(allowed) if used >= allowed => {
            Err(LimitExceeded { limited: Limited::Channels, allowed, retry_after: None })
        }
        _ => Ok(()),
    }
}

/// The daily quota of items: an application's `own` one (0: none), within that of its plan; 0 if there is none.
pub fn items_per_day(own: u64, limits: &Limits) -> u64 {
    match (own, limits.items_per_day) {
        (own, None) => own,
        (0, Some(allowed)) => allowed,
        (own, Some(allowed)) => own.min(allowed),
    }
}

/// The refusal of a user beyond the `allowed` ones.
pub fn too_many_users(allowed: u64) -> LimitExceeded {
    LimitExceeded { limited: Limited::Users, allowed, retry_after: None }
}

/// The calendar month of a time, in UTC: `2026-11`.
pub fn month(now: OffsetDateTime) -> String {
    let date = now.to_offset(UtcOffset::UTC).date();
    format!("{:04}-{:02}", date.year(), u8::from(date.month()))
}

/// When the calendar month of a time began, in UTC.
pub fn month_start(now: OffsetDateTime) -> OffsetDateTime {
    let date = now.to_offset(UtcOffset::UTC).date();
    start_of(date.year(), date.month(), now)
}

/// When the calendar month after that of a time begins, in UTC.
fn next_month(now: OffsetDateTime) -> OffsetDateTime {
    let date = now.to_offset(UtcOffset::UTC).date();
    let year = if date.month() == Month::December { date.year() + 1 } else { date.year() };
    start_of(year, date.month().next(), now)
}

/// The first moment of a month; `now` if the calendar does not reach so far (year 9999).
fn start_of(year: i32, month: Month, now: OffsetDateTime) -> OffsetDateTime {
    let first = Date::from_calendar_date(year, month, 1);
    first.map_or(now, |date| PrimitiveDateTime::new(date, Time::MIDNIGHT).assume_utc())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-30 23:59:30 UTC);

    fn limits(notifications_per_month: Option<u64>, channels: Option<u64>) -> Limits {
        Limits { notifications_per_month, channels, ..Limits::default() }
    }

    #[test]
    fn a_month_that_is_used_up_makes_room_when_it_ends() {
        for (allowed, used, new, want) in [
            (None, u64::MAX, 100, Ok(())),
            (Some(10), 9, 1, Ok(())),
            (Some(10), 10, 1, Err(Some(30))),
            (Some(10), 5, 6, Err(Some(30))),
            (Some(10), 0, 11, Err(None)),
            (Some(0), 0, 1, Err(None)),
            (Some(10), u64::MAX, 1, Err(Some(30))),
        ] {
            let found = check_notifications(&limits(allowed, None), used, new, NOW).map_err(|it| it.retry_after);
            assert_eq!(found, want, "{used} + {new} of {allowed:?}");
        }
        let exceeded = check_notifications(&limits(Some(10), None), 10, 1, NOW).unwrap_err();
        assert_eq!(exceeded.to_string(), "the plan allows 10 notifications a month");
    }

    #[test]
    fn a_channel_more_needs_another_plan() {
        for (allowed, used, want) in [(None, 1_000, true), (Some(2), 1, true), (Some(2), 2, false), (Some(0), 0, false)]
        {
            assert_eq!(check_channel(&limits(None, allowed), used).is_ok(), want, "{used} of {allowed:?}");
        }
        let exceeded = check_channel(&limits(None, Some(2)), 2).unwrap_err();
        assert_eq!((exceeded.retry_after, exceeded.to_string().as_str()), (None, "the plan allows 2 channels"));
        assert_eq!(too_many_users(1).to_string(), "the plan allows 1 user a month");
    }

    #[test]
    fn of_two_daily_quotas_the_smaller_one_holds() {
        let plan = |items_per_day| Limits { items_per_day, ..Limits::default() };
        for (own, allowed, want) in [(0, None, 0), (5, None, 5), (0, Some(7), 7), (5, Some(7), 5), (9, Some(7), 7)] {
            assert_eq!(items_per_day(own, &plan(allowed)), want, "{own} {allowed:?}");
        }
    }

    #[test]
    fn months_are_those_of_utc() {
        for (now, name, start, next) in [
            (NOW, "2026-11", datetime!(2026-11-01 0:00 UTC), datetime!(2026-12-01 0:00 UTC)),
            (
                datetime!(2026-12-31 23:30 -1:00),
                "2027-01",
                datetime!(2027-01-01 0:00 UTC),
                datetime!(2027-02-01 0:00 UTC),
            ),
            (
                datetime!(2026-12-31 22:59 -1:00),
                "2026-12",
                datetime!(2026-12-01 0:00 UTC),
                datetime!(2027-01-01 0:00 UTC),
            ),
        ] {
            assert_eq!((month(now).as_str(), month_start(now), next_month(now)), (name, start, next), "{now}");
        }
    }

    #[test]
    fn of_two_products_the_greater_limit_holds() {
        let one = limits(Some(10), None);
        let other = Limits { items_per_day: Some(5), ..limits(Some(7), Some(3)) };
        let both = Limits { items_per_day: Some(5), ..limits(Some(10), Some(3)) };
        assert_eq!((one.or_greater(other), other.or_greater(one)), (both, both));
        assert!(Limits::default().is_empty() && !both.is_empty());
    }
}
