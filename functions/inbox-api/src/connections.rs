//! Open connections, as the application may manage them: who is there, a word to one of them, closing (realtime, section
//! 7.2).

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use domain::AppId;
use domain::notification::Stream;
use domain::socket::{Connection, Protocol};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, ProblemType};
use inbox::connection_sender::SendOutcome;
use inbox::frame::Frame;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use table::TableError;
use utoipa::ToSchema;

use crate::{Context, group_stream, user_stream};

/// Connections of a channel that are read at once.
const PAGE_SIZE: i32 = 500;
/// The longest word to a connection, in bytes of JSON: a message has at most 128 KB (AWS, 1.4).
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
    fn from(it: Connection) -> Self {
        let since = domain::rfc3339(domain::from_millis(it.since));
        Self { id: it.id, user: it.member.user, groups: it.member.groups, protocol: it.protocol, since }
    }
}

/// A word to one connection, which is kept nowhere: a call of a method of a SignalR client, or a frame `message`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Word {
    /// 1 to 100 characters
    #[schema(example = "Refresh", min_length = 1, max_length = 100)]
    target: String,
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    arguments: Vec<Value>,
}

/// A user's open connections, at most 500. What is listed may have gone a moment ago.
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Connections", tag = "Sockets", security(("keys" = [])), params(("user" = String, Path)),
    responses((status = 200, body = Vec<ConnectionOut>)))]
pub(crate) async fn of_user(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(user): Path<String>,
) -> Result<Json<Vec<ConnectionOut>>, Problem> {
    list(&state, app, &user_stream(&user)?).await
}

/// A group's open connections, at most 500.
#[utoipa::path(get, path = "/api/v1/Groups/{group}/Connections", tag = "Sockets", security(("keys" = [])), params(("group" = String, Path)),
    responses((status = 200, body = Vec<ConnectionOut>)))]
pub(crate) async fn of_group(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(name): Path<String>,
) -> Result<Json<Vec<ConnectionOut>>, Problem> {
    list(&state, app, &group_stream(&name)?).await
}

/// Closes a user's connections; whoever's token is still good may come back.
#[utoipa::path(delete, path = "/api/v1/Inbox/{user}/Connections", tag = "Sockets", security(("keys" = [])), params(("user" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn close_user(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(user): Path<String>,
) -> Result<StatusCode, Problem> {
    close_all(&state, app, &user_stream(&user)?).await
}

/// Closes a group's connections.
#[utoipa::path(delete, path = "/api/v1/Groups/{group}/Connections", tag = "Sockets", security(("keys" = [])), params(("group" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn close_group(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    close_all(&state, app, &group_stream(&name)?).await
}

/// One connection, if it is open.
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Connections/{id}", tag = "Sockets", security(("keys" = [])),
    params(("user" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = ConnectionOut), (status = 404, body = Problem)))]
pub(crate) async fn get(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<ConnectionOut>, Problem> {
    Ok(Json(find_connection(&state, app, Some(&user), &id).await?.into()))
}

/// Closes a connection.
#[utoipa::path(delete, path = "/api/v1/Inbox/{user}/Connections/{id}", tag = "Sockets", security(("keys" = [])),
    params(("user" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn close(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let connection = find_connection(&state, app, Some(&user), &id).await?;
    close_connection(&state, &connection).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says a word to a connection, at once: it is in no inbox, and nobody catches up with it.
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Connections/{id}/Messages", tag = "Sockets", security(("keys" = [])),
    params(("user" = String, Path), ("id" = String, Path)), request_body = Word,
    responses((status = 202), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn say(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path((user, id)): Path<(String, String)>,
    JsonBody(it): JsonBody<Word>,
) -> Result<StatusCode, Problem> {
    let connection = find_connection(&state, app, Some(&user), &id).await?;
    if !(1..=100).contains(&it.target.chars().count()) {
        return Err(Problem::invalid("target", "1 to 100 characters"));
    }
    let texts = Frame::Message { target: it.target, arguments: it.arguments }.texts(connection.protocol);
    let Some(text) = texts.first() else {
        return Err(Problem::invalid("target", "this connection's protocol knows notifications alone"));
    };
    if text.len() > MAX_MESSAGE {
        return Err(Problem::invalid("arguments", format!("at most {MAX_MESSAGE} bytes")));
    }
    match state.sender.tell(&connection.subscriber(), &texts, &clock::random_alphanumeric(20), clock::now()).await? {
        SendOutcome::Accepted => Ok(StatusCode::ACCEPTED),
        SendOutcome::Gone => {
            state.sender.unregister(&connection).await?;
            Err(no_such_connection())
        }
        SendOutcome::Busy(why) => {
            tracing::info!("a word to a connection was not taken: {why}");
            Err(Problem::new(ProblemType::SlowConnection, "the connection is slow; try again"))
        }
    }
}

/// Ids of connections are sixteen letters (API Gateway); what is much longer is none, and too long for a key.
const MAX_ID: usize = 128;

fn no_such_connection() -> Problem {
    Problem::new(ProblemType::NoSuchConnection, "there is no open connection of that id")
}

/// A connection of the application, and of the user if one is named.
pub(crate) async fn find_connection(
    state: &Context,
    app: AppId,
    user: Option<&str>,
    id: &str,
) -> Result<Connection, Problem> {
    if id.len() > MAX_ID {
        return Err(no_such_connection());
    }
    let found = state.table.connection(id).await?;
    let own = |it: &Connection| it.member.app == app && user.is_none_or(|user| user == it.member.user);
    found.filter(own).ok_or_else(no_such_connection)
}

/// The connections that receive on a channel.
pub(crate) async fn open_connections(
    state: &Context,
    app: AppId,
    channel: &Stream,
) -> Result<Vec<Connection>, TableError> {
    let mut found = Vec::new();
    for it in state.table.receivers(app, &channel.to_string(), None, PAGE_SIZE).await? {
        // (a SignalR connection between two sockets has none of its own)
        found.extend(state.table.connection(&it.connection).await?);
    }
    Ok(found)
}

async fn list(state: &Context, app: AppId, channel: &Stream) -> Result<Json<Vec<ConnectionOut>>, Problem> {
    Ok(Json(open_connections(state, app, channel).await?.into_iter().map(ConnectionOut::from).collect()))
}

async fn close_all(state: &Context, app: AppId, channel: &Stream) -> Result<StatusCode, Problem> {
    loop {
        let receivers = state.table.receivers(app, &channel.to_string(), None, PAGE_SIZE).await?;
        for it in &receivers {
            match state.sender.connection_of(it).await? {
                Some(connection) => close_connection(state, &connection).await?,
                None => state.table.delete_subscriber(app, &channel.to_string(), it.key()).await?,
            }
        }
        if receivers.len() < PAGE_SIZE as usize {
            return Ok(StatusCode::NO_CONTENT);
        }
    }
}

/// Closes a connection for good: a SignalR one cannot be taken up again.
async fn close_connection(state: &Context, it: &Connection) -> Result<(), TableError> {
    state.sender.unregister(it).await?;
    state.sender.management.close(&it.id).await;
    Ok(())
}
