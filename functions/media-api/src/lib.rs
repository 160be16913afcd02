//! `media-api`: buckets, items, settings and the connection to Iconik over HTTP. `docs-api` serves the description of
//! the routes.

mod bounds;
mod bucket;
mod cancellation;
mod context;
mod dto;
mod erase;
mod iconik;
mod issuer;
mod item;
mod media;
mod processor_endpoint;
mod processors;
mod results;
mod settings;

use std::sync::Arc;

use ::iconik::Connections;
use domain::application::Scope;
use domain::processor::ProcessorKind;
use entry::http::{Authenticator, CorsPolicy};
use entry::{AppSettings, Secrets, TtlCache};

use crate::context::Context;

/// Links to media that are kept.
const MAX_LINKS: usize = 1_000;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed = start.allowed_networks();
    let pages = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let secrets = Arc::new(Secrets::new(table.clone(), seal.clone()));
    let meter = start.meter();
    let switches =
        [("OBJECT_DETECTION", ProcessorKind::ObjectDetection), ("AUTO_TRANSLATION", ProcessorKind::AutoTranslation)];
    let off: Vec<ProcessorKind> = switches.into_iter().filter(|it| start.text(it.0) == "off").map(|it| it.1).collect();
    let connections = Connections::new(table.clone(), secrets.clone(), allowed.clone(), meter.clone());
    let context = Context {
        authenticator: Authenticator::new(table.clone(), seal, &allowed, Scope::Media),
        secrets,
        settings: Arc::new(AppSettings::new(table.clone())),
        connections: Arc::new(connections),
        links: Arc::new(TtlCache::new(MAX_LINKS)),
        meter,
        scan_queue: start.queue("SCAN_QUEUE"),
        ingest_queue: start.queue("ICONIK_QUEUE"),
        process_queues: start.process_queues(),
        processors_off: off,
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

entry::api_routes! {
    Context:
    [bucket::list, bucket::create],
    [bucket::get, bucket::replace, bucket::remove],
    [bucket::scan],
    [item::list],
    [item::get],
    [item::reprocess],
    [item::cancel],
    [item::preview],
    [erase::all_of_item],
    [erase::all],
    [media::get],
    [results::get, erase::one],
    [results::subtitles],
    [item::summary],
    [settings::get, settings::put],
    [processor_endpoint::list],
    [processor_endpoint::get, processor_endpoint::put, processor_endpoint::remove],
    [iconik::get],
    [iconik::check],
    [iconik::backfill],
}
