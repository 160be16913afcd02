//! The routes of buckets and items. A library beside its program, so that `docs-api` can describe them.

mod bucket;
mod dto;
mod item;

use std::sync::Arc;

use axum::extract::FromRef;
use domain::address::Allowed;
use entry::http::Callers;
use entry::{Queue, Secrets};
use table::Table;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the endpoints work with.
#[derive(Clone)]
pub struct State {
    pub table: Table,
    pub callers: Callers,
    pub secrets: Arc<Secrets>,
    pub scans: Queue,
    pub s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub results: String,
    pub allowed: Allowed,
}

impl FromRef<State> for Callers {
    fn from_ref(state: &State) -> Self {
        state.callers.clone()
    }
}

/// The routes, to serve.
pub fn router(state: State) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(state)
}

/// The routes, to describe.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(bucket::list, bucket::create))
        .routes(routes!(bucket::get, bucket::replace, bucket::remove))
        .routes(routes!(bucket::scan))
        .routes(routes!(item::list))
        .routes(routes!(item::get))
        .routes(routes!(item::reprocess))
        .routes(routes!(item::preview))
        .routes(routes!(item::summary))
}
