//! What lets a user in: a ticket for one socket, or a token for an hour.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use domain::id::sha256_hex;
use domain::notification::{NAME_RULE, is_valid_name};
use domain::rfc3339;
use domain::socket::{ConnectionUser, MAX_GROUPS};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, TICKET_PREFIX, auth_problem};
use serde::{Deserialize, Serialize};
use time::Duration;
use utoipa::ToSchema;

use crate::{Context, user_stream};

/// A token that is longer is not read (and does not fit into a header of 10 KB beside others).
const MAX_TOKEN: usize = 4_096;
/// The longest life of a user's token, in minutes.
const MAX_MINUTES: u32 = 24 * 60;

/// For whom a token is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassIn {
    /// Groups whose notifications the user is told as well, at most 20
    #[serde(default)]
    #[schema(max_items = 20)]
    groups: Vec<String>,
    /// How long a token is good: 1 to 1,440, by default 60
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_440)]
    minutes: Option<u32>,
}

/// For whom a ticket is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TicketIn {
    /// Groups whose notifications the user is told as well, at most 20
    #[serde(default)]
    #[schema(max_items = 20)]
    groups: Vec<String>,
}

/// A pass. It is as good as the user: give it to nobody else.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PassOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    expires_at: String,
}

fn member(app: domain::AppId, user: &str, groups: Vec<String>) -> Result<ConnectionUser, Problem> {
    user_stream(user)?;
    if groups.len() > MAX_GROUPS || !groups.iter().all(|it| is_valid_name(it)) {
        return Err(Problem::invalid("groups", format!("at most {MAX_GROUPS}, each of {NAME_RULE}")));
    }
    Ok(ConnectionUser { app, user: user.to_owned(), groups })
}

/// A ticket: opens one socket within a minute, as `?ticket=…`, so that no token stands in a URL.
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Tickets", tag = "Sockets", security(("keys" = [])), params(("user" = String, Path)),
    request_body = TicketIn, responses((status = 201, body = PassOut), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn ticket(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(user): Path<String>,
    JsonBody(it): JsonBody<TicketIn>,
) -> Result<(StatusCode, Json<PassOut>), Problem> {
    let (member, now) = (member(app, &user, it.groups)?, clock::now());
    let ticket = format!("{TICKET_PREFIX}{}", clock::random_alphanumeric(43)); // 256 bits
    state.table.put_ticket(&sha256_hex(ticket.as_bytes()), &member, now).await?;
    let expires_at = rfc3339(now + table::TICKET_LIFETIME);
    Ok((StatusCode::CREATED, Json(PassOut { ticket: Some(ticket), token: None, expires_at })))
}

/// A user's token: reads and marks the user's own inbox, and opens sockets, until it expires.
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Tokens", tag = "Sockets", security(("keys" = [])), params(("user" = String, Path)),
    request_body = PassIn, responses((status = 201, body = PassOut), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn token(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(user): Path<String>,
    JsonBody(it): JsonBody<PassIn>,
) -> Result<(StatusCode, Json<PassOut>), Problem> {
    let minutes = it.minutes.unwrap_or(60);
    if !(1..=MAX_MINUTES).contains(&minutes) {
        return Err(Problem::invalid("minutes", format!("1 to {MAX_MINUTES}")));
    }
    let lifetime = Duration::minutes(minutes.into());
    let member = member(app, &user, it.groups)?;
    let token = state.callers.issue_token(member, lifetime).await.map_err(auth_problem)?;
    if token.len() >= MAX_TOKEN {
        return Err(Problem::invalid("groups", "the names of the groups make the token too long"));
    }
    let expires_at = rfc3339(clock::now() + lifetime);
    Ok((StatusCode::CREATED, Json(PassOut { ticket: None, token: Some(token), expires_at })))
}
