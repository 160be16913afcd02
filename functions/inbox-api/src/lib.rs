//! `inbox-api`: users' inboxes over HTTP, and the seed's own routes. `docs-api` describes them.

mod connections;
mod dto;
mod groups;
mod idempotency;
mod inbox_caller;
mod legacy;
mod list;
mod negotiate;
mod preferences;
mod read_state;
mod revise;
mod schema;
mod schema_cost;
mod schema_limits;
mod schema_quota;
mod send;
mod tokens;
mod types;

use std::sync::Arc;

use axum::extract::FromRef;
use channels::management::ManagementClient;
use domain::application::Scope;
use domain::notification::{NAME_RULE, Stream, is_valid_name};
use entry::http::{Authenticator, CorsPolicy, Problem, ProblemType};
use inbox::connection_sender::ConnectionSender;
use table::Table;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the endpoints work with.
#[derive(Clone)]
pub struct Context {
    pub table: Table,
    pub callers: Authenticator,
    /// Whether the seed's routes need no credentials (`INBOX_AUTH=open`).
    pub open: bool,
    pub type_schemas: TypeSchemas,
    /// Sends to sockets.
    pub sender: ConnectionSender,
}

pub use types::TypeSchemas;

impl FromRef<Context> for Authenticator {
    fn from_ref(state: &Context) -> Self {
        state.callers.clone()
    }
}

/// The stream of the user that a path names.
pub(crate) fn user_stream(user: &str) -> Result<Stream, Problem> {
    if is_valid_name(user) { Ok(Stream::User(user.to_owned())) } else { Err(Problem::invalid("user", NAME_RULE)) }
}

/// The stream of the group that a path names.
pub(crate) fn group_stream(name: &str) -> Result<Stream, Problem> {
    if is_valid_name(name) { Ok(Stream::Group(name.to_owned())) } else { Err(Problem::invalid("group", NAME_RULE)) }
}

pub(crate) fn inbox_busy() -> Problem {
    Problem::new(ProblemType::Busy, "the inbox is changing; try again")
}

/// Runs the function until Lambda ends it.
pub fn run() -> Result<(), entry::Error> {
    // as `#[tokio::main(flavor = "current_thread")]`, which cannot say how large the stacks of other threads are
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().thread_stack_size(types::STACK_BYTES).build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal, posts) =
        (start.table(), Arc::new(start.seal()), ManagementClient::new(start.management_client()));
    let callers = Authenticator::new(table.clone(), seal, &start.allowed_networks(), Scope::Inbox);
    let (open, types) = (start.text("INBOX_AUTH") == "open", TypeSchemas::default());
    let pages = CorsPolicy::AllowedOrigins(start.allowed_origins(&table));
    let state = Context {
        callers,
        open,
        sender: ConnectionSender { table: table.clone(), management: posts },
        table,
        type_schemas: types,
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
    send::to_user,
    send::to_many,
    send::to_group,
    send::to_everyone,
    list::list,
    list::of_group,
    list::of_everyone,
    list::get_of_group,
    list::get_of_everyone,
    revise::update,
    revise::retract,
    preferences::get,
    preferences::put,
    types::list,
    types::put,
    types::delete,
    tokens::ticket,
    tokens::token,
    negotiate::negotiate,
    connections::of_user,
    connections::of_group,
    connections::close_user,
    connections::close_group,
    connections::get,
    connections::close,
    connections::say,
    groups::join,
    groups::leave,
    groups::join_user,
    groups::leave_user,
    list::get,
    list::counts,
    read_state::mark,
    legacy::create,
    legacy::everything,
    legacy::of_user,
    legacy::read
))]
struct Description;

/// The description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(send::to_user, list::list))
        .routes(routes!(send::to_many))
        .routes(routes!(send::to_group, list::of_group))
        .routes(routes!(send::to_everyone, list::of_everyone))
        .routes(routes!(list::get_of_group))
        .routes(routes!(list::get_of_everyone))
        .routes(routes!(tokens::ticket))
        .routes(routes!(tokens::token))
        .routes(routes!(negotiate::negotiate))
        .routes(routes!(connections::of_user, connections::close_user))
        .routes(routes!(connections::get, connections::close))
        .routes(routes!(connections::say))
        .routes(routes!(connections::of_group, connections::close_group))
        .routes(routes!(groups::join, groups::leave))
        .routes(routes!(groups::join_user, groups::leave_user))
        .routes(routes!(list::get, revise::update, revise::retract))
        .routes(routes!(preferences::get, preferences::put))
        .routes(routes!(types::list))
        .routes(routes!(types::put, types::delete))
        .routes(routes!(list::counts))
        .routes(routes!(read_state::mark))
        .routes(routes!(legacy::create, legacy::everything))
        .routes(routes!(legacy::of_user, legacy::read))
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
