//! `channels-api`: applications, tokens and channel configurations over HTTP. `docs-api` serves the description of the
//! routes.

mod application;
mod configuration;
mod context;
mod deliveries;
mod dto;
mod explain;
mod fields;
mod forms;
mod keys;
mod manager;
mod replay;
mod signing;
mod summary;
mod token;
mod write;

use std::sync::Arc;

use domain::application::Scope;
use domain::channel::ChannelKind;
use entry::Secrets;
use entry::http::{Authenticator, CorsPolicy};

use crate::context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let allowed = start.allowed_networks();
    let pages = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let plan_limits = start.plan_limits(&table);
    let switches = [("AMQP", ChannelKind::RabbitMq), ("SIGNALR", ChannelKind::SignalR)];
    let off = switches.into_iter().filter(|it| start.text(it.0) == "off").map(|it| it.1);
    let kinds_off = off.collect();
    let context = Context {
        authenticator: Authenticator::new(table.clone(), seal.clone(), &allowed, Scope::Channels),
        secrets: Arc::new(Secrets::new(table.clone(), seal.clone())),
        operator_key_hashes: start.text("OPERATOR_KEY_HASH"),
        allowed_networks: allowed,
        delivery_queues: start.delivery_queues(),
        reveal_secrets: start.text("REVEAL_SECRETS"),
        plan_limits,
        kinds_off,
        table,
        seal,
    };
    start.http(router(context), pages).await
}

fn router(context: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(context)
}

entry::api_routes! {
    Context:
    [application::create, application::list],
    [application::rotate],
    [keys::list, keys::create],
    [keys::rotate],
    [keys::revoke],
    [token::generate],
    [token::refresh],
    [write::create_webhook, write::update_webhook],
    [write::create_rabbit, write::update_rabbit],
    [write::create_signal_r, write::update_signal_r],
    [signing::rotate],
    [signing::jwks],
    [configuration::get, configuration::remove],
    [configuration::all],
    [configuration::active],
    [explain::test],
    [explain::explain],
    [deliveries::list],
    [summary::summary],
    [deliveries::retry],
    [replay::replay],
}
