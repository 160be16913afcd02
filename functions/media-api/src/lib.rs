//! `media-api`: buckets, items, settings and the connection to Iconik over HTTP. `docs-api` serves the description of
//! the routes.

mod bucket;
mod context;
mod dto;
mod iconik;
mod issuer;
mod item;
mod settings;

use std::sync::Arc;

use domain::application::Scope;
use entry::Secrets;
use entry::http::{Authenticator, CorsPolicy};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed = start.allowed_networks();
    let pages = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let context = Context {
        authenticator: Authenticator::new(table.clone(), seal.clone(), &allowed, Scope::Media),
        secrets: Arc::new(Secrets::new(table.clone(), seal)),
        scan_queue: start.queue("SCAN_QUEUE"),
        ingest_queue: start.queue("ICONIK_QUEUE"),
        s3: start.s3(),
        results_bucket: start.text("RESULTS"),
        allowed_networks: allowed,
        table,
    };
    start.http(router(context), pages).await
}

fn router(context: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(context)
}

/// The description of the routes. It names no handler, so that a crate that only describes them does not link them.
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

/// The OpenAPI description of the routes.
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
