//! Waiting for conditions, never for a time.

use std::time::{Duration, Instant};

use crate::PATIENCE;

/// The pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until a condition gives something, and names what it waited for.
pub async fn until<T>(what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
    poll(what, condition, |_| PAUSE).await
}

/// The same where a look is expensive, such as a list of many items: pauses of a tenth of the time so far, up to a second.
pub async fn until_rarely<T>(what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
    poll(what, condition, |waited| (waited / 10).clamp(PAUSE, Duration::from_secs(1))).await
}

async fn poll<T>(what: &str, condition: impl AsyncFn() -> Option<T>, pause: impl Fn(Duration) -> Duration) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(began.elapsed() < PATIENCE, "waited for ten minutes until {what}");
        sleep(pause(began.elapsed())).await;
    }
}

pub async fn look_again() {
    sleep(PAUSE).await;
}

#[expect(clippy::disallowed_methods, reason = "the pause between two looks at a condition")]
async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}
