//! `inbox-api`: users' inboxes over HTTP, and the seed's own routes. `docs-api` describes them.

mod connections;
mod dto;
mod groups;
mod list;
mod marks;
mod negotiate;
mod once;
mod passes;
mod preferences;
mod reader;
mod revise;
mod schema;
mod schema_bounds;
mod schema_time;
mod schema_work;
mod seed;
mod send;
mod types;

use std::sync::Arc;

use axum::extract::FromRef;
use channels::socket::Posts;
use domain::application::Scope;
use domain::notification::{NAME_RULE, Stream, is_name};
use entry::http::{Callers, Pages, Problem, ProblemType};
use inbox::sending::Lines;
use table::Table;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the endpoints work with.
#[derive(Clone)]
pub struct State {
    pub table: Table,
    pub callers: Callers,
    /// Whether the seed's routes need no credentials (`INBOX_AUTH=open`).
    pub open: bool,
    pub types: Types,
    /// Sends to sockets.
    pub lines: Lines,
}

pub use types::Types;

impl FromRef<State> for Callers {
    fn from_ref(state: &State) -> Self {
        state.callers.clone()
    }
}

/// The stream of the user that a path names.
pub(crate) fn stream(user: &str) -> Result<Stream, Problem> {
    if is_name(user) { Ok(Stream::User(user.to_owned())) } else { Err(Problem::invalid("user", NAME_RULE)) }
}

/// The stream of the group that a path names.
pub(crate) fn group(name: &str) -> Result<Stream, Problem> {
    if is_name(name) { Ok(Stream::Group(name.to_owned())) } else { Err(Problem::invalid("group", NAME_RULE)) }
}

pub(crate) fn busy() -> Problem {
    Problem::new(ProblemType::Busy, "the inbox is changing; try again")
}

/// Runs the function until Lambda ends it.
pub fn run() -> Result<(), entry::Error> {
    // as `#[tokio::main(flavor = "current_thread")]`, which cannot say how large the stacks of other threads are
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_stack_size(types::STACK).build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, seal, posts) = (start.table(), Arc::new(start.seal()), Posts::new(start.sockets()));
    let callers = Callers::new(table.clone(), seal, &start.allowed_networks(), Scope::Inbox);
    let (open, types) = (start.text("INBOX_AUTH") == "open", Types::default());
    let pages = Pages::Listed(start.listed(&table));
    let state = State { callers, open, lines: Lines { table: table.clone(), posts }, table, types };
    start.http(router(state), pages).await
}

/// The routes, to serve.
fn router(state: State) -> axum::Router {
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
    passes::ticket,
    passes::token,
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
    marks::mark,
    seed::create,
    seed::everything,
    seed::of_user,
    seed::read
))]
struct Description;

/// The description of the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(send::to_user, list::list))
        .routes(routes!(send::to_many))
        .routes(routes!(send::to_group, list::of_group))
        .routes(routes!(send::to_everyone, list::of_everyone))
        .routes(routes!(list::get_of_group))
        .routes(routes!(list::get_of_everyone))
        .routes(routes!(passes::ticket))
        .routes(routes!(passes::token))
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
        .routes(routes!(marks::mark))
        .routes(routes!(seed::create, seed::everything))
        .routes(routes!(seed::of_user, seed::read))
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
