//! `inbox-api`: users' inboxes over HTTP, and the legacy routes.

mod context;
mod dto;
mod idempotency;
mod inbox_caller;
mod legacy;
mod list;
mod negotiate;
mod preferences;
mod problems;
mod read_state;
mod revise;
mod schema;
mod schema_cost;
mod schema_limits;
mod schema_patterns;
mod schema_quota;
mod send;
mod tokens;
mod type_schemas;
mod types;

use std::sync::Arc;

use domain::application::Scope;
use entry::http::{Authenticator, CorsPolicy};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use context::Context;
use type_schemas::{STACK_BYTES, TypeSchemas};

/// Runs the function until Lambda ends it.
pub fn run() -> Result<(), entry::Error> {
    // as `#[tokio::main(flavor = "current_thread")]`, which cannot set the stack size of blocking threads
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_stack_size(STACK_BYTES).build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let authenticator = Authenticator::new(table.clone(), seal, &start.allowed_networks(), Scope::Inbox);
    let open_inbox = start.text("INBOX_AUTH") == "open";
    let cors = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let context = Context { table, authenticator, open_inbox, type_schemas: TypeSchemas::default() };
    start.http(router(context), cors).await
}

/// The routes, to serve.
fn router(context: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(context)
}

/// The routes, to describe: without the handlers, so that `docs-api` does not link them.
#[derive(OpenApi)]
#[openapi(paths(
    send::to_user,
    send::to_many,
    send::to_group,
    send::to_everyone,
    list::list,
    list::list_of_group,
    list::list_of_everyone,
    list::get_of_group,
    list::get_of_everyone,
    revise::update,
    revise::retract,
    preferences::get,
    preferences::put,
    types::list,
    types::put,
    types::delete,
    tokens::create_ticket,
    tokens::create_token,
    negotiate::negotiate,
    list::get,
    list::counts,
    read_state::change_read_state,
    legacy::create,
    legacy::list_all,
    legacy::list_of_user,
    legacy::mark_read
))]
struct Description;

/// The OpenAPI description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(send::to_user, list::list))
        .routes(routes!(send::to_many))
        .routes(routes!(send::to_group, list::list_of_group))
        .routes(routes!(send::to_everyone, list::list_of_everyone))
        .routes(routes!(list::get_of_group))
        .routes(routes!(list::get_of_everyone))
        .routes(routes!(tokens::create_ticket))
        .routes(routes!(tokens::create_token))
        .routes(routes!(negotiate::negotiate))
        .routes(routes!(list::get, revise::update, revise::retract))
        .routes(routes!(preferences::get, preferences::put))
        .routes(routes!(types::list))
        .routes(routes!(types::put, types::delete))
        .routes(routes!(list::counts))
        .routes(routes!(read_state::change_read_state))
        .routes(routes!(legacy::create, legacy::list_all))
        .routes(routes!(legacy::list_of_user, legacy::mark_read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described() {
        let served = routes().into_openapi().paths;
        let described = openapi().paths;
        let names = |all: &utoipa::openapi::Paths| all.paths.keys().cloned().collect::<Vec<String>>();
        assert_eq!(names(&described), names(&served));
    }
}
