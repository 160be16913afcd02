//! What the plan of an application allows, asked wherever something is added: notifications, channels, users, items. A
//! deployment whose plans limit nothing, or that has none, is asked without a read.
//!
//! Limits are kept for a minute, and read again before something is refused: who has just paid does not wait. What a month
//! has used is read less often the more of it is left. Nothing is written for a notification.

use std::sync::Arc;
use std::time::Duration;

use domain::AppId;
use domain::billing::entitlement;
use domain::billing::limits::{
    LimitExceeded, Limits, check_channel, check_notifications, items_per_day, month, too_many_users,
};
use domain::billing::plans::Plans;
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::clock;
use crate::http::idempotency::{self, IdempotentRequest};
use crate::http::{Problem, ProblemType};
use crate::start::Start;
use crate::ttl_cache::TtlCache;

/// How old limits may be that allow something, and those that refuse it.
const AGES: [time::Duration; 2] = [time::Duration::MINUTE, time::Duration::seconds(3)];
/// How long what was read is kept at all.
const KEPT: Duration = Duration::from_secs(3_600);
const MAX_CACHED: usize = 1_000;

/// How old the usage of a month may be, as long as so many notifications are left.
const USAGE_AGES: [(u64, time::Duration); 3] =
    [(1_000, time::Duration::MINUTE), (100, time::Duration::seconds(5)), (1, time::Duration::ZERO)];

/// Asks what the plans of applications allow.
pub struct PlanLimits {
    table: Table,
    plans: Arc<Plans>,
    limits: TtlCache<AppId, KnownLimits>,
    usage: TtlCache<AppId, KnownUsage>,
}

#[derive(Debug, Clone, Copy)]
struct KnownLimits {
    limits: Limits,
    read_at: OffsetDateTime,
}

/// The notifications of a month: those that were read, and those that this environment has stored since.
#[derive(Debug, Clone)]
struct KnownUsage {
    month: String,
    stored: u64,
    read_at: OffsetDateTime,
}

impl KnownUsage {
    /// Whether it is known well enough at `now`. What is used up stays so for the month.
    fn is_good(&self, allowed: u64, now: OffsetDateTime) -> bool {
        let left = allowed.saturating_sub(self.stored);
        let age = USAGE_AGES.iter().find(|it| left >= it.0).map(|it| it.1);
        self.month == month(now) && age.is_none_or(|age| now - self.read_at < age)
    }
}

/// Why something is not added.
#[derive(Debug)]
pub enum PlanError {
    /// The plan does not allow it.
    Exceeded(LimitExceeded),
    Table(TableError),
}

impl From<LimitExceeded> for PlanError {
    fn from(exceeded: LimitExceeded) -> Self {
        Self::Exceeded(exceeded)
    }
}

impl From<TableError> for PlanError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

impl From<PlanError> for Problem {
    /// 429 for what has room again when the month ends, and 402 for what needs another plan.
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Exceeded(exceeded) => match exceeded.retry_after {
                Some(seconds) => Self::too_many(exceeded.to_string(), seconds),
                None => Self::new(ProblemType::PlanLimit, exceeded.to_string()),
            },
            PlanError::Table(TableError::Conflict { .. }) => Self::new(ProblemType::Busy, "try again in a moment"),
            PlanError::Table(error) => Self::internal(&error),
        }
    }
}

impl Start {
    /// What the plans of the setting `BILLING_PLANS` allow.
    pub fn plan_limits(&mut self, table: &Table) -> Arc<PlanLimits> {
        Arc::new(PlanLimits::new(table.clone(), self.plans()))
    }
}

impl PlanLimits {
    /// What these plans allow. Nothing is read yet.
    pub fn new(table: Table, plans: Arc<Plans>) -> Self {
        Self { table, plans, limits: TtlCache::new(MAX_CACHED), usage: TtlCache::new(MAX_CACHED) }
    }

    /// Checks that a request may store so many notifications more. A repeat of one that may have stored them is not
    /// refused; one that is refused may come again with the same idempotency key.
    ///
    /// # Errors
    /// 429 or 402 if the plan does not allow them, 500 if the table fails.
    pub async fn admit(&self, app: AppId, request: &IdempotentRequest, new: usize) -> Result<(), Problem> {
        if request.is_retry {
            return Ok(());
        }
        match self.check_notifications(app, new).await {
            Ok(()) => Ok(()),
            Err(error) => {
                idempotency::forget(&self.table, app, request).await?;
                Err(error.into())
            }
        }
    }

    /// Checks that an application may store so many notifications more.
    ///
    /// # Errors
    /// If the plan does not allow them, or the table cannot be read.
    pub async fn check_notifications(&self, app: AppId, new: usize) -> Result<(), PlanError> {
        let (now, mut checked) = (clock::now(), Ok(()));
        for age in AGES {
            let limits = self.limits(app, age, now).await?;
            let Some(allowed) = limits.notifications_per_month else { return Ok(()) };
            let used = self.notifications(app, allowed, now).await?;
            checked = check_notifications(&limits, used, new as u64, now);
            if checked.is_ok() {
                break;
            }
        }
        Ok(checked?)
    }

