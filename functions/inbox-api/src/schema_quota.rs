//! How much time the schemas of each application have taken in this environment. One that takes too much of it waits; the
//! others go on.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::AppId;

/// What an application may take within a window: a sixth of the environment's time. The heaviest notification that the
/// budget lets through is estimated at 0.35 s (`schema.rs`): 28 of these in a minute, or thousands of ordinary ones.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(10);
const WINDOW: Duration = Duration::from_secs(60);
/// Applications that are remembered.
const MAX_APPLICATIONS: usize = 10_000;

struct Usage {
    window_start: Instant,
    used: Duration,
}

#[derive(Default)]
pub(crate) struct TimeQuota(Mutex<HashMap<AppId, Usage>>);

impl TimeQuota {
    /// Takes time in advance; `settle` corrects it. Or says how long it takes until there is some again.
    pub(crate) fn reserve(&self, app: AppId, time: Duration, now: Instant) -> Result<(), Duration> {
        let mut all = self.all();
        if all.len() >= MAX_APPLICATIONS {
            all.retain(|_, it| now.saturating_duration_since(it.window_start) < WINDOW);
        }
        let it = all.entry(app).or_insert(Usage { window_start: now, used: Duration::ZERO });
        let left = WINDOW.saturating_sub(now.saturating_duration_since(it.window_start));
        if left.is_zero() {
            *it = Usage { window_start: now, used: Duration::ZERO };
        } else if it.used >= MAX_TIME {
            return Err(left);
        }
        it.used += time;
        Ok(())
    }

    /// What was reserved has taken this.
    pub(crate) fn settle(&self, app: AppId, reserved: Duration, taken: Duration) {
        if let Some(it) = self.all().get_mut(&app) {
            it.used = (it.used + taken).saturating_sub(reserved);
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
