//! Reading the application's stream: a page after or before a cursor, a long poll, one notification.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use domain::AppId;
use domain::notification::{MAX_SEQUENCE, Notification, NotificationId, Position, Stream, type_matches};
use domain::rfc3339;
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{Problem, ProblemType, QueryParams};
use inbox::Cursor;
use inbox::stream_reader::find_gap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::context::Context;

/// The longest wait of a long poll, in seconds: API Gateway answers within 30 (HTTP API quotas).
const MAX_WAIT_SECONDS: u64 = 20;
/// How often the end of the stream is read meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Notifications that one query reads.
const PAGE_SIZE: usize = 100;
/// Queries for one page: it may stay short of its limit if a pattern matches few notifications.
const MAX_ROUNDS: usize = 10;

/// What to read.
#[derive(Deserialize, IntoParams, Default)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Selection {
    /// What follows this cursor, oldest first: to catch up
    after: Option<String>,
    /// What comes before this cursor, newest first: to page back
    before: Option<String>,
    /// 1 to 100, by default 20
    limit: Option<usize>,
    /// A type, or a pattern such as `order.*`
    r#type: Option<String>,
    /// With `after`: how long to wait for something, in seconds, 0 to 20
    wait: Option<u64>,
}

/// A notification of the application's stream.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageOut {
    id: String,
    /// Without a gap in the application's stream
    sequence: u64,
    /// Give it as `after` to read what follows
    cursor: String,
    #[serde(rename = "type")]
    kind: String,
    /// When it happened
    timestamp: String,
    /// When it was accepted
    created_at: String,
    data: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    collapse_key: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordering_key: Option<String>,
}

impl MessageOut {
    fn new(app: AppId, notification: Notification) -> Self {
        let attributes = notification.attributes.clone().unwrap_or_default();
        Self {
            id: notification.id.to_string(),
            sequence: notification.id.sequence,
            cursor: Cursor::encode(app, &Stream::App, notification.id.position()),
            timestamp: rfc3339(notification.happened_at()),
            created_at: rfc3339(notification.timestamp),
            kind: notification.kind,
            data: notification.data,
            collapse_key: attributes.collapse_key,
            channels: attributes.channels.iter().map(ToString::to_string).collect(),
            expires_at: attributes.expires_at.map(|it| rfc3339(domain::from_millis(it))),
            correlation_id: attributes.correlation_id,
            ordering_key: attributes.ordering_key,
        }
    }
}

/// A page of the application's stream.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessagePage {
    items: Vec<MessageOut>,
    /// Give it as `after` to go on: behind everything that was read for this page, matching or not
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// The cursor of the next page, for the same parameter (`after` or `before`); absent if there is no more
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// With `after`. `false`: some of what follows is no longer stored. Read again after `from`
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    /// A cursor after which everything is stored
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

/// The application's stream, newest first, or what follows a cursor: the application's own events, and the system's. After
/// a cursor the list is complete, or says that it is not (`recovered: false`). With `wait` the answer waits until there is
/// something, or the time is over: for consumers without an address.
#[utoipa::path(get, path = "/api/v1/Notification/Messages", tag = "Messages", security(("keys" = [])),
    params(Selection), responses((status = 200, body = MessagePage), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(context): State<Context>,
    Caller(app): Caller,
    QueryParams(selection): QueryParams<Selection>,
) -> Result<Json<MessagePage>, Problem> {
    let limit = selection.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::invalid("limit", "1 to 100"));
    }
    let wait = selection.wait.unwrap_or_default();
    if wait > MAX_WAIT_SECONDS || (wait > 0 && selection.after.is_none()) {
        return Err(Problem::invalid("wait", format!("0 to {MAX_WAIT_SECONDS} seconds, with `after`")));
    }
    let pattern = selection.r#type.as_deref().unwrap_or("*");
    let position = |field: &str, token: &str| {
        Cursor::decode(token, app, &Stream::App).map_err(|error| Problem::invalid(field, error.to_string()))
    };
    match (&selection.after, &selection.before) {
        (Some(_), Some(_)) => Err(Problem::invalid("before", "`after` or `before`, not both")),
        (Some(after), None) => {
            let after = position("after", after)?;
            let until = Instant::now() + Duration::from_secs(wait);
            page_after(&context, app, after, limit, pattern, until).await.map(Json)
        }
        (None, before) => {
            let to = match before {
                Some(token) => position("before", token)?.sequence.saturating_sub(1),
                None => MAX_SEQUENCE,
            };
            page_before(&context, app, to, limit, pattern).await.map(Json)
        }
    }
}

