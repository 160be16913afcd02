//! A quota of time for the schemas of each application, in one execution environment: one that uses it up has to wait,
//! without effect on others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::AppId;

/// What an application may use within [`WINDOW`]: a sixth of the environment's time. The most expensive notification within
/// the budget is estimated at 0.35 s (`schema.rs`): 28 of these in a minute, or thousands of ordinary ones.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(10);
/// The window of the quota.
const WINDOW: Duration = Duration::from_secs(60);
/// Applications whose usage is kept; beyond it the ended windows are dropped.
const MAX_APPLICATIONS: usize = 10_000;

/// The usage of an application within its current window.
struct Usage {
    window_start: Instant,
    used: Duration,
}

/// The usage of all applications.
#[derive(Default)]
pub(crate) struct TimeQuota(Mutex<HashMap<AppId, Usage>>);

impl TimeQuota {
    /// Reserves time in advance; `settle` corrects it.
    ///
    /// # Errors
    /// The time until the next window, if the quota is used up.
    pub(crate) fn reserve(&self, app: AppId, time: Duration, now: Instant) -> Result<(), Duration> {
        let mut all = self.all();
        if all.len() >= MAX_APPLICATIONS {
            all.retain(|_, it| now.saturating_duration_since(it.window_start) < WINDOW);
        }
        let usage = all.entry(app).or_insert(Usage { window_start: now, used: Duration::ZERO });
        let left = WINDOW.saturating_sub(now.saturating_duration_since(usage.window_start));
        if left.is_zero() {
            *usage = Usage { window_start: now, used: Duration::ZERO };
        } else if usage.used >= MAX_TIME {
            return Err(left);
        }
        usage.used += time;
        Ok(())
    }

    /// Replaces a reservation by the time that was used.
    pub(crate) fn settle(&self, app: AppId, reserved: Duration, taken: Duration) {
        if let Some(usage) = self.all().get_mut(&app) {
            usage.used = (usage.used + taken).saturating_sub(reserved);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<AppId, Usage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_took_too_much_waits_for_the_next_window_and_alone() {
        let (times, now) = (TimeQuota::default(), Instant::now());
        let (one, other) = (AppId::random([1; 16]), AppId::random([2; 16]));
        for _ in 0..100 {
            assert_eq!(times.reserve(one, SECOND, now), Ok(()));
            times.settle(one, SECOND, Duration::from_millis(20));
        }
        // 2 s of 10 so far; what is under way counts whole
        for _ in 0..8 {
            assert_eq!(times.reserve(one, SECOND, now + SECOND), Ok(()));
        }
        assert_eq!(times.reserve(one, SECOND, now + 20 * SECOND), Err(40 * SECOND));
        assert_eq!(times.reserve(other, SECOND, now + 20 * SECOND), Ok(()));
        assert_eq!(times.reserve(one, SECOND, now + 59 * SECOND), Err(SECOND));
        assert_eq!(times.reserve(one, SECOND, now + 60 * SECOND), Ok(()));
    }

    #[test]
    fn what_ends_late_counts_whole() {
        let (times, now, app) = (TimeQuota::default(), Instant::now(), AppId::random([1; 16]));
        assert_eq!(times.reserve(app, SECOND, now), Ok(()));
        times.settle(app, SECOND, 11 * SECOND);
        assert_eq!(times.reserve(app, SECOND, now + SECOND), Err(59 * SECOND));
    }
}
