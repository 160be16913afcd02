//! Users' credentials: a ticket for one socket, or a token for an hour by default.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use domain::application::{Access, Scope};
use domain::id::sha256_hex;
use domain::notification::{NAME_RULE, is_valid_name};
use domain::rfc3339;
use domain::socket::{ConnectionUser, MAX_GROUPS};
use entry::clock;
use entry::http::auth::{Caller, Reader};
use entry::http::{JsonBody, Problem, TICKET_PREFIX, auth_problem};
use inbox::path::user_stream;
use serde::{Deserialize, Serialize};
use time::Duration;
use utoipa::ToSchema;

use crate::context::Context;

/// The longest token, in bytes: a longer one is not accepted (and would not fit into 10 KB of headers beside others).
const MAX_TOKEN: usize = 4_096;
/// The longest lifetime of a user's token, in minutes.
const MAX_MINUTES: u32 = 24 * 60;

/// Properties of a token.
#[derive(Deserialize, ToSchema)]
#[schema(as = PassIn)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenIn {
    /// Groups whose notifications the user receives as well, at most 20
    #[serde(default)]
    #[schema(max_items = 20)]
    groups: Vec<String>,
    /// How long the token is valid, in minutes: 1 to 1,440, by default 60
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_440)]
    minutes: Option<u32>,
}

/// Properties of a ticket.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct TicketIn {
    /// Groups whose notifications the user receives as well, at most 20
    #[serde(default)]
    #[schema(max_items = 20)]
    groups: Vec<String>,
    /// Whether the socket also receives the application's own stream: what was published, and the system's notifications.
    /// The caller needs the scope `messages`, too
    #[serde(default)]
    messages: bool,
    /// Whether the socket only receives, and marks nothing. With `messages` it is a dashboard's, which is not counted among the
    /// plan's users
    #[serde(default)]
    read_only: bool,
}

/// A ticket or a token. It authenticates the user: keep it secret.
#[derive(Serialize, ToSchema)]
#[schema(as = PassOut)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CredentialOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    expires_at: String,
}

/// The user and groups that a credential is for.
fn member(app: domain::AppId, user: &str, groups: Vec<String>) -> Result<ConnectionUser, Problem> {
    user_stream(user)?;
    if groups.len() > MAX_GROUPS || !groups.iter().all(|it| is_valid_name(it)) {
        return Err(Problem::invalid("groups", format!("at most {MAX_GROUPS}, each of {NAME_RULE}")));
    }
    Ok(ConnectionUser::new(app, user.to_owned(), groups))
}

/// Issues a ticket. It opens one socket within a minute, as `?ticket=…` or in the subprotocol `bearer.…` (base64url), so that
/// no token is in a URL. The socket of a ticket for a key that only reads (scope `read`) only receives.
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Tickets", tag = "Sockets", security(("keys" = [])), params(("user" = String, Path)),
    request_body = TicketIn, responses((status = 201, body = CredentialOut), (status = 401, body = Problem), (status = 402, body = Problem), (status = 403, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn create_ticket(
    State(context): State<Context>,
    Reader(caller): Reader,
    Path(user): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<TicketIn>,
) -> Result<(StatusCode, Json<CredentialOut>), Problem> {
    if body.messages {
        context.authenticator.authorize(&headers, Scope::Messages, Access::Read).await.map_err(auth_problem)?;
    }
    let (read_only, now) = (body.read_only || !caller.may(Scope::Inbox, Access::Change), clock::now());
    let member = ConnectionUser { messages: body.messages, read_only, ..member(caller.app, &user, body.groups)? };
    // what gets all of the application's stream and marks nothing is no user of an inbox, whom nobody would show all that
    if !(member.messages && member.read_only) {
        context.plan_limits.count_user(caller.app, &user).await?;
    }
    let ticket = format!("{TICKET_PREFIX}{}", clock::random_alphanumeric(43)); // 256 bits
    context.table.put_ticket(&sha256_hex(ticket.as_bytes()), &member, now).await?;
    let expires_at = rfc3339(now + table::TICKET_LIFETIME);
    Ok((StatusCode::CREATED, Json(CredentialOut { ticket: Some(ticket), token: None, expires_at })))
}

/// Issues a user's token. It reads the user's own inbox, changes its read state and opens sockets, until it expires.
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Tokens", tag = "Sockets", security(("keys" = [])), params(("user" = String, Path)),
    request_body = TokenIn, responses((status = 201, body = CredentialOut), (status = 401, body = Problem), (status = 402, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create_token(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(user): Path<String>,
    JsonBody(body): JsonBody<TokenIn>,
) -> Result<(StatusCode, Json<CredentialOut>), Problem> {
    let minutes = body.minutes.unwrap_or(60);
    if !(1..=MAX_MINUTES).contains(&minutes) {
        return Err(Problem::invalid("minutes", format!("1 to {MAX_MINUTES}")));
    }
    let lifetime = Duration::minutes(minutes.into());
    let member = member(app, &user, body.groups)?;
    let token = context.authenticator.issue_token(member, lifetime).await.map_err(auth_problem)?;
    if token.len() >= MAX_TOKEN {
        return Err(Problem::invalid("groups", "the names of the groups make the token too long"));
    }
    context.plan_limits.count_user(app, &user).await?;
    let expires_at = rfc3339(clock::now() + lifetime);
    Ok((StatusCode::CREATED, Json(CredentialOut { ticket: None, token: Some(token), expires_at })))
}
