//! Schedules of functions: EventBridge's `rate(…)` and `cron(…)`.

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};

/// When a function is invoked.
#[derive(Debug, Clone)]
pub enum Rule {
    Rate { period_ms: i64 },
    Cron(Box<croner::Cron>),
}

impl Rule {
    pub fn parse(text: &str) -> Option<Self> {
        let inside = |name: &str| text.trim().strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(rate) = inside("rate") {
            let (count, unit) = rate.split_once(' ')?;
            let count: i64 = count.parse().ok().filter(|it| *it > 0)?;
            let unit = match (count, unit) {
                (1, "minute") | (2.., "minutes") => 60_000,
                (1, "hour") | (2.., "hours") => 3_600_000,
                (1, "day") | (2.., "days") => 86_400_000,
                _ => return None,
            };
            return Some(Self::Rate { period_ms: count * unit });
        }
        let parser =
            CronParser::builder().seconds(Seconds::Required).year(Year::Required).alternative_weekdays(true).build();
        parser.parse(&format!("0 {}", inside("cron")?)).ok().map(|it| Self::Cron(Box::new(it)))
    }

    /// The next invocation after a time, both in milliseconds since 1970; `None` if there is none.
    pub fn next(&self, after: i64) -> Option<i64> {
        match self {
            Self::Rate { period_ms: ms } => Some(after + ms),
            Self::Cron(cron) => {
                let after: DateTime<Utc> = DateTime::from_timestamp_millis(after)?;
                cron.find_next_occurrence(&after, false).ok().map(|it| it.timestamp_millis())
            }
        }
    }
}

/// The event that EventBridge sends on a schedule.
pub(crate) fn scheduled_event(name: &str) -> serde_json::Value {
    serde_json::json!({
        "version": "0", "id": uuid::Uuid::from_u128(u128::try_from(crate::clock::now_ms()).unwrap_or(0)).to_string(),
        "detail-type": "Scheduled Event", "source": "aws.events", "account": crate::account::ACCOUNT, "region": crate::account::REGION,
        "time": DateTime::<Utc>::from_timestamp_millis(crate::clock::now_ms()).map(|it| it.to_rfc3339()),
        "resources": [format!("arn:aws:events:{}:{}:rule/{name}", crate::account::REGION, crate::account::ACCOUNT)], "detail": {},
    })
}
