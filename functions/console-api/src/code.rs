//! `POST /console/codes`: a code that signs in once, for a link that holds no credentials.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::id::sha256_hex;
use domain::{from_millis, millis, rfc3339};
use entry::clock;
use entry::http::auth::AnyCaller;
use entry::http::{JsonBody, Problem};
use serde::{Deserialize, Serialize};
use table::Session;
use time::Duration;
use utoipa::ToSchema;

use crate::context::Context;
use crate::session::{latest_end, session};

/// The longest lifetime of a code, in minutes: a day.
const MAX_MINUTES: u32 = 1_440;

/// Properties of a code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeIn {
    /// How long it can be used, in minutes: 1 to 1,440, by default 5
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_440)]
    minutes: Option<u32>,
}

/// A code.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CodeOut {
    code: String,
    expires_at: String,
}

/// Makes a code that signs in to the console once, with the caller's scopes: `/console#sign-in=CODE` opens the console. What
/// follows the `#` is sent to no server; the page redeems the code and forgets it. A code that a token made, and its session, end
/// with the token.
#[utoipa::path(post, path = "/console/codes", tag = "Console", security(("keys" = [])), request_body = CodeIn,
    responses((status = 201, body = CodeOut), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(context): State<Context>,
    headers: HeaderMap,
    AnyCaller(caller): AnyCaller,
    JsonBody(body): JsonBody<CodeIn>,
) -> Result<(StatusCode, Json<CodeOut>), Problem> {
    let minutes = body.minutes.unwrap_or(5);
    if !(1..=MAX_MINUTES).contains(&minutes) {
        return Err(Problem::invalid("minutes", format!("1 to {MAX_MINUTES}")));
    }
    let now = clock::now();
    let latest = latest_end(&headers, now);
    let until = millis(now + Duration::minutes(minutes.into())).min(latest);
    let session = Session { until, ..session(caller, latest, now) };
    let code = clock::random_alphanumeric(22); // 131 bits
    context.table.put_sign_in_code(&sha256_hex(code.as_bytes()), &session).await?;
    Ok((StatusCode::CREATED, Json(CodeOut { code, expires_at: rfc3339(from_millis(until)) })))
}
