//! How much time the schemas of each application have taken in this environment. One that takes too much of it waits; the
//! others go on.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::AppId;

/// What an application may take within a window: a sixth of the environment's time. The heaviest notification that the
/// budget lets through is estimated at 0.35 s (`schema.rs`): 28 of these in a minute, or thousands of ordinary ones.
pub(crate) const MOST: Duration = Duration::from_secs(10);
const WINDOW: Duration = Duration::from_secs(60);
/// Applications that are remembered.
const KEPT: usize = 10_000;

struct Taken {
    since: Instant,
    time: Duration,
}

#[derive(Default)]
pub(crate) struct Times(Mutex<HashMap<AppId, Taken>>);

impl Times {
    /// Takes time in advance; `settle` corrects it. Or says how long it takes until there is some again.
    pub(crate) fn reserve(&self, app: AppId, time: Duration, now: Instant) -> Result<(), Duration> {
        let mut all = self.all();
        if all.len() >= KEPT {
            all.retain(|_, it| now.saturating_duration_since(it.since) < WINDOW);
        }
        let it = all.entry(app).or_insert(Taken { since: now, time: Duration::ZERO });
        let left = WINDOW.saturating_sub(now.saturating_duration_since(it.since));
        if left.is_zero() {
            *it = Taken { since: now, time: Duration::ZERO };
        } else if it.time >= MOST {
            return Err(left);
        }
        it.time += time;
        Ok(())
    }

    /// What was reserved has taken this.
    pub(crate) fn settle(&self, app: AppId, reserved: Duration, taken: Duration) {
        if let Some(it) = self.all().get_mut(&app) {
            it.time = (it.time + taken).saturating_sub(reserved);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<AppId, Taken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_took_too_much_waits_for_the_next_window_and_alone() {
        let (times, now) = (Times::default(), Instant::now());
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
        let (times, now, app) = (Times::default(), Instant::now(), AppId::random([1; 16]));
        assert_eq!(times.reserve(app, SECOND, now), Ok(()));
        times.settle(app, SECOND, 11 * SECOND);
        assert_eq!(times.reserve(app, SECOND, now + SECOND), Err(59 * SECOND));
    }
}
