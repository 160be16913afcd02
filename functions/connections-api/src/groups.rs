//! Groups of open connections: the application adds and removes them (realtime, section 7.2).

use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::notification::Stream;
use domain::socket::{Connection, HubConnection, MAX_GROUPS};
use entry::clock;
use entry::http::Problem;
use entry::http::auth::Caller;
use inbox::path::{group_stream, user_stream};
use table::TableError;

use crate::context::Context;
use crate::lookup::{find_connection, open_connections};

/// Adds a connection to a group, until it closes.
#[utoipa::path(put, path = "/api/v1/Groups/{group}/Connections/{id}", tag = "Sockets", security(("keys" = [])),
    params(("group" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn join(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    group_stream(&name)?;
    add_to_group(&context, find_connection(&context, app, None, &id).await?, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a connection from a group.
#[utoipa::path(delete, path = "/api/v1/Groups/{group}/Connections/{id}", tag = "Sockets", security(("keys" = [])),
    params(("group" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn leave(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    group_stream(&name)?;
    remove_from_group(&context, find_connection(&context, app, None, &id).await?, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds a user's open connections to a group. Later connections take their groups from their ticket or token.
#[utoipa::path(put, path = "/api/v1/Groups/{group}/Users/{user}", tag = "Sockets", security(("keys" = [])),
    params(("group" = String, Path), ("user" = String, Path)),
    responses((status = 204), (status = 422, body = Problem)))]
pub(crate) async fn join_user(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((name, user)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    group_stream(&name)?;
    for connection in open_connections(&context, app, &user_stream(&user)?).await? {
        add_to_group(&context, connection, &name).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a user's open connections from a group.
#[utoipa::path(delete, path = "/api/v1/Groups/{group}/Users/{user}", tag = "Sockets", security(("keys" = [])),
    params(("group" = String, Path), ("user" = String, Path)), responses((status = 204)))]
pub(crate) async fn leave_user(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((name, user)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    group_stream(&name)?;
    for connection in open_connections(&context, app, &user_stream(&user)?).await? {
        remove_from_group(&context, connection, &name).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn add_to_group(context: &Context, mut connection: Connection, name: &str) -> Result<(), Problem> {
    if connection.member.groups.iter().any(|group| group == name) {
        return Ok(());
    }
    if connection.member.groups.len() >= MAX_GROUPS {
        return Err(Problem::invalid("group", format!("a connection is in {MAX_GROUPS} groups at most")));
    }
    // a connection that has not resumed yet is not subscribed; it subscribes to the group when it resumes
    let (topic, subscriber) = (Stream::User(connection.member.user.clone()).to_string(), connection.subscriber());
    let is_subscribed = context.table.subscriber(connection.member.app, &topic, subscriber.key()).await?.is_some();
    connection.member.groups.push(name.to_owned());
    save_groups(context, &connection).await?;
    if is_subscribed {
        context.table.subscribe(&connection, clock::now()).await?;
    }
    Ok(())
}

async fn remove_from_group(context: &Context, mut connection: Connection, name: &str) -> Result<(), Problem> {
    connection.member.groups.retain(|group| group != name);
    save_groups(context, &connection).await?;
    let topic = Stream::Group(name.to_owned()).to_string();
    Ok(context.table.delete_subscriber(connection.member.app, &topic, connection.subscriber().key()).await?)
}

/// Stores the groups of a connection, and of the SignalR connection that it carries.
async fn save_groups(context: &Context, connection: &Connection) -> Result<(), TableError> {
    context.table.put_connection(connection).await?;
    if let Some(hash) = &connection.hub {
        let set_groups = |hub: &mut HubConnection| {
            hub.member.groups.clone_from(&connection.member.groups);
            true
        };
        context.sender.update_hub(hash, set_groups).await?;
    }
    Ok(())
}
