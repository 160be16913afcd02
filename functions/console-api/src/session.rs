//! `/console/session`: signs in, goes on, and signs out. A session is a cookie that no script can read; what it gives is an access
//! token of some minutes, for the public API.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::application::{Access, Scope};
use domain::id::sha256_hex;
use domain::{from_millis, millis, rfc3339};
use entry::clock;
use entry::http::auth::check_named_application;
use entry::http::auth::sign_in::SignedIn;
use entry::http::{AuthError, JsonBody, Principal, Problem, ProblemType, auth_problem, bearer_expiry};
use serde::{Deserialize, Serialize};
use table::{Session, TableError};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::context::Context;
use crate::cookie::{Cookie, check_origin, check_sender};

/// How long an access token is good. A key that is revoked, or signs out, is out after this time.
const TOKEN_LIFETIME: Duration = Duration::minutes(5);
/// How long a session lasts without being used, and in all.
const SESSION_LIFETIME: Duration = Duration::hours(12);
const LONGEST_SESSION: Duration = Duration::days(7);
/// A session is extended once this much of its time is over, so that not each request writes.
const EXTEND_AFTER: Duration = Duration::hours(1);

/// How to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// A code of `POST /console/codes`, instead of credentials
    #[serde(default)]
    code: Option<String>,
    /// Whether the code signs in also where a session is there, which ends; by default the answer is 409 then, and the code stays
    /// good: a link of somebody else's must not change who is signed in
    #[serde(default)]
    replace: bool,
}

/// A session, and a token for it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionOut {
    application_id: String,
    /// The application's name
    application: String,
    /// For `Authorization: Bearer …`, for five minutes: ask for the next one here. Keep it in memory alone
    access_token: String,
    access_token_expiration: String,
    session_expiration: String,
    scopes: Vec<&'static str>,
    /// The id of the key that signed in
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    /// Where sockets are; absent if they are on this host, at `/api/v1/Inbox/Socket`
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_url: Option<String>,
}

/// Signs in: with a key pair, with a token of the application or of an OpenID Connect issuer that it trusts
/// (`x-application-id` names the application), or with a code. The answer sets a cookie, with which the same request goes on: it
/// gives the next access token. The console's pages do this; any client may.
#[utoipa::path(post, path = "/console/session", tag = "Console", security(("keys" = [])), request_body = SignIn,
    responses((status = 200, body = SessionOut), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem)))]
pub(crate) async fn sign_in(
    State(context): State<Context>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SignIn>,
) -> Result<Response, Problem> {
    let now = clock::now();
    check_origin(&headers)?;
    if let Some(code) = body.code {
        if !body.replace && is_signed_in(&context, &headers, now).await? {
            return Err(Problem::new(ProblemType::SignedIn, "say `replace` to end the session that is there"));
        }
        let redeemed = context.table.redeem_sign_in_code(&sha256_hex(code.as_bytes()), now).await?;
        let wrong = || auth_problem(context.authenticator.record_failure(&headers));
        return begin(&context, &headers, redeemed.ok_or_else(wrong)?, now).await;
    }
    if headers.contains_key("x-api-key") || headers.contains_key(header::AUTHORIZATION) {
        let principal = context.authenticator.principal(&headers).await.map_err(auth_problem)?;
        check_named_application(&headers, principal.app)?;
        return begin(&context, &headers, session(principal, latest_end(&headers, now), now), now).await;
    }
    let Some(secret) = Cookie::Session.value(&headers) else {
        return Err(auth_problem(AuthError::MissingCredentials));
    };
    check_sender(&headers)?;
    go_on(&context, &headers, secret, now).await
}

/// Signs out: ends the session of the request's cookie, and forgets the cookie.
#[utoipa::path(delete, path = "/console/session", tag = "Console", responses((status = 204), (status = 403, body = Problem)))]
pub(crate) async fn sign_out(State(context): State<Context>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(secret) = Cookie::Session.value(&headers) {
        check_sender(&headers)?;
        context.table.delete_session(&sha256_hex(secret.as_bytes())).await?;
    }
    Ok(with_cookie(StatusCode::NO_CONTENT, Cookie::Session.forget(&headers)))
}

/// Up to when a session of a request's credentials can be extended, in milliseconds since 1970. Without a key pair it ends with the
/// token, also if that is a session's own: whoever gets hold of a token has it for no longer.
pub(crate) fn latest_end(headers: &HeaderMap, now: OffsetDateTime) -> i64 {
    let longest = millis(now + LONGEST_SESSION);
    let has_key = headers.get("x-api-key").and_then(|it| it.to_str().ok()).is_some_and(|it| !it.is_empty());
    let expiry = bearer_expiry(headers).filter(|_| !has_key);
    expiry.map_or(longest, |it| it.saturating_mul(1_000).min(longest))
}

/// A session of a principal that can be extended up to `latest`, in milliseconds since 1970.
pub(crate) fn session(principal: Principal, latest: i64, now: OffsetDateTime) -> Session {
    let Principal { app, key_id, scopes } = principal;
    Session { app, scopes, key_id, issuer: None, until: millis(now + SESSION_LIFETIME).min(latest), latest }
}

