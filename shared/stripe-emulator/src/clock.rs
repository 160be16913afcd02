//! The real clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The current time, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the emulator's clock")]
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX))
}

/// Waits. For what Stripe does by time: retries of webhooks, periods that end.
#[expect(clippy::disallowed_methods, reason = "an emulated service has periods of its own")]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
