//! `connections-api`: lists, messages and closes open connections, and manages their groups.

mod connections;
mod context;
mod groups;
mod lookup;

use std::sync::Arc;

use domain::application::Scope;
use entry::http::{Authenticator, CorsPolicy};
use inbox::connection_sender::ConnectionSender;

use context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal) = (start.table(), Arc::new(start.seal()));
    let authenticator = Authenticator::new(table.clone(), seal, &start.allowed_networks(), Scope::Inbox);
    let cors = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let sender = ConnectionSender::new(&mut start, table.clone());
    start.http(router(Context { table, authenticator, sender }), cors).await
}

/// The routes, to serve.
fn router(context: Context) -> axum::Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(context)
}

entry::api_routes! {
    Context:
    [connections::list_of_user, connections::close_all_of_user],
    [connections::get, connections::close],
    [connections::send_message],
    [connections::list_of_group, connections::close_all_of_group],
    [connections::count],
    [groups::join, groups::leave],
    [groups::join_user, groups::leave_user],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_has_a_path_of_its_own_in_the_template() {
        assert_eq!(openapi().paths.paths.len(), 7);
    }
}
