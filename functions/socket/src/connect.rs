//! `$connect`: which protocol, who, from where; then the socket is open.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use domain::command::{Push, PushCommand};
use domain::id::sha256_hex;
use domain::millis;
use domain::socket::{Connection, ConnectionUser, HubConnection, Protocol};
use entry::http::AuthError;
use entry::websocket::ConnectOutcome;
use time::{Duration, OffsetDateTime};

use crate::credentials::{BEARER_SUBPROTOCOL, authenticate, offered_subprotocols};
use crate::handler::{Context, SocketError};

const UNAUTHORIZED: ConnectOutcome = ConnectOutcome::Rejected(401);
const FORBIDDEN: ConnectOutcome = ConnectOutcome::Rejected(403);
const NOT_FOUND: ConnectOutcome = ConnectOutcome::Rejected(404);
const TOO_MANY: ConnectOutcome = ConnectOutcome::Rejected(429);
const UNAVAILABLE: ConnectOutcome = ConnectOutcome::Rejected(503);

/// Where a client wants to: the path that CloudFront, or the local front door, puts into the query; without one, the
/// parameter `protocol`.
#[derive(Debug, PartialEq, Eq)]
enum SocketRoute<'a> {
    Native,
    Legacy(&'a str),
    SignalR,
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
        Some("seed") => query.get("user").map(|it| SocketRoute::Legacy(it)),
        Some(_) => None,
    }
}

pub(crate) async fn connect(
    parts: &Context,
    now: OffsetDateTime,
    id: String,
    headers: &HeaderMap,
    query: &HashMap<String, String>,
) -> Result<ConnectOutcome, SocketError> {
    let Some(way) = route(query) else { return Ok(NOT_FOUND) };
    let (protocol, named) = match way {
        SocketRoute::Native => (Protocol::Native, None),
        SocketRoute::Legacy(user) => (Protocol::Seed, Some(user)),
        SocketRoute::SignalR => (Protocol::SignalR, None),
    };
    let since = millis(now);
    let (member, hub) = match query.get("id").filter(|_| protocol == Protocol::SignalR) {
        // the id is as good as a ticket: whoever negotiated was checked, and nobody else knows it
        // one that has ended is no guess: many clients come back with theirs at once
        Some(token) => match attach_socket(parts, &sha256_hex(token.as_bytes()), &id, since).await? {
            Some(found) => found,
            None => return Ok(NOT_FOUND),
        },
        None => match authenticate(parts, headers, query, named).await {
            Ok(Some(member)) => (member, None),
            Ok(None) => return Ok(UNAUTHORIZED),
            Err(SocketError::Credentials(AuthError::TooManyFailures)) => return Ok(TOO_MANY),
            Err(SocketError::Credentials(AuthError::IssuerUnavailable(_))) => return Ok(UNAVAILABLE),
            Err(other) => return Err(other),
        },
    };
    if !is_origin_allowed(parts, &member, headers).await? {
        return Ok(FORBIDDEN);
    }
    let connection = Connection { id, member, protocol, since, hub };
    parts.table.put_connection(&connection).await?;
    if protocol == Protocol::Seed {
        // its clients say nothing: they receive from the first moment on, and are told what is unread
        parts.table.subscribe(&connection, now).await?;
        let channel = connection.topics().into_iter().next().unwrap_or_default();
        let order =
            PushCommand { only: Some(connection.id), ..PushCommand::new(connection.member.app, channel, Push::Greet) };
        parts.push_queue.send(&order, Duration::ZERO).await?;
    }
    Ok(ConnectOutcome::Accepted(
        offered_subprotocols(headers).find(|it| !it.starts_with(BEARER_SUBPROTOCOL)).map(str::to_owned),
    ))
}

/// Puts a new socket under a SignalR connection; answers whose it is, and its name if it outlives sockets.
async fn attach_socket(
    parts: &Context,
    hash: &str,
    id: &str,
    now: i64,
) -> Result<Option<(ConnectionUser, Option<String>)>, SocketError> {
    let attach = |it: &mut HubConnection| {
        let may = it.may_attach(now);
        if may {
            it.attach(id, now);
        }
        may
    };
    let Some(hub) = parts.sender.update_hub(hash, attach).await? else { return Ok(None) };
    if hub.stateful {
        return Ok(Some((hub.member, Some(hash.to_owned()))));
    }
    parts.table.delete_hub_connection(hash).await?; // good for one socket
    Ok(Some((hub.member, None)))
}

/// Whether a page of this origin may open sockets: what is no browser has none; an application without a list takes all.
async fn is_origin_allowed(parts: &Context, member: &ConnectionUser, headers: &HeaderMap) -> Result<bool, SocketError> {
    let Some(origin) = headers.get(header::ORIGIN).and_then(|it| it.to_str().ok()) else { return Ok(true) };
    Ok(parts.pages.allows_websocket(member.app, origin).await?)
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
            (query(&[("protocol", "seed")]), None),
            (query(&[("protocol", "mqtt")]), None),
        ] {
            assert_eq!(route(&all), want, "{all:?}");
        }
    }
}
