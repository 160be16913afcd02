//! The routes of the legacy service, for its clients: without a version, in its JSON shapes.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use domain::AppId;
use domain::inbox::{InboxAction, ReadState, UPDATED, is_change_type};
use domain::notification::{NotificationId, Stream};
use entry::clock;
use entry::http::as_integer;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, QueryParams, record_application};
use inbox::dto::LEGACY_TIME;
use inbox::path::user_stream;
use inbox::stream_reader::list_unread;
use inbox::{LegacyNotification, read_state};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use utoipa::{IntoParams, ToSchema};

use crate::append::append;
use crate::context::Context;
use crate::dto::NotificationIn;
use crate::problems::inbox_busy;

/// The longest list of all users' notifications.
const MAX_OF_ALL_USERS: usize = 2_000;
/// The longest list of one user's notifications.
const MAX_OF_USER: usize = 1_000;

/// Extracts the application of a caller with credentials, or, with the parameter `InboxAuth=open`, of one without: then it
/// is the application with the open inbox.
pub(crate) struct LegacyCaller(AppId);

impl FromRequestParts<Context> for LegacyCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Problem> {
        if context.open_inbox
            && !parts.headers.contains_key("x-api-key")
            && let Some(app) = context.table.open_inbox().await?
        {
            record_application(app);
            return Ok(Self(app));
        }
        Caller::from_request_parts(parts, context).await.map(|it| Self(it.0))
    }
}

/// A notification as clients of the legacy service send it.
#[derive(Deserialize, ToSchema)]
#[schema(as = SeedIn)]
pub(crate) struct LegacyIn {
    #[schema(example = "New Message Received", min_length = 1, max_length = 200)]
    title: String,
    #[schema(max_length = 4_000)]
    description: String,
    #[schema(example = "MESSAGE", max_length = 100)]
    identifier: String,
    /// A number, or a text
    #[schema(value_type = i64, example = 123)]
    user_id: Value,
}

/// Stores a notification for a user, regardless of the user's preferences, and returns it.
#[utoipa::path(post, path = "/notifications/", tag = "Inbox, as the seed has it", request_body = LegacyIn,
    responses((status = 200, body = LegacyNotification), (status = 402, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn create(
    State(context): State<Context>,
    LegacyCaller(app): LegacyCaller,
    JsonBody(sent): JsonBody<LegacyIn>,
) -> Result<Json<LegacyNotification>, Problem> {
    let user = match &sent.user_id {
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        Value::String(text) => text.clone(),
        other => as_integer(other).ok_or_else(|| Problem::invalid("user_id", "a whole number or a text"))?.to_string(),
    };
    let stream = user_stream(&user).map_err(|problem| Problem::invalid("user_id", problem.reason()))?;
    let now = clock::now();
    let new = NotificationIn::from_legacy(sent.title, sent.description, sent.identifier).to_new_notification(now)?;
    context.plan_limits.check_notifications(app, 1).await?;
    let write_id = clock::random_alphanumeric(20);
    let position = append(&context, app, &stream, std::slice::from_ref(&new), &write_id).await?;
    context.plan_limits.count_notifications(app, 1);
    let id = NotificationId::new(stream, position);
    let stored = new.published(id, now);
    Ok(Json(LegacyNotification::new(&stored, &ReadState::default(), LEGACY_TIME)))
}

/// The newest notifications of all users, oldest first: at most 2,000.
#[utoipa::path(get, path = "/notifications/", tag = "Inbox, as the seed has it", responses((status = 200, body = Vec<LegacyNotification>)))]
pub(crate) async fn list_all(
    State(context): State<Context>,
    LegacyCaller(app): LegacyCaller,
) -> Result<Json<Vec<LegacyNotification>>, Problem> {
    let mut all = context.table.recent(app, MAX_OF_ALL_USERS).await?;
    all.reverse();
    // an updated notification has its newest data
    let updates = all.iter().filter(|it| it.kind == UPDATED);
    let updated: HashMap<String, Value> =
        updates.filter_map(|it| Some((it.data["updates"].as_str()?.to_owned(), it.data.clone()))).collect();
    let mut read_states: HashMap<String, ReadState> = HashMap::new();
    let (mut listed, now) = (Vec::with_capacity(all.len()), clock::now());
    for mut notification in all.into_iter().filter(|it| !is_change_type(&it.kind)) {
        let Stream::User(user) = notification.id.stream.clone() else { continue };
        if let Some(data) = updated.get(&notification.id.to_string()) {
            notification.data = data.clone();
        }
        let read_state = match read_states.entry(user) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let stored = context.table.read_state(app, unknown.key()).await?;
                unknown.insert(stored)
            }
        };
        let sequence = notification.id.sequence;
        if !read_state.is_deleted_or_expired(sequence, domain::millis(now)) && !notification.has_expired(now) {
            listed.push(LegacyNotification::new(&notification, read_state, LEGACY_TIME));
        }
    }
    Ok(Json(listed))
}

/// A filter of a user's inbox.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LegacyFilter {
    /// `any` includes read notifications
    #[serde(default)]
    read: Option<String>,
}

/// A user's unread notifications, oldest first: at most the newest 1,000.
#[utoipa::path(get, path = "/notifications/{id}", tag = "Inbox, as the seed has it", params(("id" = String, Path), LegacyFilter),
    responses((status = 200, body = Vec<LegacyNotification>), (status = 422, body = Problem)))]
pub(crate) async fn list_of_user(
    State(context): State<Context>,
    LegacyCaller(app): LegacyCaller,
    Path(user): Path<String>,
    QueryParams(filter): QueryParams<LegacyFilter>,
) -> Result<Json<Vec<LegacyNotification>>, Problem> {
    let stream = user_stream(&user)?;
    let read_state = context.table.read_state(app, &user).await?;
    let include_read = filter.read.as_deref() == Some("any");
    let all = list_unread(&context.table, app, &stream, &read_state, include_read, MAX_OF_USER, clock::now()).await?;
    Ok(Json(all.iter().map(|it| LegacyNotification::new(it, &read_state, LEGACY_TIME)).collect()))
}

/// Marks a notification as read.
#[utoipa::path(put, path = "/notifications/{id}", tag = "Inbox, as the seed has it", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404, body = Object)))]
pub(crate) async fn mark_read(
    State(context): State<Context>,
    LegacyCaller(app): LegacyCaller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let unknown = (StatusCode::NOT_FOUND, Json(json!({ "message": "Notification not found" })));
    let Ok(id) = id.parse::<NotificationId>() else { return Ok(unknown) };
    let Stream::User(user) = &id.stream else { return Ok(unknown) };
    let now = clock::now();
    if context.table.notification(app, &id).await?.is_none_or(|it| it.has_expired(now)) {
        return Ok(unknown);
    }
    let counts = read_state::apply(&context.table, app, user, InboxAction::Read, &[id.position().into()], now).await?;
    counts.ok_or_else(inbox_busy)?;
    Ok((StatusCode::OK, Json(json!({ "message": "Notification marked as read" }))))
}