/// Whether a notification is shown: it matches, and has not expired.
fn is_shown(notification: &Notification, pattern: &str) -> bool {
    type_matches(pattern, &notification.kind) && !notification.has_expired(clock::now())
}

async fn page_after(
    context: &Context,
    app: AppId,
    after: Position,
    limit: usize,
    pattern: &str,
    until: Instant,
) -> Result<MessagePage, Problem> {
    let encode = |it: Position| Cursor::encode(app, &Stream::App, it);
    if let Some(from) = find_gap(context.table(), app, &Stream::App, after).await? {
        let (items, from) = (Vec::new(), from.map(encode));
        return Ok(MessagePage { items, cursor: None, next: None, recovered: Some(false), from });
    }
    let (mut items, mut position, mut rounds) = (Vec::new(), after, 0);
    let has_more = loop {
        let page = context.table().notifications_after(app, &Stream::App, position.sequence, PAGE_SIZE).await?;
        if page.is_empty() {
            if items.is_empty() && Instant::now() + POLL_INTERVAL < until {
                clock::pause(POLL_INTERVAL).await;
                continue;
            }
            break false;
        }
        rounds += 1;
        for notification in page {
            position = notification.id.position();
            if is_shown(&notification, pattern) {
                items.push(MessageOut::new(app, notification));
            }
            if items.len() == limit {
                break;
            }
        }
        if items.len() == limit || rounds == MAX_ROUNDS {
            break true;
        }
    };
    let cursor = Some(encode(position));
    let next = cursor.clone().filter(|_| has_more);
    Ok(MessagePage { items, cursor, next, recovered: Some(true), from: None })
}

async fn page_before(
    context: &Context,
    app: AppId,
    mut to: u64,
    limit: usize,
    pattern: &str,
) -> Result<MessagePage, Problem> {
    let encode = |it: Position| Cursor::encode(app, &Stream::App, it);
    let head = context.table().head(app, &Stream::App).await?.map(|it| it.last);
    // behind everything; of an empty stream the beginning
    let cursor = Some(encode(head.unwrap_or(Position { epoch: 0, sequence: 0 })));
    let mut items: Vec<MessageOut> = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let page = context.table().notifications_up_to(app, &Stream::App, to, PAGE_SIZE).await?;
        let Some(last) = page.last() else {
            return Ok(MessagePage { items, cursor, next: None, recovered: None, from: None });
        };
        let oldest = last.id.position();
        for notification in page {
            let position = notification.id.position();
            if is_shown(&notification, pattern) {
                items.push(MessageOut::new(app, notification));
            }
            if items.len() == limit {
                let next = Some(encode(position)).filter(|_| position.sequence > 1);
                return Ok(MessagePage { items, cursor, next, recovered: None, from: None });
            }
        }
        to = oldest.sequence.saturating_sub(1);
        if to == 0 {
            return Ok(MessagePage { items, cursor, next: None, recovered: None, from: None });
        }
    }
    let next = Position { epoch: head.map_or(0, |it| it.epoch), sequence: to + 1 };
    Ok(MessagePage { items, cursor, next: Some(encode(next)), recovered: None, from: None })
}

/// One notification of the application's stream.
#[utoipa::path(get, path = "/api/v1/Notification/Messages/{id}", tag = "Messages", security(("keys" = [])),
    params(("id" = String, Path)), responses((status = 200, body = MessageOut), (status = 404, body = Problem)))]
pub(crate) async fn get(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(id): Path<String>,
) -> Result<Json<MessageOut>, Problem> {
    let missing = || Problem::new(ProblemType::NoSuchNotification, "there is no notification of that id");
    let id: NotificationId = id.parse().map_err(|()| missing())?;
    if id.stream != Stream::App {
        return Err(missing());
    }
    let found = context.table().notification(app, &id).await?.filter(|it| !it.has_expired(clock::now()));
    Ok(Json(MessageOut::new(app, found.ok_or_else(missing)?)))
}
