//! `iconik-webhook`: queues Iconik's webhooks and custom actions, and answers before they are handled. `docs-api`
//! serves the description of the routes.

mod action;
mod auth;
mod context;
mod dto;
mod secret;
mod webhook;

use entry::http::CorsPolicy;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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

/// The description of the routes. It names no handler, so that a crate that only describes them does not link them.
#[derive(OpenApi)]
#[openapi(paths(webhook::receive, action::start, ready))]
struct Description;

/// The OpenAPI description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(webhook::receive)).routes(routes!(action::start)).routes(routes!(ready))
}

/// Confirms that this is the address for Iconik's webhooks: a check for whoever sets one up.
#[utoipa::path(get, path = "/iconik/ready", tag = "Iconik", responses((status = 200, body = String)))]
async fn ready() -> &'static str {
    "ready for Iconik's webhooks\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described() {
        let served = routes().into_openapi().paths;
        let described = openapi().paths;
        let names = |it: &utoipa::openapi::Paths| it.paths.keys().cloned().collect::<Vec<String>>();
        assert_eq!(names(&described), names(&served));
    }
}