/// A session of whoever has signed in at an issuer. It is not extended: whether the issuer still signs the visitor in shows then.
pub(crate) fn session_of_issuer(signed_in: SignedIn, now: OffsetDateTime) -> Session {
    let latest = millis(now + SESSION_LIFETIME);
    Session { issuer: Some(signed_in.issuer), ..session(signed_in.principal, latest, now) }
}

/// Whether a request's cookie is that of a session.
async fn is_signed_in(context: &Context, headers: &HeaderMap, now: OffsetDateTime) -> Result<bool, TableError> {
    match Cookie::Session.value(headers) {
        Some(secret) => Ok(context.table.session(&sha256_hex(secret.as_bytes()), now).await?.is_some()),
        None => Ok(false),
    }
}

/// Begins a session, and answers with its cookie.
async fn begin(
    context: &Context,
    headers: &HeaderMap,
    session: Session,
    now: OffsetDateTime,
) -> Result<Response, Problem> {
    let (secret, session) = store_new(context, headers, session, now).await?;
    respond(context, headers, &session, &secret, now).await
}

/// Stores a new session under a secret of its own, and answers both. The session that the browser had ends.
///
/// # Errors
/// 403 without a scope that the console could use.
pub(crate) async fn store_new(
    context: &Context,
    headers: &HeaderMap,
    session: Session,
    now: OffsetDateTime,
) -> Result<(String, Session), Problem> {
    if !Scope::ALL.into_iter().any(|it| principal(&session).may(it, Access::Read)) {
        return Err(Problem::new(ProblemType::Scope, "the credentials have no scope that the console could use"));
    }
    let session = Session { until: millis(now + SESSION_LIFETIME).min(session.latest), ..session };
    let secret = clock::random_alphanumeric(43); // 256 bits
    context.table.put_session(&sha256_hex(secret.as_bytes()), &session).await?;
    if let Some(replaced) = Cookie::Session.value(headers) {
        context.table.delete_session(&sha256_hex(replaced.as_bytes())).await?;
    }
    Ok((secret, session))
}

/// Goes on with the session of a secret, as long as its key or its issuer is there.
async fn go_on(context: &Context, headers: &HeaderMap, secret: &str, now: OffsetDateTime) -> Result<Response, Problem> {
    let hash = sha256_hex(secret.as_bytes());
    let ended = || {
        let problem = auth_problem(AuthError::ExpiredToken).into_response();
        Ok(with_cookie(problem, Cookie::Session.forget(headers)))
    };
    let Some(mut session) = context.table.session(&hash, now).await? else { return ended() };
    if let Some(id) = &session.key_id {
        let key = context.table.api_key_of_id(id).await?;
        let Some(key) = key.filter(|it| it.app == session.app && !it.has_expired(millis(now))) else {
            context.table.delete_session(&hash).await?;
            return ended();
        };
        session.scopes.retain(|it| key.scopes.contains(it));
    }
    if let Some(issuer) = &session.issuer {
        let granted = context.authenticator.sign_in_scopes(session.app, issuer).await.map_err(auth_problem)?;
        session.scopes.retain(|it| granted.contains(it));
        if session.scopes.is_empty() {
            context.table.delete_session(&hash).await?;
            return ended();
        }
    }
    let until = millis(now + SESSION_LIFETIME).min(session.latest);
    if until - session.until > millis_of(EXTEND_AFTER) {
        session.until = until;
        // whoever signs out at the same time stays signed out
        if !context.table.extend_session(&hash, &session).await? {
            return ended();
        }
    }
    respond(context, headers, &session, secret, now).await
}

async fn respond(
    context: &Context,
    headers: &HeaderMap,
    session: &Session,
    secret: &str,
    now: OffsetDateTime,
) -> Result<Response, Problem> {
    let application = context.authenticator.application(session.app).await.map_err(auth_problem)?;
    let ends = from_millis(session.until);
    let lifetime = TOKEN_LIFETIME.min(ends - now);
    let access_token = context.authenticator.issue_session_token(principal(session), lifetime).await;
    let body = SessionOut {
        application_id: session.app.to_string(),
        application: application.name,
        access_token: access_token.map_err(auth_problem)?,
        access_token_expiration: rfc3339(now + lifetime),
        session_expiration: rfc3339(ends),
        scopes: session.scopes.iter().map(|it| it.name()).collect(),
        key_id: session.key_id.clone(),
        socket_url: context.socket_url.clone(),
    };
    Ok(with_cookie(Json(body), Cookie::Session.set(headers, secret, ends - now)))
}

fn principal(session: &Session) -> Principal {
    Principal { app: session.app, key_id: session.key_id.clone(), scopes: session.scopes.clone() }
}

fn millis_of(duration: Duration) -> i64 {
    i64::try_from(duration.whole_milliseconds()).unwrap_or(i64::MAX)
}

/// A response that sets a cookie, besides those that it sets already.
pub(crate) fn with_cookie(response: impl IntoResponse, cookie: HeaderValue) -> Response {
    let mut response = response.into_response();
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}
