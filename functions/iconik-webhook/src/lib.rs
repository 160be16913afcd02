//! `iconik-webhook`: takes Iconik's webhooks and custom actions, and answers before anything is done about them.
//! `docs-api` describes the routes.

mod action;
mod secret;
mod webhook;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use entry::Queue;
use entry::http::{CorsPolicy, Problem, ProblemType};
use serde::Serialize;
use serde_json::Value;
use table::Table;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the endpoints work with.
#[derive(Clone)]
pub struct Context {
    secrets: Arc<secret::WebhookSecrets>,
    queue: Queue,
}

impl Context {
    pub fn new(table: Table, queue: Queue) -> Self {
        Self { secrets: Arc::new(secret::WebhookSecrets::new(table)), queue }
    }
}

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let state = Context::new(start.table(), start.queue("ICONIK_QUEUE"));
    start.http(router(state), CorsPolicy::SameOrigin).await
}

/// The routes, to serve.
fn router(state: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(state)
}

/// The routes, to describe: without the handlers, so that whoever describes them does not carry them.
#[derive(OpenApi)]
#[openapi(paths(webhook::take, action::take, ready))]
struct Description;

/// The description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(webhook::take)).routes(routes!(action::take)).routes(routes!(ready))
}

/// Whether the address is the right one: for whoever sets up a webhook.
#[utoipa::path(get, path = "/iconik/ready", tag = "Iconik", responses((status = 200, body = String)))]
async fn ready() -> &'static str {
    "ready for Iconik's webhooks\n"
}

/// What became of a webhook or an action.
#[derive(Serialize, ToSchema)]
pub(crate) struct Taken {
    /// `queued` or `ignored`
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Taken {
    fn queued() -> Json<Self> {
        Json(Self { status: "queued", reason: None })
    }

    /// 200 all the same: any other answer counts as a failure at Iconik, which then switches the webhook off.
    fn ignored(reason: impl Into<String>) -> Json<Self> {
        Json(Self { status: "ignored", reason: Some(reason.into()) })
    }
}

/// A body of at most 1 MB of JSON, whatever its content type says.
pub(crate) struct Payload(Value);

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let too_large = || Problem::new(ProblemType::TooLarge, "a body has at most 1 MB");
        let bytes = Bytes::from_request(request, state).await.map_err(|_| too_large())?;
        if bytes.len() > 1 << 20 {
            return Err(too_large());
        }
        let not_json = |_| Problem::new(ProblemType::NotJson, "the body is no JSON");
        serde_json::from_slice(&bytes).map(Self).map_err(not_json)
    }
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
