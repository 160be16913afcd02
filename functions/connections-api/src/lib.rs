//! `connections-api`: lists, messages and closes open connections, and manages their groups. The only HTTP function that
//! may call API Gateway's `@connections` (`execute-api:ManageConnections`).

mod connections;
mod context;
mod groups;
mod lookup;

use std::sync::Arc;

use channels::management::ManagementClient;
use domain::application::Scope;
use entry::http::{Authenticator, CorsPolicy};
use inbox::connection_sender::ConnectionSender;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let management = ManagementClient::new(start.management_client());
    let authenticator = Authenticator::new(table.clone(), seal, &start.allowed_networks(), Scope::Inbox);
    let cors = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let sender = ConnectionSender { table: table.clone(), management };
    start.http(router(Context { table, authenticator, sender }), cors).await
}

/// The routes, to serve.
fn router(context: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(context)
}

/// The routes, to describe: without the handlers, so that `docs-api` does not link them.
#[derive(OpenApi)]
#[openapi(paths(
    connections::list_of_user,
    connections::list_of_group,
    connections::close_all_of_user,
    connections::close_all_of_group,
    connections::get,
    connections::close,
    connections::send_message,
    groups::join,
    groups::leave,
    groups::join_user,
    groups::leave_user
))]
struct Description;

/// The OpenAPI description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(connections::list_of_user, connections::close_all_of_user))
        .routes(routes!(connections::get, connections::close))
        .routes(routes!(connections::send_message))
        .routes(routes!(connections::list_of_group, connections::close_all_of_group))
        .routes(routes!(groups::join, groups::leave))
        .routes(routes!(groups::join_user, groups::leave_user))
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
        assert_eq!(served.paths.len(), 6, "each has a route of its own in template.yaml");
    }
}
