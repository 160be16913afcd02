//! Who wants in: a ticket, a user's token, an application's key pair or own token (in the header), or, for an open inbox, anybody.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::notification::is_valid_name;
use domain::socket::ConnectionUser;
use entry::http::AuthError;

use crate::handler::{Context, SocketError};

/// Subprotocols that carry a token and are no protocol (AWS, 2.6).
pub(crate) const BEARER_SUBPROTOCOL: &str = "bearer.";

/// The member that a request proves to be; `None` if it proves nothing. `named` is the user that its path names.
pub(crate) async fn authenticate(
    parts: &Context,
    headers: &HeaderMap,
    query: &HashMap<String, String>,
    named: Option<&str>,
) -> Result<Option<ConnectionUser>, SocketError> {
    let credential = query.get("ticket").cloned();
    let pass = credential.or_else(|| request_token(headers, query).filter(|_| !headers.contains_key("x-api-key")));
    let own = entry::http::bearer_token(headers).ok().flatten().is_some_and(entry::http::is_application_token);
    let found = if let Some(pass) = pass.filter(|_| !own) {
        let app = query.get("applicationId").and_then(|it| it.parse().ok());
        none_if_rejected(
            parts
                .callers
                .authenticate_user(headers, &pass, app.or_else(|| entry::http::named_application(headers)))
                .await,
        )?
    } else if own || headers.contains_key("x-api-key") {
        let user = named.or_else(|| query.get("user").map(String::as_str)).filter(|it| is_valid_name(it));
        let app = none_if_rejected(parts.callers.authenticate(headers).await)?;
        app.zip(user).map(|(it, user)| ConnectionUser { app: it.app, user: user.to_owned(), groups: Vec::new() })
    } else if let Some(user) = named.filter(|it| parts.open_inbox && is_valid_name(it)) {
        let app = parts.table.open_inbox().await?;
        app.map(|app| ConnectionUser { app, user: user.to_owned(), groups: Vec::new() })
    } else {
        None
    };
    // whoever names a user in the path must be that user
    Ok(found.filter(|it| named.is_none_or(|named| named == it.user)))
}

fn none_if_rejected<T>(checked: Result<T, AuthError>) -> Result<Option<T>, AuthError> {
    match checked {
        Ok(it) => Ok(Some(it)),
        Err(
            AuthError::InvalidCredentials
            | AuthError::MissingCredentials
            | AuthError::ExpiredToken
            | AuthError::TokenNotYetValid
            | AuthError::InsufficientScope(_),
        ) => Ok(None),
        Err(it) => Err(it),
    }
}

/// The token of a request: in the header, in the query as browsers' SignalR clients send it, or beside the subprotocol.
fn request_token(headers: &HeaderMap, query: &HashMap<String, String>) -> Option<String> {
    let header = entry::http::bearer_token(headers).ok().flatten();
    let offered =
        || offered_subprotocols(headers).find_map(|it| it.strip_prefix(BEARER_SUBPROTOCOL).map(str::to_owned));
    let beside = || offered().and_then(|it| String::from_utf8(URL_SAFE_NO_PAD.decode(it).ok()?).ok());
    header.map(str::to_owned).or_else(|| query.get("access_token").cloned()).or_else(beside)
}

/// The subprotocols that a client offers, best first.
pub(crate) fn offered_subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    all.filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(',')).map(str::trim).filter(|it| !it.is_empty())
}
