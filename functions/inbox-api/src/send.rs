//! Sending: to one user one notification or up to a hundred, or one to many users.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::expiry::Expiry;
use domain::inbox::Preferences;
use domain::notification::{NewNotification, Notification, NotificationId, Position, Stream};
use domain::{AppId, MAX_BATCH, rfc3339};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem};
use inbox::expiry;
use serde::Deserialize;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::dto::{NotificationIn, Sent};
use crate::idempotency::{self, IdempotentRequest};
use crate::{Context, group_stream, inbox_busy, user_stream};

/// Sends to a user: a notification, or a list of up to 100, which are stored together under consecutive numbers. Each entry
/// has its own result. A request with an `Idempotency-Key` is safe to repeat for 24 hours.
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Notifications", tag = "Inbox", security(("keys" = [])),
    params(("user" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = NotificationIn,
    responses((status = 201, body = Vec<Sent>), (status = 409, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn to_user(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(user): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Problem> {
    send_batch(&state, app, user_stream(&user)?, &user, &headers, body).await
}

/// Sends to all sockets of a group, at once and to each that comes back.
#[utoipa::path(post, path = "/api/v1/Groups/{group}/Notifications", tag = "Groups", security(("keys" = [])),
    params(("group" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = NotificationIn,
    responses((status = 201, body = Vec<Sent>), (status = 409, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn to_group(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Problem> {
    send_batch(&state, app, group_stream(&name)?, &name, &headers, body).await
}

/// Sends to all sockets of the application, at once and to each that comes back.
#[utoipa::path(post, path = "/api/v1/Everyone/Notifications", tag = "Groups", security(("keys" = [])),
    params(("Idempotency-Key" = Option<String>, Header)), request_body = NotificationIn,
    responses((status = 201, body = Vec<Sent>), (status = 409, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn to_everyone(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Problem> {
    send_batch(&state, app, Stream::Everyone, "everyone", &headers, body).await
}

/// Stores one notification, or several together, in a stream.
async fn send_batch(
    state: &Context,
    app: AppId,
    stream: Stream,
    name: &str,
    headers: &HeaderMap,
    body: Value,
) -> Result<Response, Problem> {
    let entries = match &body {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    if entries.is_empty() || entries.len() > MAX_BATCH {
        return Err(Problem::invalid("", format!("1 to {MAX_BATCH} notifications")));
    }
    let now = clock::now();
    let preferences = match &stream {
        Stream::User(user) => state.table.preferences(app, user).await?,
        _ => Preferences::default(),
    };
    let mut read: Vec<Result<Option<NewNotification>, Problem>> = Vec::with_capacity(entries.len());
    for it in entries {
        match validate(state, app, it, now, matches!(stream, Stream::User(_))).await {
            // not one entry's fault: nothing is stored, and the whole request is good again after a while
            Err(why) if why.status == StatusCode::TOO_MANY_REQUESTS.as_u16() => return Err(why),
            it => read.push(it.map(|news| apply_preferences(news, &preferences, now))),
        }
    }
    if read.iter().all(Result::is_err) {
        // nothing to store, and so nothing to repeat
        let refused: Vec<Sent> = read.iter().filter_map(|it| Some(Sent::rejected(name, it.as_ref().err()?))).collect();
        return match read.into_iter().next() {
            Some(Err(why)) if !body.is_array() => Err(why),
            _ => Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(refused)).into_response()),
        };
    }
    let keyed =
        match idempotency::begin(&state.table, app, headers, &format!("send {stream}"), &body.to_string()).await? {
            Ok(keyed) => keyed,
            Err(answer) => return Ok(answer),
        };
    let news: Vec<NewNotification> = read.iter().filter_map(|it| it.as_ref().ok()?.clone()).collect();
    let first = if news.is_empty() { None } else { Some(append_idempotent(state, app, &stream, &news, &keyed).await?) };
    let mut places = first.into_iter().flat_map(|it| (it.sequence..).map(move |sequence| Position { sequence, ..it }));
    let outcome = |it: &Result<Option<NewNotification>, Problem>| match it {
        Ok(Some(_)) => places.next().map_or_else(|| Sent::suppressed(name), |it| Sent::stored(app, &stream, it)),
        Ok(None) => Sent::suppressed(name),
        Err(why) => Sent::rejected(name, why),
    };
    let sent: Vec<Sent> = read.iter().map(outcome).collect();
    idempotency::complete(&state.table, app, keyed, serde_json::to_string(&sent)?).await
}

/// Reads a notification, and holds its data against the schema of its type, if the application has given one.
async fn validate(
    state: &Context,
    app: AppId,
    it: Value,
    now: OffsetDateTime,
    for_a_user: bool,
) -> Result<NewNotification, Problem> {
    let it: NotificationIn = entry::http::json::read(&it)?;
    if it.is_inbox_only() && !for_a_user {
        return Err(Problem::invalid("expiresAt, collapseKey", "these are for the inbox of a user"));
    }
    let news = it.to_new_notification(now)?;
    state.type_schemas.check(&state.table, app, it.kind(), &it.data()).await?;
    Ok(news)
}

/// A notification as its user wants it: `None` if not at all, and with the time of its escalation.
fn apply_preferences(
    mut news: NewNotification,
    preferences: &Preferences,
    now: OffsetDateTime,
) -> Option<NewNotification> {
    let Some(rule) = preferences.rule_for(&news.kind) else { return Some(news) };
    if let Some(minutes) = rule.escalate_after_minutes {
        let at = now + Duration::minutes(minutes.into());
        news.data["escalation"] = json!({ "at": rfc3339(at) });
    }
    rule.in_app.then_some(news)
}

/// One notification for many users.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Many {
    /// 1 to 100
    #[schema(min_items = 1, max_items = 100)]
    users: Vec<String>,
    #[schema(value_type = NotificationIn)]
    notification: Value,
}

/// Sends one notification to up to 100 users; each has its own result.
#[utoipa::path(post, path = "/api/v1/Inbox/Notifications", tag = "Inbox", security(("keys" = [])),
    params(("Idempotency-Key" = Option<String>, Header)), request_body = Many,
    responses((status = 201, body = Vec<Sent>), (status = 409, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn to_many(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Problem> {
    let many: Many = entry::http::json::read(&body)?;
    if many.users.is_empty() || many.users.len() > MAX_BATCH {
        return Err(Problem::invalid("users", format!("1 to {MAX_BATCH} users")));
    }
    let now = clock::now();
    let news = validate(&state, app, many.notification, now, true).await?;
    let keyed = match idempotency::begin(&state.table, app, &headers, "send many", &body.to_string()).await? {
        Ok(keyed) => keyed,
        Err(answer) => return Ok(answer),
    };
    let mut sent = Vec::with_capacity(many.users.len());
    for user in &many.users {
        sent.push(match user_stream(user) {
            Err(why) => Sent::rejected(user, &why),
            Ok(stream) => match apply_preferences(news.clone(), &state.table.preferences(app, user).await?, now) {
                Some(news) => {
                    Sent::stored(app, &stream, append_idempotent(&state, app, &stream, &[news], &keyed).await?)
                }
                None => Sent::suppressed(user),
            },
        });
    }
    idempotency::complete(&state.table, app, keyed, serde_json::to_string(&sent)?).await
}

/// Writes to a stream. A request that is tried again after it died finds what it wrote.
pub(crate) async fn append_idempotent(
    state: &Context,
    app: AppId,
    stream: &Stream,
    news: &[NewNotification],
    keyed: &IdempotentRequest,
) -> Result<Position, Problem> {
    let told = match keyed.is_retry {
        true => state.table.published_since(app, stream, keyed.started_at).await?.get(&keyed.write_id).copied(),
        false => None,
    };
    let place = match told {
        Some(place) => place,
        None => state.table.append(app, stream, news, &keyed.write_id, clock::now()).await?,
    };
    if let Stream::User(user) = stream {
        // before the answer: whoever counts after it counts right, whenever that is
        let expiring: Vec<Expiry> =
            stored_notifications(stream, place, news).filter_map(|it| expiry::from_notification(&it)).collect();
        if !expiring.is_empty() && !expiry::record(&state.table, app, user, &expiring).await? {
            return Err(inbox_busy());
        }
    }
    Ok(place)
}

/// News as they stand in a stream, from a place on.
fn stored_notifications(
    stream: &Stream,
    first: Position,
    news: &[NewNotification],
) -> impl Iterator<Item = Notification> {
    let id = move |sequence: u64| NotificationId { stream: stream.clone(), epoch: first.epoch, sequence };
    (first.sequence..).zip(news).map(move |(sequence, it)| Notification {
        id: id(sequence),
        kind: it.kind.clone(),
        timestamp: OffsetDateTime::UNIX_EPOCH,
        data: it.data.clone(),
    })
}