    /// Counts notifications that were stored, until the month is read again.
    pub fn count_notifications(&self, app: AppId, stored: usize) {
        if let Some(known) = self.usage.get(&app) {
            let stored = known.stored.saturating_add(stored as u64);
            self.usage.put(app, KnownUsage { stored, ..known }, KEPT);
        }
    }

    /// Checks that an application may have one more channel.
    ///
    /// # Errors
    /// If the plan does not allow it, or the table cannot be read.
    pub async fn check_channel(&self, app: AppId) -> Result<(), PlanError> {
        let (now, mut checked) = (clock::now(), Ok(()));
        for age in AGES {
            let limits = self.limits(app, age, now).await?;
            if limits.channels.is_none() {
                return Ok(());
            }
            checked = check_channel(&limits, self.table.channels(app).await?.len() as u64);
            if checked.is_ok() {
                break;
            }
        }
        Ok(checked?)
    }

    /// Counts a user who gets a token or a ticket.
    ///
    /// # Errors
    /// If the plan does not allow one more this month, or the table fails.
    pub async fn count_user(&self, app: AppId, user: &str) -> Result<(), PlanError> {
        let (now, mut checked) = (clock::now(), Ok(()));
        for age in AGES {
            let Some(allowed) = self.limits(app, age, now).await?.users else { return Ok(()) };
            if self.table.count_user(app, user, allowed, now).await? {
                return Ok(());
            }
            checked = Err(too_many_users(allowed));
        }
        Ok(checked?)
    }

    /// The daily quota of items of an application: its `own` one (0: none), within that of its plan.
    pub async fn items_per_day(&self, app: AppId, own: u64) -> Result<u64, TableError> {
        let [age, _] = AGES;
        Ok(items_per_day(own, &self.limits(app, age, clock::now()).await?))
    }

    /// The limits of an application, at most so old.
    async fn limits(&self, app: AppId, age: time::Duration, now: OffsetDateTime) -> Result<Limits, TableError> {
        if !self.plans.have_limits() {
            return Ok(Limits::default());
        }
        if let Some(known) = self.limits.get(&app).filter(|it| now - it.read_at < age) {
            return Ok(known.limits);
        }
        let limits = entitlement::limits(&self.plans, &self.table.product_states(app).await?, now);
        self.limits.put(app, KnownLimits { limits, read_at: now }, KEPT);
        Ok(limits)
    }

    /// The notifications of the month so far. Those of inboxes are listed some moments after they were stored: so the
    /// greater count holds.
    async fn notifications(&self, app: AppId, allowed: u64, now: OffsetDateTime) -> Result<u64, TableError> {
        let known = self.usage.get(&app).filter(|it| it.month == month(now));
        let before = match known {
            Some(known) if known.is_good(allowed, now) => return Ok(known.stored),
            known => known.map_or(0, |it| it.stored),
        };
        let stored = self.table.notifications_of_month(app, now).await?.max(before);
        self.usage.put(app, KnownUsage { month: month(now), stored, read_at: now }, KEPT);
        Ok(stored)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-30 12:00 UTC);

    #[test]
    fn a_month_is_read_the_more_often_the_less_is_left() {
        let known = |stored: u64, seconds: i64| KnownUsage {
            month: "2026-11".to_owned(),
            stored,
            read_at: NOW - time::Duration::seconds(seconds),
        };
        for (stored, seconds, want) in [
            (0, 59, true),
            (0, 60, false),
            (9_000, 59, true),
            (9_001, 4, true),
            (9_001, 5, false),
            (9_901, 0, false),
            (9_999, 0, false),
            (10_000, 3_000, true),
            (10_001, 3_000, true),
        ] {
            assert_eq!(known(stored, seconds).is_good(10_000, NOW), want, "{stored} {seconds}");
        }
        assert!(!known(10_000, 1).is_good(10_000, NOW + time::Duration::DAY), "another month");
        assert!(!known(10_000, 61).is_good(20_000, NOW), "another plan");
    }

    #[test]
    fn what_the_plan_does_not_allow_is_a_problem_of_its_own() {
        let limits = Limits { notifications_per_month: Some(10), channels: Some(0), ..Limits::default() };
        let status = |exceeded: Result<(), LimitExceeded>| {
            let problem = Problem::from(PlanError::from(exceeded.unwrap_err()));
            (problem.status, problem.retry_after.is_some(), problem.detail)
        };
        let text = "the plan allows 10 notifications a month".to_owned();
        assert_eq!(status(check_notifications(&limits, 10, 1, NOW)), (429, true, text.clone()));
        assert_eq!(status(check_notifications(&limits, 0, 11, NOW)), (402, false, text));
        assert_eq!(status(check_channel(&limits, 0)), (402, false, "the plan allows 0 channels".to_owned()));
    }
}
