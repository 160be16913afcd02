//! When the current invocation ends, whatever it is doing: Lambda kills it at its deadline.

use std::future::Future;

tokio::task_local! {
    static DEADLINE_MS: Option<i64>;
}

/// Runs a future that is ended at a time, in milliseconds since 1970.
pub(super) async fn with_deadline<T>(deadline_ms: Option<i64>, future: impl Future<Output = T>) -> T {
    DEADLINE_MS.scope(deadline_ms, future).await
}

/// When the current invocation ends, in milliseconds since 1970, if that is known.
pub(super) fn deadline_ms() -> Option<i64> {
    DEADLINE_MS.try_with(|it| *it).ok().flatten()
}
