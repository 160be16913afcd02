//! `$connect`: which protocol, who, from where; then the socket is open.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use domain::id::sha256_hex;
use domain::millis;
use domain::order::{Push, PushOrder};
use domain::socket::{Connection, Hub, Member, Protocol};
use entry::http::Unknown;
use entry::socket::Door;
use time::{Duration, OffsetDateTime};

use crate::credentials::{BEARER, member, offered};
use crate::handler::{Parts, Trouble};

const UNAUTHORIZED: Door = Door::Shut(401);
const FORBIDDEN: Door = Door::Shut(403);
const NOT_FOUND: Door = Door::Shut(404);
const TOO_MANY: Door = Door::Shut(429);
const UNAVAILABLE: Door = Door::Shut(503);

/// Where a client wants to: the path that CloudFront, or the local front door, puts into the query; without one, the
/// parameter `protocol`.
#[derive(Debug, PartialEq, Eq)]
enum Way<'a> {
    Native,
    Seed(&'a str),
    Hub,
}

fn way(query: &HashMap<String, String>) -> Option<Way<'_>> {
    if let Some(path) = query.get("path") {
        if let Some(user) = path.strip_prefix("/notifications/ws/") {
            return Some(Way::Seed(user));
        }
        return match path.as_str() {
            "/hubs/notifications" => Some(Way::Hub),
            "/api/v1/Inbox/Socket" => Some(Way::Native),
            _ => None,
        };
    }
    match query.get("protocol").map(String::as_str) {
        None | Some("native") => Some(Way::Native),
        Some("signalr") => Some(Way::Hub),
        Some("seed") => query.get("user").map(|it| Way::Seed(it)),
        Some(_) => None,
    }
}

pub(crate) async fn connect(
    parts: &Parts,
    now: OffsetDateTime,
    id: String,
    headers: &HeaderMap,
    query: &HashMap<String, String>,
) -> Result<Door, Trouble> {
    let Some(way) = way(query) else { return Ok(NOT_FOUND) };
    let (protocol, named) = match way {
        Way::Native => (Protocol::Native, None),
        Way::Seed(user) => (Protocol::Seed, Some(user)),
        Way::Hub => (Protocol::SignalR, None),
    };
    let since = millis(now);
    let (member, hub) = match query.get("id").filter(|_| protocol == Protocol::SignalR) {
        // the id is as good as a ticket: whoever negotiated was checked, and nobody else knows it
        // one that has ended is no guess: many clients come back with theirs at once
        Some(token) => match attach(parts, &sha256_hex(token.as_bytes()), &id, since).await? {
            Some(found) => found,
            None => return Ok(NOT_FOUND),
        },
        None => match member(parts, headers, query, named).await {
            Ok(Some(member)) => (member, None),
            Ok(None) => return Ok(UNAUTHORIZED),
            Err(Trouble::Credentials(Unknown::TooMany)) => return Ok(TOO_MANY),
            Err(Trouble::Credentials(Unknown::Unavailable(_))) => return Ok(UNAVAILABLE),
            Err(other) => return Err(other),
        },
    };
    if !from_home(parts, &member, headers).await? {
        return Ok(FORBIDDEN);
    }
    let connection = Connection { id, member, protocol, since, hub };
    parts.table.put_connection(&connection).await?;
    if protocol == Protocol::Seed {
        // its clients say nothing: they receive from the first moment on, and are told what is unread
        parts.table.put_receiver(&connection, now).await?;
        let channel = connection.channels().into_iter().next().unwrap_or_default();
        let order =
            PushOrder { only: Some(connection.id), ..PushOrder::new(connection.member.app, channel, Push::Greet) };
        parts.pushes.send(&order, Duration::ZERO).await?;
    }
    Ok(Door::Open(offered(headers).find(|it| !it.starts_with(BEARER)).map(str::to_owned)))
}

/// Puts a new socket under a SignalR connection; answers whose it is, and its name if it outlives sockets.
async fn attach(parts: &Parts, hash: &str, id: &str, now: i64) -> Result<Option<(Member, Option<String>)>, Trouble> {
    let attach = |it: &mut Hub| {
        let may = it.may_attach(now);
        if may {
            it.attach(id, now);
        }
        may
    };
    let Some(hub) = parts.lines.change(hash, attach).await? else { return Ok(None) };
    if hub.stateful {
        return Ok(Some((hub.member, Some(hash.to_owned()))));
    }
    parts.table.delete_hub(hash).await?; // good for one socket
    Ok(Some((hub.member, None)))
}

/// Whether a page of this origin may open sockets: what is no browser has none; an application without a list takes all.
async fn from_home(parts: &Parts, member: &Member, headers: &HeaderMap) -> Result<bool, Trouble> {
    let Some(origin) = headers.get(header::ORIGIN).and_then(|it| it.to_str().ok()) else { return Ok(true) };
    Ok(parts.pages.opens(member.app, origin).await?)
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
            (query(&[("path", "/notifications/ws/123")]), Some(Way::Seed("123"))),
            (query(&[("path", "/hubs/notifications"), ("protocol", "native")]), Some(Way::Hub)),
            (query(&[("path", "/api/v1/Inbox/Socket")]), Some(Way::Native)),
            (query(&[("path", "/elsewhere")]), None),
            (query(&[]), Some(Way::Native)),
            (query(&[("protocol", "signalr")]), Some(Way::Hub)),
            (query(&[("protocol", "seed"), ("user", "7")]), Some(Way::Seed("7"))),
            (query(&[("protocol", "seed")]), None),
            (query(&[("protocol", "mqtt")]), None),
        ] {
            assert_eq!(way(&all), want, "{all:?}");
        }
    }
}
