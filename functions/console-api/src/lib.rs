//! `console-api`: the pages of the console, and the sessions of those who sign in to them. Everything else that the pages do is a
//! request to the public API, with a token that a session gives.

mod code;
mod context;
mod cookie;
mod pages;
mod provider;
mod session;

use std::sync::Arc;

use axum::routing::get;
use domain::application::Scope;
use entry::http::{Authenticator, CorsPolicy};

use crate::context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let authenticator = Authenticator::new(table.clone(), seal, &start.allowed_networks(), Scope::Read);
    let socket_url = start.optional("SOCKET_URL");
    let policy = pages::content_security_policy(socket_url.as_deref());
    start.http(router(Context { table, authenticator, socket_url, policy }), CorsPolicy::SameOrigin).await
}

/// The routes, to serve.
fn router(context: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    let router = router.route("/console", get(pages::index)).route("/console/", get(pages::index));
    let router = router.route("/console/callback", get(provider::callback));
    router.route("/console/{name}", get(pages::file)).with_state(context)
}

entry::api_routes! {
    Context:
    [session::sign_in, session::sign_out],
    [code::create],
    [provider::list],
    [provider::sign_in],
}
