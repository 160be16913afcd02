//! The seed's own routes, for the clients that it has: without a version, in its shapes.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State as Shared};
use axum::http::StatusCode;
use axum::http::request::Parts;
use domain::AppId;
use domain::inbox::{InboxAction, ReadState, UPDATED, is_change_type};
use domain::notification::{Notification, NotificationId, Stream};
use entry::clock;
use entry::http::as_integer;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, QueryParams, record_application};
use inbox::dto::LEGACY_TIME;
use inbox::stream_reader::list_unread;
use inbox::{SeedOut, read_state};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use utoipa::{IntoParams, ToSchema};

use crate::dto::NotificationIn;
use crate::{Context, inbox_busy, user_stream};

/// Notifications of all users that are read.
const MAX_OF_ALL_USERS: usize = 2_000;
/// Notifications of one user that are read.
const MAX_OF_USER: usize = 1_000;

/// Who calls: with credentials as everywhere, or, where the deployment says so (`InboxAuth=open`), without any, for the
/// application that was made with an open inbox.
pub(crate) struct LegacyCaller(AppId);

impl FromRequestParts<Context> for LegacyCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Context) -> Result<Self, Problem> {
        if state.open
            && !parts.headers.contains_key("x-api-key")
            && let Some(app) = state.table.open_inbox().await?
        {
            record_application(app);
            return Ok(Self(app));
        }
        Caller::from_request_parts(parts, state).await.map(|it| Self(it.0))
    }
}

/// A notification, as the seed's clients send it.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SeedIn {
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

/// Stores a notification for a user, who gets it whatever the preferences say: the answer is what was stored.
#[utoipa::path(post, path = "/notifications/", tag = "Inbox, as the seed has it", request_body = SeedIn,
    responses((status = 200, body = SeedOut), (status = 422, body = Problem)))]
pub(crate) async fn create(
    Shared(state): Shared<Context>,
    LegacyCaller(app): LegacyCaller,
    JsonBody(it): JsonBody<SeedIn>,
) -> Result<Json<SeedOut>, Problem> {
    let user = match &it.user_id {
        Value::Number(it) if it.is_i64() || it.is_u64() => it.to_string(),
        Value::String(it) => it.clone(),
        it => as_integer(it).ok_or_else(|| Problem::invalid("user_id", "a whole number or a text"))?.to_string(),
    };
    let stream = user_stream(&user).map_err(|it| Problem::invalid("user_id", it.reason()))?;
    let now = clock::now();
    let news = NotificationIn::from_legacy(it.title, it.description, it.identifier).to_new_notification(now)?;
    let news_data = (news.kind.clone(), news.data.clone());
    let place = state.table.append(app, &stream, &[news], &clock::random_alphanumeric(20), now).await?;
    let id = NotificationId { stream, epoch: place.epoch, sequence: place.sequence };
    let stored = Notification { id, kind: news_data.0, timestamp: now, data: news_data.1 };
    Ok(Json(SeedOut::new(&stored, &ReadState::default(), LEGACY_TIME)))
}

/// The newest notifications of all users, oldest first: at most 2,000.
#[utoipa::path(get, path = "/notifications/", tag = "Inbox, as the seed has it", responses((status = 200, body = Vec<SeedOut>)))]
pub(crate) async fn everything(
    Shared(state): Shared<Context>,
    LegacyCaller(app): LegacyCaller,
) -> Result<Json<Vec<SeedOut>>, Problem> {
    let mut all = state.table.recent(app, MAX_OF_ALL_USERS).await?;
    all.reverse();
    // what was changed later shows as it is now
    let changes = all.iter().filter(|it| it.kind == UPDATED);
    let changed: HashMap<String, Value> =
        changes.filter_map(|it| Some((it.data["updates"].as_str()?.to_owned(), it.data.clone()))).collect();
    let mut marks: HashMap<String, ReadState> = HashMap::new();
    let (mut shown, now) = (Vec::with_capacity(all.len()), clock::now());
    for mut it in all.into_iter().filter(|it| !is_change_type(&it.kind)) {
        let Stream::User(user) = it.id.stream.clone() else { continue };
        if let Some(data) = changed.get(&it.id.to_string()) {
            it.data = data.clone();
        }
        let marks = match marks.entry(user) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let found = state.table.read_state(app, unknown.key()).await?;
                unknown.insert(found)
            }
        };
        if !marks.is_deleted_or_expired(it.id.sequence, domain::millis(now)) && !it.has_expired(now) {
            shown.push(SeedOut::new(&it, marks, LEGACY_TIME));
        }
    }
    Ok(Json(shown))
}

/// What is shown of a user's inbox.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// `any`: also what was read
    #[serde(default)]
    read: Option<String>,
}

/// A user's unread notifications, oldest first: at most the newest 1,000.
#[utoipa::path(get, path = "/notifications/{id}", tag = "Inbox, as the seed has it", params(("id" = String, Path), Which),
    responses((status = 200, body = Vec<SeedOut>), (status = 422, body = Problem)))]
pub(crate) async fn of_user(
    Shared(state): Shared<Context>,
    LegacyCaller(app): LegacyCaller,
    Path(user): Path<String>,
    QueryParams(which): QueryParams<Which>,
) -> Result<Json<Vec<SeedOut>>, Problem> {
    let stream = user_stream(&user)?;
    let marks = state.table.read_state(app, &user).await?;
    let any = which.read.as_deref() == Some("any");
    let all = list_unread(&state.table, app, &stream, &marks, any, MAX_OF_USER, clock::now()).await?;
    Ok(Json(all.iter().map(|it| SeedOut::new(it, &marks, LEGACY_TIME)).collect()))
}

/// Marks a notification as read.
#[utoipa::path(put, path = "/notifications/{id}", tag = "Inbox, as the seed has it", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404, body = Object)))]
pub(crate) async fn read(
    Shared(state): Shared<Context>,
    LegacyCaller(app): LegacyCaller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let unknown = (StatusCode::NOT_FOUND, Json(json!({ "message": "Notification not found" })));
    let Ok(id) = id.parse::<NotificationId>() else { return Ok(unknown) };
    let Stream::User(user) = &id.stream else { return Ok(unknown) };
    let now = clock::now();
    if state.table.notification(app, &id).await?.is_none_or(|it| it.has_expired(now)) {
        return Ok(unknown);
    }
    let marked = read_state::apply(&state.table, app, user, InboxAction::Read, &[id.position().into()], now).await?;
    marked.ok_or_else(inbox_busy)?;
    Ok((StatusCode::OK, Json(json!({ "message": "Notification marked as read" }))))
}
