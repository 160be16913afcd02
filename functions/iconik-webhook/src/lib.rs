//! `iconik-webhook`: queues Iconik's webhooks and custom actions, and answers before they are handled. `docs-api`
//! serves the description of the routes.

mod action;
mod auth;
mod context;
mod dto;
mod secret;
mod webhook;

use entry::http::CorsPolicy;

use crate::context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let context = Context::new(start.table(), start.queue("ICONIK_QUEUE"));
    start.http(router(context), CorsPolicy::SameOrigin).await
}

fn router(context: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(context)
}

entry::api_routes! {
    Context:
    [webhook::receive],
    [action::start],
    [ready],
}

/// Confirms that this is the address for Iconik's webhooks: a check for whoever sets one up.
#[utoipa::path(get, path = "/iconik/ready", tag = "Iconik", responses((status = 200, body = String)))]
async fn ready() -> &'static str {
    "ready for Iconik's webhooks\n"
}
