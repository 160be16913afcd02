//! Credentials of a new socket: a ticket, a user's token, an application's key pair or own token (in the header), or none for
//! an open inbox.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::AppId;
use domain::application::Access;
use domain::notification::is_valid_name;
use domain::socket::ConnectionUser;
use entry::http::AuthError;

use crate::context::Context;
use crate::error::SocketError;

/// The prefix of subprotocols that carry a token (AWS, 2.6).
pub(crate) const BEARER_SUBPROTOCOL: &str = "bearer.";

/// The authenticated user of a request; `None` without valid credentials. `named` is the user that its path names.
///
/// # Errors
/// If there were too many failed attempts, an issuer is unavailable, or the table cannot be read.
pub(crate) async fn authenticate(
    context: &Context,
    headers: &HeaderMap,
    query: &HashMap<String, String>,
    named: Option<&str>,
) -> Result<Option<ConnectionUser>, SocketError> {
    let has_key = headers.contains_key("x-api-key");
    let ticket = query.get("ticket").cloned();
    let credential = ticket.or_else(|| request_token(headers, query).filter(|_| !has_key));
    let is_application =
        entry::http::bearer_token(headers).ok().flatten().is_some_and(entry::http::is_application_token);
    let user = if let Some(credential) = credential.filter(|_| !is_application) {
        let app = query.get("applicationId").and_then(|it| it.parse().ok());
        let app = app.or_else(|| entry::http::named_application(headers));
        none_if_rejected(context.authenticator.authenticate_user(headers, &credential, app).await)?
    } else if is_application || has_key {
        let user = named.or_else(|| query.get("user").map(String::as_str)).filter(|it| is_valid_name(it));
        let principal = none_if_rejected(context.authenticator.authenticate(headers, Access::Change).await)?;
        let user_of = |(app, user): (AppId, &str)| ConnectionUser::new(app, user.to_owned(), Vec::new());
        principal.map(|it| it.app).zip(user).map(user_of)
    } else if let Some(user) = named.filter(|it| context.open_inbox && is_valid_name(it)) {
        let app = context.table.open_inbox().await?;
        app.map(|app| ConnectionUser::new(app, user.to_owned(), Vec::new()))
    } else {
        None
    };
    // the path may name no other user
    Ok(user.filter(|it| named.is_none_or(|named| named == it.user)))
}

/// Turns credentials that are not valid into `None`.
fn none_if_rejected<T>(outcome: Result<T, AuthError>) -> Result<Option<T>, AuthError> {
    match outcome {
        Ok(caller) => Ok(Some(caller)),
        Err(
            AuthError::InvalidCredentials
            | AuthError::MissingCredentials
            | AuthError::ExpiredToken
            | AuthError::TokenNotYetValid
            | AuthError::InsufficientScope(_),
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The token of a request: in the header, in the query as browsers' SignalR clients send it, or beside the subprotocol (base64url).
fn request_token(headers: &HeaderMap, query: &HashMap<String, String>) -> Option<String> {
    let header = entry::http::bearer_token(headers).ok().flatten();
    let offered =
        || offered_subprotocols(headers).find_map(|it| it.strip_prefix(BEARER_SUBPROTOCOL).map(str::to_owned));
    let beside = || offered().and_then(|it| String::from_utf8(URL_SAFE_NO_PAD.decode(it).ok()?).ok());
    header.map(str::to_owned).or_else(|| query.get("access_token").cloned()).or_else(beside)
}

/// The subprotocols that a client offers, in its order.
pub(crate) fn offered_subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    all.filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(',')).map(str::trim).filter(|it| !it.is_empty())
}
