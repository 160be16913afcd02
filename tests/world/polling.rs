//! Waiting for conditions, never for a time.

use std::time::{Duration, Instant};

use crate::PATIENCE;

/// The pauses between two looks at a condition: a tenth of the time so far, because a look costs what others are waiting
/// for.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_millis(750);

/// Waits until a condition gives something, and names what it waited for.
pub async fn until<T>(what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(began.elapsed() < PATIENCE, "waited for ten minutes until {what}");
        sleep((began.elapsed() / 10).clamp(PAUSE, MAX_PAUSE)).await;
    }
}

pub async fn look_again() {
    sleep(PAUSE).await;
}

#[expect(clippy::disallowed_methods, reason = "the pause between two looks at a condition")]
async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}
