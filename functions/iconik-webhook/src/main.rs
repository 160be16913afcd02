//! `iconik-webhook`: takes Iconik's webhooks and custom actions, and answers before anything is done about them.

use entry::http::Pages;
use iconik_webhook::{State, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let state = State::new(start.table(), start.queue("ICONIK_QUEUE"));
    start.http(router(state), Pages::Own).await
}
