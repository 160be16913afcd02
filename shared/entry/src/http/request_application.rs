//! For which application the request at hand acts, as far as its credentials were read.

use std::cell::Cell;
use std::future::Future;

use domain::AppId;

tokio::task_local! {
    static APPLICATION: Cell<Option<AppId>>;
}

/// Notes for which application the request at hand acts.
pub fn record_application(app: AppId) {
    // a socket's event has no answer that a browser would keep back
    APPLICATION.try_with(|it| it.set(Some(app))).unwrap_or_default();
}

/// What comes of a future, and the application that was noted meanwhile.
pub(super) async fn capture_application<T>(future: impl Future<Output = T>) -> (T, Option<AppId>) {
    let watched = async {
        let done = future.await;
        (done, APPLICATION.with(Cell::get))
    };
    APPLICATION.scope(Cell::new(None), watched).await
}
