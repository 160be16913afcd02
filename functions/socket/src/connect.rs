//! `$connect`: determines the protocol, authenticates the user, checks the origin, and stores the connection.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use domain::command::{Push, PushCommand};
use domain::id::sha256_hex;
use domain::millis;
use domain::socket::{Connection, ConnectionUser, HubConnection, Protocol};
use entry::http::AuthError;
use entry::websocket::ConnectOutcome;
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::credentials::{BEARER_SUBPROTOCOL, authenticate, offered_subprotocols};
use crate::error::SocketError;
use crate::oma;

const UNAUTHORIZED: ConnectOutcome = ConnectOutcome::Rejected(401);
const FORBIDDEN: ConnectOutcome = ConnectOutcome::Rejected(403);
const NOT_FOUND: ConnectOutcome = ConnectOutcome::Rejected(404);
const TOO_MANY: ConnectOutcome = ConnectOutcome::Rejected(429);
const UNAVAILABLE: ConnectOutcome = ConnectOutcome::Rejected(503);

/// What a client connects to: by the path that CloudFront, or the local HTTP gateway, puts into the query; without one, by
/// the parameter `protocol`.
#[derive(Debug, PartialEq, Eq)]
enum SocketRoute<'a> {
    Native,
    /// With the user.
    Legacy(&'a str),
    SignalR,
    /// With the token of the `channelURL`.
    Oma(&'a str),
}

fn route(query: &HashMap<String, String>) -> Option<SocketRoute<'_>> {
    if let Some(path) = query.get("path") {
        if let Some(user) = path.strip_prefix("/notifications/ws/") {
            return Some(SocketRoute::Legacy(user));
        }
        return match path.as_str() {
            "/hubs/notifications" => Some(SocketRoute::SignalR),
            "/api/v1/Inbox/Socket" => Some(SocketRoute::Native),
            _ => None,
        };
    }
    match query.get("protocol").map(String::as_str) {
        None | Some("native") => Some(SocketRoute::Native),
        Some("signalr") => Some(SocketRoute::SignalR),
        Some("oma") => query.get("t").map(|it| SocketRoute::Oma(it)),
        Some("seed") => query.get("user").map(|it| SocketRoute::Legacy(it)),
        Some(_) => None,
    }
}

/// Accepts or rejects a connection, with an HTTP status.
pub(crate) async fn connect(
    context: &Context,
    now: OffsetDateTime,
    id: String,
    headers: &HeaderMap,
    query: &HashMap<String, String>,
) -> Result<ConnectOutcome, SocketError> {
    let Some(route) = route(query) else { return Ok(NOT_FOUND) };
    let (protocol, named) = match route {
        SocketRoute::Native => (Protocol::Native, None),
        SocketRoute::Legacy(user) => (Protocol::Legacy, Some(user)),
        SocketRoute::SignalR => (Protocol::SignalR, None),
        SocketRoute::Oma(token) => return oma::connect(context, now, id, headers, token).await,
    };
    let now_ms = millis(now);
    let (member, hub) = match query.get("id").filter(|_| protocol == Protocol::SignalR) {
        // the connection token authenticates: only the client that negotiated knows it. An ended one does not count as a
        // failed attempt, since many clients may reconnect with theirs at once
        Some(token) => match attach_socket(context, &sha256_hex(token.as_bytes()), &id, now_ms).await? {
            Some(attached) => attached,
            None => return Ok(NOT_FOUND),
        },
        None => match authenticate(context, headers, query, named).await {
            Ok(Some(member)) => (member, None),
            Ok(None) => return Ok(UNAUTHORIZED),
            Err(SocketError::Auth(AuthError::TooManyFailures)) => return Ok(TOO_MANY),
            Err(SocketError::Auth(AuthError::IssuerUnavailable(_))) => return Ok(UNAVAILABLE),
            Err(other) => return Err(other),
        },
    };
    if !is_origin_allowed(context, &member, headers).await? {
        return Ok(FORBIDDEN);
    }
    let connection = Connection { id, member, protocol, since: now_ms, hub, channel: None };
    context.table.put_connection(&connection).await?;
    if protocol == Protocol::Legacy {
        // legacy clients send nothing: they are subscribed at once, and get their unread notifications
        context.table.subscribe(&connection, now).await?;
        let topic = connection.topics().into_iter().next().unwrap_or_default();
        let greeting = PushCommand::new(connection.member.app, topic, Push::Greet);
        let greeting = PushCommand { only: Some(connection.id), ..greeting };
        context.push_queue.send(&greeting, Duration::ZERO).await?;
    }
    let subprotocol = offered_subprotocols(headers).find(|it| !it.starts_with(BEARER_SUBPROTOCOL));
    Ok(ConnectOutcome::Accepted(subprotocol.map(str::to_owned)))
}

/// Attaches a new socket to a SignalR connection. Returns its user, and its hash if it has stateful reconnect; `None` if there
/// is no such connection, or it cannot take a socket.
async fn attach_socket(
    context: &Context,
    hash: &str,
    id: &str,
    now_ms: i64,
) -> Result<Option<(ConnectionUser, Option<String>)>, SocketError> {
    let attach = |hub: &mut HubConnection| {
        let may_attach = hub.may_attach(now_ms);
        if may_attach {
            hub.attach(id, now_ms);
        }
        may_attach
    };
    let Some(hub) = context.sender.update_hub(hash, attach).await? else { return Ok(None) };
    if hub.stateful {
        return Ok(Some((hub.member, Some(hash.to_owned()))));
    }
    context.table.delete_hub_connection(hash).await?; // it is valid for one socket
    Ok(Some((hub.member, None)))
}

/// Whether a page of the request's origin may open sockets. Clients other than browsers send no origin; an application without
/// a list allows every origin.
async fn is_origin_allowed(
    context: &Context,
    member: &ConnectionUser,
    headers: &HeaderMap,
) -> Result<bool, SocketError> {
    let Some(origin) = headers.get(header::ORIGIN).and_then(|it| it.to_str().ok()) else { return Ok(true) };
    Ok(context.allowed_origins.allows_websocket(member.app, origin).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_or_a_parameter_names_the_protocol() {
        let query = |all: &[(&str, &str)]| -> HashMap<String, String> {
            all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        for (all, want) in [
            (query(&[("path", "/notifications/ws/123")]), Some(SocketRoute::Legacy("123"))),
            (query(&[("path", "/hubs/notifications"), ("protocol", "native")]), Some(SocketRoute::SignalR)),
            (query(&[("path", "/api/v1/Inbox/Socket")]), Some(SocketRoute::Native)),
            (query(&[("path", "/elsewhere")]), None),
            (query(&[]), Some(SocketRoute::Native)),
            (query(&[("protocol", "signalr")]), Some(SocketRoute::SignalR)),
            (query(&[("protocol", "seed"), ("user", "7")]), Some(SocketRoute::Legacy("7"))),
            (query(&[("protocol", "oma"), ("t", "a.b")]), Some(SocketRoute::Oma("a.b"))),
            (query(&[("protocol", "oma")]), None),
            (query(&[("protocol", "seed")]), None),
            (query(&[("protocol", "mqtt")]), None),
        ] {
            assert_eq!(route(&all), want, "{all:?}");
        }
    }
}
