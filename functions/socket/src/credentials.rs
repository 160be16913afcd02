//! Who wants in: a ticket, a user's token, an application's key pair or own token (in the header), or, for an open inbox, anybody.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::notification::is_name;
use domain::socket::Member;
use entry::http::Unknown;

use crate::handler::{Parts, Trouble};

/// Subprotocols that carry a token and are no protocol (AWS, 2.6).
pub(crate) const BEARER: &str = "bearer.";

/// The member that a request proves to be; `None` if it proves nothing. `named` is the user that its path names.
pub(crate) async fn member(
    parts: &Parts,
    headers: &HeaderMap,
    query: &HashMap<String, String>,
    named: Option<&str>,
) -> Result<Option<Member>, Trouble> {
    let pass = query.get("ticket").cloned();
    let pass = pass.or_else(|| token(headers, query).filter(|_| !headers.contains_key("x-api-key")));
    let own = entry::http::bearer(headers).ok().flatten().is_some_and(entry::http::speaks_for_all);
    let found = if let Some(pass) = pass.filter(|_| !own) {
        let app = query.get("applicationId").and_then(|it| it.parse().ok());
        known(parts.callers.member(headers, &pass, app.or_else(|| entry::http::named(headers))).await)?
    } else if own || headers.contains_key("x-api-key") {
        let user = named.or_else(|| query.get("user").map(String::as_str)).filter(|it| is_name(it));
        let app = known(parts.callers.check(headers).await)?;
        app.zip(user).map(|(it, user)| Member { app: it.app, user: user.to_owned(), groups: Vec::new() })
    } else if let Some(user) = named.filter(|it| parts.open && is_name(it)) {
        let app = parts.table.open_inbox().await?;
        app.map(|app| Member { app, user: user.to_owned(), groups: Vec::new() })
    } else {
        None
    };
    // whoever names a user in the path must be that user
    Ok(found.filter(|it| named.is_none_or(|named| named == it.user)))
}

fn known<T>(checked: Result<T, Unknown>) -> Result<Option<T>, Unknown> {
    match checked {
        Ok(it) => Ok(Some(it)),
        Err(Unknown::Credentials | Unknown::Missing | Unknown::Expired | Unknown::Early | Unknown::Scope(_)) => {
            Ok(None)
        }
        Err(it) => Err(it),
    }
}

/// The token of a request: in the header, in the query as browsers' SignalR clients send it, or beside the subprotocol.
fn token(headers: &HeaderMap, query: &HashMap<String, String>) -> Option<String> {
    let header = entry::http::bearer(headers).ok().flatten();
    let offered = || offered(headers).find_map(|it| it.strip_prefix(BEARER).map(str::to_owned));
    let beside = || offered().and_then(|it| String::from_utf8(URL_SAFE_NO_PAD.decode(it).ok()?).ok());
    header.map(str::to_owned).or_else(|| query.get("access_token").cloned()).or_else(beside)
}

/// The subprotocols that a client offers, best first.
pub(crate) fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    all.filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(',')).map(str::trim).filter(|it| !it.is_empty())
}
