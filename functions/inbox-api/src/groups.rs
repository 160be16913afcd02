//! Groups of open connections, as the application may change them (realtime, section 7.2).

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use domain::notification::Stream;
use domain::socket::{Connection, HubConnection, MAX_GROUPS};
use entry::clock;
use entry::http::Problem;
use entry::http::auth::Caller;
use table::TableError;

use crate::connections::{find_connection, open_connections};
use crate::{Context, group_stream, user_stream};

/// Puts a connection into a group, until it closes.
#[utoipa::path(put, path = "/api/v1/Groups/{group}/Connections/{id}", tag = "Sockets", security(("keys" = [])),
    params(("group" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn join(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    group_stream(&name)?;
    add_to_group(&state, find_connection(&state, app, None, &id).await?, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a connection out of a group.
#[utoipa::path(delete, path = "/api/v1/Groups/{group}/Connections/{id}", tag = "Sockets", security(("keys" = [])),
    params(("group" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn leave(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    group_stream(&name)?;
    remove_from_group(&state, find_connection(&state, app, None, &id).await?, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts all connections that a user has now into a group. For later ones the ticket or token says it.
#[utoipa::path(put, path = "/api/v1/Groups/{group}/Users/{user}", tag = "Sockets", security(("keys" = [])),
    params(("group" = String, Path), ("user" = String, Path)),
    responses((status = 204), (status = 422, body = Problem)))]
pub(crate) async fn join_user(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path((name, user)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    group_stream(&name)?;
    for it in open_connections(&state, app, &user_stream(&user)?).await? {
        add_to_group(&state, it, &name).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Takes all connections that a user has now out of a group.
#[utoipa::path(delete, path = "/api/v1/Groups/{group}/Users/{user}", tag = "Sockets", security(("keys" = [])),
    params(("group" = String, Path), ("user" = String, Path)), responses((status = 204)))]
pub(crate) async fn leave_user(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path((name, user)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    group_stream(&name)?;
    for it in open_connections(&state, app, &user_stream(&user)?).await? {
        remove_from_group(&state, it, &name).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn add_to_group(state: &Context, mut it: Connection, name: &str) -> Result<(), Problem> {
    if it.member.groups.iter().any(|it| it == name) {
        return Ok(());
    }
    if it.member.groups.len() >= MAX_GROUPS {
        return Err(Problem::invalid("group", format!("a connection is in {MAX_GROUPS} groups at most")));
    }
    // whoever has not caught up yet receives nothing so far, and hears the group once it has
    let (channel, receiver) = (Stream::User(it.member.user.clone()).to_string(), it.subscriber());
    let live = state.table.subscriber(it.member.app, &channel, receiver.key()).await?.is_some();
    it.member.groups.push(name.to_owned());
    save_groups(state, &it).await?;
    if live {
        state.table.subscribe(&it, clock::now()).await?;
    }
    Ok(())
}

async fn remove_from_group(state: &Context, mut it: Connection, name: &str) -> Result<(), Problem> {
    it.member.groups.retain(|it| it != name);
    save_groups(state, &it).await?;
    let channel = Stream::Group(name.to_owned()).to_string();
    Ok(state.table.delete_subscriber(it.member.app, &channel, it.subscriber().key()).await?)
}

/// Keeps the groups of a connection, and of the SignalR connection that it carries.
async fn save_groups(state: &Context, it: &Connection) -> Result<(), TableError> {
    state.table.put_connection(it).await?;
    if let Some(hash) = &it.hub {
        let groups = |hub: &mut HubConnection| {
            hub.member.groups.clone_from(&it.member.groups);
            true
        };
        state.sender.update_hub(hash, groups).await?;
    }
    Ok(())
}
