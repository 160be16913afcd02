//! `media-api`: buckets, items, settings and the connection to Iconik over HTTP. `docs-api` describes the routes.

mod bucket;
mod dto;
mod iconik;
mod issuer;
mod item;
mod settings;

use std::sync::Arc;

use axum::extract::FromRef;
use domain::application::Scope;
use domain::ssrf::AllowedNetworks;
use entry::http::{Authenticator, CorsPolicy};
use entry::{Queue, Secrets};
use table::Table;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the endpoints work with.
#[derive(Clone)]
pub struct Context {
    pub table: Table,
    pub callers: Authenticator,
    pub secrets: Arc<Secrets>,
    pub scans: Queue,
    /// The queue of `iconik-ingest`.
    pub ingest: Queue,
    pub s3: aws_sdk_s3::Client,
    /// The bucket of results.
    pub results: String,
    pub allowed: AllowedNetworks,
}

impl FromRef<Context> for Authenticator {
    fn from_ref(state: &Context) -> Self {
        state.callers.clone()
    }
}

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed = start.allowed_networks();
    let pages = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let state = Context {
        callers: Authenticator::new(table.clone(), seal.clone(), &allowed, Scope::Media),
        secrets: Arc::new(Secrets::new(table.clone(), seal)),
        scans: start.queue("SCAN_QUEUE"),
        ingest: start.queue("ICONIK_QUEUE"),
        s3: start.s3(),
        results: start.text("RESULTS"),
        allowed,
        table,
    };
    start.http(router(state), pages).await
}

/// The routes, to serve.
fn router(state: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(state)
}

/// The routes, to describe: without the handlers, so that whoever describes them does not carry them.
#[derive(OpenApi)]
#[openapi(paths(
    bucket::list,
    bucket::create,
    bucket::get,
    bucket::replace,
    bucket::remove,
    bucket::scan,
    item::list,
    item::get,
    item::reprocess,
    item::preview,
    item::summary,
    settings::get,
    settings::put,
    iconik::get,
    iconik::check,
    iconik::backfill
))]
struct Description;

/// The description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(bucket::list, bucket::create))
        .routes(routes!(bucket::get, bucket::replace, bucket::remove))
        .routes(routes!(bucket::scan))
        .routes(routes!(item::list))
        .routes(routes!(item::get))
        .routes(routes!(item::reprocess))
        .routes(routes!(item::preview))
        .routes(routes!(item::summary))
        .routes(routes!(settings::get, settings::put))
        .routes(routes!(iconik::get))
        .routes(routes!(iconik::check))
        .routes(routes!(iconik::backfill))
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
