//! The application of the current request, known once its credentials are checked. CORS needs it for the response.

use std::cell::Cell;
use std::future::Future;

use domain::AppId;

tokio::task_local! {
    static APPLICATION: Cell<Option<AppId>>;
}

/// Records the application of the current request.
pub fn record_application(app: AppId) {
    // outside a request (a WebSocket event) nothing is recorded
    APPLICATION.try_with(|it| it.set(Some(app))).unwrap_or_default();
}

/// Runs a future; returns its output and the application that was recorded meanwhile.
pub(super) async fn capture_application<T>(future: impl Future<Output = T>) -> (T, Option<AppId>) {
    let captured = async {
        let output = future.await;
        (output, APPLICATION.with(Cell::get))
    };
    APPLICATION.scope(Cell::new(None), captured).await
}
