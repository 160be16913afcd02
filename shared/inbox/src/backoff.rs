//! Pauses between attempts at a row that other invocations change.

use std::time::Duration;

/// Waits before the next attempt.
#[expect(clippy::disallowed_methods, reason = "no condition tells when another invocation has written")]
pub async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
