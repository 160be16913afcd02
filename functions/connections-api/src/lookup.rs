//! Finds open connections by id, and by the stream that they subscribe to.

use domain::AppId;
use domain::notification::Stream;
use domain::socket::Connection;
use entry::http::{Problem, ProblemType};
use table::TableError;

use crate::context::Context;

/// The subscribers of a stream that one query reads, and so the longest list of connections.
pub(crate) const PAGE_SIZE: i32 = 500;
/// API Gateway's connection ids have 16 characters. A longer text than this cannot be one, and would not fit into a key.
const MAX_ID_BYTES: usize = 128;

/// The answer 404 for a connection.
pub(crate) fn no_such_connection() -> Problem {
    Problem::new(ProblemType::NoSuchConnection, "there is no open connection of that id")
}

/// An open connection of the application, and of `user` if one is given.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn find_connection(
    context: &Context,
    app: AppId,
    user: Option<&str>,
    id: &str,
) -> Result<Connection, Problem> {
    if id.len() > MAX_ID_BYTES {
        return Err(no_such_connection());
    }
    let connection = context.table.connection(id).await?;
    let is_own = |found: &Connection| found.member.app == app && user.is_none_or(|user| user == found.member.user);
    connection.filter(is_own).ok_or_else(no_such_connection)
}

/// The first [`PAGE_SIZE`] open connections that subscribe to a stream.
pub(crate) async fn open_connections(
    context: &Context,
    app: AppId,
    stream: &Stream,
) -> Result<Vec<Connection>, TableError> {
    let mut connections = Vec::new();
    for subscriber in context.table.subscribers(app, &stream.to_string(), None, PAGE_SIZE).await? {
        // a SignalR connection that has lost its socket has no connection row
        connections.extend(context.table.connection(&subscriber.connection).await?);
    }
    Ok(connections)
}
