//! Open connections: list, message and close them (realtime, section 7.2).

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::AppId;
use domain::notification::Stream;
use domain::socket::{BROADCAST_SHARDS, Connection, Protocol, broadcast_topic};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, ProblemType};
use inbox::connection_sender::SendOutcome;
use inbox::frame::Frame;
use inbox::path::{group_stream, user_stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use table::TableError;
use utoipa::ToSchema;

use crate::context::Context;
use crate::lookup::{PAGE_SIZE, find_connection, no_such_connection, open_connections};

/// The longest message to a connection, in bytes of JSON. API Gateway takes 128 KB (AWS, 1.4).
const MAX_MESSAGE: usize = 120_000;

/// An open connection.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConnectionOut {
    id: String,
    user: String,
    groups: Vec<String>,
    /// `native`, `signalr` or `seed`
    #[schema(value_type = String)]
    protocol: Protocol,
    since: String,
}

impl From<Connection> for ConnectionOut {
    fn from(connection: Connection) -> Self {
        let since = domain::rfc3339(domain::from_millis(connection.since));
        let Connection { id, member, protocol, .. } = connection;
        Self { id, user: member.user, groups: member.groups, protocol, since }
    }
}

/// A message to one connection. It is not stored. A SignalR client gets it as an invocation of the method `target`, a
/// native client as a frame `message`.
#[derive(Deserialize, ToSchema)]
#[schema(as = Word)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionMessage {
    /// 1 to 100 characters
    #[schema(example = "Refresh", min_length = 1, max_length = 100)]
    target: String,
    #[serde(default)]
    #[schema(value_type = Vec<Value>)]
    arguments: Vec<Value>,
}

/// A user's open connections, at most 500. A listed connection may have closed since.
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Connections", tag = "Sockets", security(("keys" = [])), params(("user" = String, Path)),
    responses((status = 200, body = Vec<ConnectionOut>)))]
pub(crate) async fn list_of_user(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(user): Path<String>,
) -> Result<Json<Vec<ConnectionOut>>, Problem> {
    list(&context, app, &user_stream(&user)?).await
}

/// A group's open connections, at most 500.
#[utoipa::path(get, path = "/api/v1/Groups/{group}/Connections", tag = "Sockets", security(("keys" = [])), params(("group" = String, Path)),
    responses((status = 200, body = Vec<ConnectionOut>)))]
pub(crate) async fn list_of_group(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(name): Path<String>,
) -> Result<Json<Vec<ConnectionOut>>, Problem> {
    list(&context, app, &group_stream(&name)?).await
}

/// How many connections are open.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConnectionCount {
    open: usize,
    /// Whether there are more than were counted, which are about 8,000
    more: bool,
}

/// How many connections the application has open. One that is counted may have closed since.
#[utoipa::path(get, path = "/api/v1/Everyone/Connections", tag = "Sockets", security(("keys" = [])),
    responses((status = 200, body = ConnectionCount)))]
pub(crate) async fn count(
    State(context): State<Context>,
    Caller(app): Caller,
) -> Result<Json<ConnectionCount>, Problem> {
    let mut count = ConnectionCount { open: 0, more: false };
    for shard in 0..BROADCAST_SHARDS {
        let subscribers = context.table.subscribers(app, &broadcast_topic(shard), None, PAGE_SIZE).await?;
        count.open += subscribers.len();
        count.more |= subscribers.len() == PAGE_SIZE as usize;
    }
    Ok(Json(count))
}

/// Closes a user's connections. A client whose token is still valid can connect again.
#[utoipa::path(delete, path = "/api/v1/Inbox/{user}/Connections", tag = "Sockets", security(("keys" = [])), params(("user" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn close_all_of_user(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(user): Path<String>,
) -> Result<StatusCode, Problem> {
    close_all(&context, app, &user_stream(&user)?).await
}

/// Closes a group's connections.
#[utoipa::path(delete, path = "/api/v1/Groups/{group}/Connections", tag = "Sockets", security(("keys" = [])), params(("group" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn close_all_of_group(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    close_all(&context, app, &group_stream(&name)?).await
}

/// One connection, if it is open.
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Connections/{id}", tag = "Sockets", security(("keys" = [])),
    params(("user" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = ConnectionOut), (status = 404, body = Problem)))]
pub(crate) async fn get(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<ConnectionOut>, Problem> {
    Ok(Json(find_connection(&context, app, Some(&user), &id).await?.into()))
}

/// Closes a connection.
#[utoipa::path(delete, path = "/api/v1/Inbox/{user}/Connections/{id}", tag = "Sockets", security(("keys" = [])),
    params(("user" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn close(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let connection = find_connection(&context, app, Some(&user), &id).await?;
    close_connection(&context, &connection).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a message to a connection at once. It is not stored: no inbox has it, and a client that missed it cannot catch up.
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Connections/{id}/Messages", tag = "Sockets", security(("keys" = [])),
    params(("user" = String, Path), ("id" = String, Path)), request_body = ConnectionMessage,
    responses((status = 202), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn send_message(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((user, id)): Path<(String, String)>,
    JsonBody(message): JsonBody<ConnectionMessage>,
) -> Result<StatusCode, Problem> {
    let connection = find_connection(&context, app, Some(&user), &id).await?;
    if !(1..=100).contains(&message.target.chars().count()) {
        return Err(Problem::invalid("target", "1 to 100 characters"));
    }
    let frame = Frame::Message { target: message.target, arguments: message.arguments };
    let texts = frame.encode(connection.protocol);
    let Some(text) = texts.first() else {
        return Err(Problem::invalid("target", "this connection's protocol knows notifications alone"));
    };
    if text.len() > MAX_MESSAGE {
        return Err(Problem::invalid("arguments", format!("at most {MAX_MESSAGE} bytes")));
    }
    let write_id = clock::random_alphanumeric(20);
    match context.sender.send(&connection.subscriber(), &texts, &write_id, clock::now()).await? {
        SendOutcome::Accepted => Ok(StatusCode::ACCEPTED),
        SendOutcome::Gone => {
            context.sender.unregister(&connection).await?;
            Err(no_such_connection())
        }
        SendOutcome::Busy(reason) => {
            tracing::info!("a message to a connection was not accepted: {reason}");
            Err(Problem::new(ProblemType::SlowConnection, "the connection is slow; try again"))
        }
    }
}

async fn list(context: &Context, app: AppId, stream: &Stream) -> Result<Json<Vec<ConnectionOut>>, Problem> {
    Ok(Json(open_connections(context, app, stream).await?.into_iter().map(ConnectionOut::from).collect()))
}

async fn close_all(context: &Context, app: AppId, stream: &Stream) -> Result<StatusCode, Problem> {
    loop {
        let subscribers = context.table.subscribers(app, &stream.to_string(), None, PAGE_SIZE).await?;
        for subscriber in &subscribers {
            match context.sender.connection_of(subscriber).await? {
                Some(connection) => close_connection(context, &connection).await?,
                None => context.table.delete_subscriber(app, &stream.to_string(), subscriber.key()).await?,
            }
        }
        if subscribers.len() < PAGE_SIZE as usize {
            return Ok(StatusCode::NO_CONTENT);
        }
    }
}

/// Closes a connection for good: a SignalR client with stateful reconnect cannot resume it.
async fn close_connection(context: &Context, connection: &Connection) -> Result<(), TableError> {
    context.sender.unregister(connection).await?;
    context.sender.management.close(&connection.id).await;
    Ok(())
}
