//! Sending: one notification or up to 100 to a user, a group or everyone, or one notification to many users.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::inbox::Preferences;
use domain::notification::{NewNotification, Notification, Position, Stream, published_from};
use domain::{AppId, MAX_BATCH, rfc3339};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::idempotency::{self, IdempotentRequest};
use entry::http::{JsonBody, Problem, trace_context};
use inbox::path::{group_stream, user_stream};
use serde::Deserialize;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::append::{append_idempotent, publish_created};
use crate::context::Context;
use crate::dto::{NotificationIn, SendResult};

/// The status of what was sent.
const STATUS: StatusCode = StatusCode::CREATED;

/// Sends to a user: one notification, or a list of up to 100, which are stored together with consecutive sequence numbers.
/// Each entry has its own result. A request with an `Idempotency-Key` is safe to repeat for 24 hours.
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Notifications", tag = "Inbox", security(("keys" = [])),
    params(("user" = String, Path), ("Idempotency-Key" = Option<String>, Header), ("traceparent" = Option<String>, Header)), request_body = NotificationIn,
    responses((status = 201, body = Vec<SendResult>), (status = 402, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn to_user(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(user): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Problem> {
    send_batch(&context, app, user_stream(&user)?, &user, &headers, body).await
}

/// Sends to all sockets of a group: to the open ones at once, to others when they resume.
#[utoipa::path(post, path = "/api/v1/Groups/{group}/Notifications", tag = "Groups", security(("keys" = [])),
    params(("group" = String, Path), ("Idempotency-Key" = Option<String>, Header), ("traceparent" = Option<String>, Header)), request_body = NotificationIn,
    responses((status = 201, body = Vec<SendResult>), (status = 402, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn to_group(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Problem> {
    send_batch(&context, app, group_stream(&name)?, &name, &headers, body).await
}

/// Sends to all sockets of the application: to the open ones at once, to others when they resume.
#[utoipa::path(post, path = "/api/v1/Everyone/Notifications", tag = "Groups", security(("keys" = [])),
    params(("Idempotency-Key" = Option<String>, Header), ("traceparent" = Option<String>, Header)), request_body = NotificationIn,
    responses((status = 201, body = Vec<SendResult>), (status = 402, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn to_everyone(
    State(context): State<Context>,
    Caller(app): Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Problem> {
    send_batch(&context, app, Stream::Everyone, "everyone", &headers, body).await
}

/// Stores one notification, or a list of them together, in a stream.
async fn send_batch(
    context: &Context,
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
        Stream::User(user) => context.table.preferences(app, user).await?,
        _ => Preferences::default(),
    };
    let mut outcomes: Vec<Result<Option<Sent>, Problem>> = Vec::with_capacity(entries.len());
    for entry in entries {
        match validate(context, app, headers, entry, now, matches!(stream, Stream::User(_))).await {
            // the application's quota: nothing is stored, and the client can repeat the whole request later
            Err(problem) if problem.status == StatusCode::TOO_MANY_REQUESTS.as_u16() => return Err(problem),
            outcome => outcomes.push(outcome.map(|sent| sent.filtered_by(&preferences, now))),
        }
    }
    if outcomes.iter().all(Result::is_err) {
        // nothing is stored, and so the request needs no idempotency record
        let rejected = outcomes.iter().filter_map(|outcome| Some(SendResult::rejected(name, outcome.as_ref().err()?)));
        let rejected: Vec<SendResult> = rejected.collect();
        return match outcomes.into_iter().next() {
            Some(Err(problem)) if !body.is_array() => Err(problem),
            _ => Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(rejected)).into_response()),
        };
    }
    let text = body.to_string();
    let request =
        match idempotency::begin(&context.table, app, headers, &format!("send {stream}"), text.as_bytes(), STATUS)
            .await?
        {
            Ok(request) => request,
            Err(stored) => return Ok(stored),
        };
    let outcome = store_batch(context, app, &stream, name, &outcomes, &request, now).await;
    idempotency::end(&context.table, app, request, outcome).await
}

/// Stores what is valid of a batch, and writes the results of all.
async fn store_batch(
    context: &Context,
    app: AppId,
    stream: &Stream,
    name: &str,
    outcomes: &[Result<Option<Sent>, Problem>],
    request: &IdempotentRequest,
    now: OffsetDateTime,
) -> Result<String, Problem> {
    let sent: Vec<Sent> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()?.clone()).collect();
    let new: Vec<NewNotification> = sent.iter().map(|it| it.new.clone()).collect();
    let stored: usize = sent.iter().map(Sent::stored_count).sum();
    context.plan_limits.admit(app, request, stored).await?;
    let mut first = None;
    if !new.is_empty() {
        let position = append_idempotent(context, app, stream, &new, request).await?;
        let with_sent = published_from(stream, position, new, now).into_iter().zip(&sent);
        let for_channels: Vec<Notification> =
            with_sent.filter(|(_, sent)| sent.for_channels).map(|(stored, _)| stored).collect();
        publish_created(context, app, &for_channels, request).await?;
        let counted = if matches!(stream, Stream::User(_)) { stored } else { for_channels.len() };
        context.plan_limits.count_notifications(app, counted);
        first = Some(position);
    }
    let mut positions =
        first.into_iter().flat_map(|it| (it.sequence..).map(move |sequence| Position { sequence, ..it }));
    let result_of = |outcome: &Result<Option<Sent>, Problem>| match outcome {
        Ok(Some(_)) => match positions.next() {
            Some(position) => SendResult::stored(app, stream, position),
            None => SendResult::suppressed(name),
        },
        Ok(None) => SendResult::suppressed(name),
        Err(problem) => SendResult::rejected(name, problem),
    };
    let results: Vec<SendResult> = outcomes.iter().map(result_of).collect();
    Ok(serde_json::to_string(&results)?)
}

/// A notification that is sent.
#[derive(Clone)]
struct Sent {
    new: NewNotification,
    /// Whether the application's channels get it, too.
    for_channels: bool,
}

impl Sent {
    /// The notifications that are stored for it: its own, and that of the channels.
    fn stored_count(&self) -> usize {
        1 + usize::from(self.for_channels)
    }

    /// Applies a user's preferences: adds the time of an escalation, or returns `None` if the type is not for the inbox.
    fn filtered_by(mut self, preferences: &Preferences, now: OffsetDateTime) -> Option<Self> {
        let Some(rule) = preferences.rule_for(&self.new.kind) else { return Some(self) };
        if let Some(minutes) = rule.escalate_after_minutes {
            let at = now + Duration::minutes(minutes.into());
            self.new.data["escalation"] = json!({ "at": rfc3339(at) });
        }
        rule.in_app.then_some(self)
    }
}

/// Parses a notification, and validates its data by the schema of its type, if there is one. What the channels get belongs to
/// the request's trace.
async fn validate(
    context: &Context,
    app: AppId,
    headers: &HeaderMap,
    body: Value,
    now: OffsetDateTime,
    for_a_user: bool,
) -> Result<Sent, Problem> {
    let sent: NotificationIn = entry::http::json::read(&body)?;
    if sent.is_inbox_only() && !for_a_user {
        return Err(Problem::invalid("expiresAt, collapseKey", "these are for the inbox of a user"));
    }
    let mut new = sent.to_new_notification(now)?;
    if sent.is_for_channels() {
        new.trace = trace_context(headers);
    }
    context.type_schemas.check(&context.table, app, sent.kind(), &sent.data()).await?;
    Ok(Sent { new, for_channels: sent.is_for_channels() })
}

/// One notification for many users.
#[derive(Deserialize, ToSchema)]
#[schema(as = Many)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendToMany {
    /// 1 to 100
    #[schema(min_items = 1, max_items = 100)]
    users: Vec<String>,
    #[schema(value_type = NotificationIn)]
    notification: Value,
}

/// Sends one notification to up to 100 users; each has its own result.
#[utoipa::path(post, path = "/api/v1/Inbox/Notifications", tag = "Inbox", security(("keys" = [])),
    params(("Idempotency-Key" = Option<String>, Header), ("traceparent" = Option<String>, Header)), request_body = SendToMany,
    responses((status = 201, body = Vec<SendResult>), (status = 402, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn to_many(
    State(context): State<Context>,
    Caller(app): Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Problem> {
    let many: SendToMany = entry::http::json::read(&body)?;
    if many.users.is_empty() || many.users.len() > MAX_BATCH {
        return Err(Problem::invalid("users", format!("1 to {MAX_BATCH} users")));
    }
    let now = clock::now();
    let sent = validate(&context, app, &headers, many.notification, now, true).await?;
    let text = body.to_string();
    let request = match idempotency::begin(&context.table, app, &headers, "send many", text.as_bytes(), STATUS).await? {
        Ok(request) => request,
        Err(stored) => return Ok(stored),
    };
    let outcome = store_for_each(&context, app, &many.users, &sent, &request, now).await;
    idempotency::end(&context.table, app, request, outcome).await
}

/// Stores a notification for each of many users, and writes their results.
async fn store_for_each(
    context: &Context,
    app: AppId,
    users: &[String],
    sent: &Sent,
    request: &IdempotentRequest,
    now: OffsetDateTime,
) -> Result<String, Problem> {
    context.plan_limits.admit(app, request, users.len() * sent.stored_count()).await?;
    let (mut results, mut for_channels) = (Vec::with_capacity(users.len()), Vec::new());
    for user in users {
        results.push(match user_stream(user) {
            Err(problem) => SendResult::rejected(user, &problem),
            Ok(stream) => match sent.clone().filtered_by(&context.table.preferences(app, user).await?, now) {
                Some(Sent { new, for_channels: is_for_channels }) => {
                    let new = [new];
                    let position = append_idempotent(context, app, &stream, &new, request).await?;
                    if is_for_channels {
                        for_channels.extend(published_from(&stream, position, new, now));
                    }
                    SendResult::stored(app, &stream, position)
                }
                None => SendResult::suppressed(user),
            },
        });
    }
    publish_created(context, app, &for_channels, request).await?;
    let stored = results.iter().filter(|it| it.is_stored()).count();
    context.plan_limits.count_notifications(app, stored + for_channels.len());
    Ok(serde_json::to_string(&results)?)
}
