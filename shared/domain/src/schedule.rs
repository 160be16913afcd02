//! Scan schedules in the syntax of EventBridge, in UTC: `rate(5 minutes)` or `cron(0 12 * * ? *)`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Half the interval between two runs of the scheduler. Work that falls due until half-way to the next run is done now:
/// work for each minute usually falls due shortly after a run, and would otherwise wait for the run after the next.
pub const HALF_TICK: time::Duration = time::Duration::seconds(30);

/// A schedule; stored as its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScanSchedule {
    text: String,
    period: Period,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Period {
    Every { seconds: i64 },
    Cron,
}

/// A text that is not a valid schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid schedule; write `rate(5 minutes)`, `rate(1 hour)`, `rate(2 days)` or `cron(0 12 * * ? *)`"
)]
pub struct InvalidSchedule(String);

impl ScanSchedule {
    /// Whether the schedule fires after `since`, up to and including `until`. A rate fires at the multiples of its
    /// period since 1970, so that no state is needed.
    pub fn fires(&self, since: OffsetDateTime, until: OffsetDateTime) -> bool {
        match self.period {
            Period::Every { seconds } => {
                until.unix_timestamp().div_euclid(seconds) > since.unix_timestamp().div_euclid(seconds)
            }
            Period::Cron => {
                let next = cron(&self.text).and_then(|it| it.find_next_occurrence(&chrono_time(since)?, false).ok());
                next.is_some_and(|next| chrono_time(until).is_some_and(|until| next <= until))
            }
        }
    }
}

impl FromStr for ScanSchedule {
    type Err = InvalidSchedule;
    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let invalid = || InvalidSchedule(text.chars().take(80).collect());
        let period = if let Some(rate) = arguments(text, "rate") {
            Period::Every { seconds: rate_seconds(rate).ok_or_else(invalid)? }
        } else {
            cron(text).map(|_| Period::Cron).ok_or_else(invalid)?
        };
        Ok(Self { text: text.to_owned(), period })
    }
}

impl TryFrom<String> for ScanSchedule {
    type Error = InvalidSchedule;
    fn try_from(text: String) -> Result<Self, InvalidSchedule> {
        text.parse()
    }
}

impl From<ScanSchedule> for String {
    fn from(schedule: ScanSchedule) -> Self {
        schedule.text
    }
}

impl fmt::Display for ScanSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn arguments<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.trim().strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')
}

fn rate_seconds(rate: &str) -> Option<i64> {
    let (count, unit) = rate.split_once(' ')?;
    let count: i64 = count.parse().ok().filter(|it| (1..=100_000).contains(it))?;
    let unit = match (count, unit) {
        (1, "minute") | (2.., "minutes") => 60,
        (1, "hour") | (2.., "hours") => 3_600,
        (1, "day") | (2.., "days") => 86_400,
        _ => return None,
    };
    Some(count * unit)
}

/// Parses EventBridge's six fields: minute, hour, day of month, month, day of week (Sunday is 1), year.
fn cron(text: &str) -> Option<croner::Cron> {
    let fields = arguments(text, "cron")?;
    if fields.split_whitespace().count() != 6 {
        return None;
    }
    CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Required)
        .alternative_weekdays(true)
        .build()
        .parse(&format!("0 {fields}"))
        .ok()
}

fn chrono_time(at: OffsetDateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.unix_timestamp(), 0)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[track_caller]
    fn check(schedule: &str, since: OffsetDateTime, until: OffsetDateTime, want: bool) {
        assert_eq!(schedule.parse::<ScanSchedule>().unwrap().fires(since, until), want);
    }

    #[test]
    fn fires_once_per_period_whatever_the_clock_does() {
        let noon = datetime!(2026-11-21 12:00 UTC);
        let minute = time::Duration::MINUTE;
        check("rate(1 minute)", noon - minute, noon, true);
        check("rate(5 minutes)", noon - minute, noon, true);
        check("rate(5 minutes)", noon, noon + minute, false);
        check("rate(5 minutes)", noon, noon + 7 * minute, true); // a sweep came late
        check("cron(0 12 * * ? *)", noon - minute, noon, true);
        check("cron(0 12 * * ? *)", noon, noon + minute, false);
        check("cron(0 12 ? * 7 *)", noon - minute, noon, true); // 21 November 2026 is a Saturday, 7 to EventBridge
        check("cron(0 12 ? * 6 *)", noon - minute, noon, false);
        check("cron(0 12 * * ? 2025)", noon - minute, noon, false);
    }

    #[test]
    fn says_what_a_schedule_looks_like() {
        for bad in [
            "",
            "rate(0 minutes)",
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(-5 minutes)",
            "cron(* * * *)",
            "every day",
            "rate(5 weeks)",
        ] {
            assert!(bad.parse::<ScanSchedule>().unwrap_err().to_string().contains("write `rate(5 minutes)`"), "{bad}");
        }
    }
}
