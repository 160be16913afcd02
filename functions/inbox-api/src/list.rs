//! Reading: a page of an inbox after or before a cursor, one notification, counts.

use axum::Json;
use axum::extract::{Path, State};
use domain::AppId;
use domain::inbox::{InboxEntry, ReadState};
use domain::notification::{Notification, NotificationId, Position, Stream};
use entry::clock;
use entry::http::{Problem, QueryParams};
use inbox::escalation;
use inbox::path::{group_stream, user_stream};
use inbox::stream_reader::{self, find_gap};
use inbox::{CountsOut, Cursor, NotificationOut};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};

use crate::context::Context;
use crate::dto::read_position;
use crate::inbox_caller::InboxCaller;
use crate::problems::no_such_notification;

/// Queries for one page: it may stay short of its limit if a filter drops most notifications.
const MAX_ROUNDS: usize = 10;

/// How much the clocks of two writers may differ.
const CLOCK_SKEW: Duration = Duration::minutes(1);

/// Filters of a list.
#[derive(Deserialize, IntoParams, Default)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// Notifications after this cursor, oldest first: to catch up. Deleted and
    /// expired ones come as `"deleted": true`, so that the sequence
    /// has no gaps
    after: Option<String>,
    /// Notifications before this cursor, newest first: to page back
    before: Option<String>,
    /// 1 to 100, by default 20
    limit: Option<usize>,
    r#type: Option<String>,
    identifier: Option<String>,
    /// `true` or `false`
    read: Option<bool>,
    /// Whether to include archived ones: by default with `after` alone
    archived: Option<bool>,
    /// Sent at or after this time, RFC 3339
    since: Option<String>,
}

/// A page of an inbox.
#[derive(Serialize, ToSchema)]
pub(crate) struct InboxPage {
    items: Vec<NotificationOut>,
    /// The cursor of the next page, for the same parameter (`after` or `before`); absent on the last page
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// `false`: some notifications after the cursor are no longer stored. Read again after `from`
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    /// A cursor after which everything is stored
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

/// A user's notifications, newest first, or after a cursor. After a cursor the list is complete, or says that it is not
/// (`recovered: false`).
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Notifications", tag = "Inbox", security(("keys" = []), ("user" = [])),
    params(("user" = String, Path), Filter), responses((status = 200, body = InboxPage), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(context): State<Context>,
    InboxCaller(app): InboxCaller,
    Path(user): Path<String>,
    QueryParams(filter): QueryParams<Filter>,
) -> Result<Json<InboxPage>, Problem> {
    let stream = user_stream(&user)?;
    let read_state = context.table.read_state(app, &user).await?;
    list_filtered(&context, app, stream, &read_state, filter).await
}

/// A group's notifications, newest first, or after a cursor. Read state is not tracked for groups.
#[utoipa::path(get, path = "/api/v1/Groups/{group}/Notifications", tag = "Groups", security(("keys" = []), ("user" = [])),
    params(("group" = String, Path), Filter), responses((status = 200, body = InboxPage), (status = 422, body = Problem)))]
pub(crate) async fn list_of_group(
    State(context): State<Context>,
    InboxCaller(app): InboxCaller,
    Path(name): Path<String>,
    QueryParams(filter): QueryParams<Filter>,
) -> Result<Json<InboxPage>, Problem> {
    list_filtered(&context, app, group_stream(&name)?, &ReadState::default(), filter).await
}

/// Notifications for everyone, newest first, or after a cursor. Read state is not tracked for them.
#[utoipa::path(get, path = "/api/v1/Everyone/Notifications", tag = "Groups", security(("keys" = []), ("user" = [])),
    params(Filter), responses((status = 200, body = InboxPage), (status = 422, body = Problem)))]
pub(crate) async fn list_of_everyone(
    State(context): State<Context>,
    InboxCaller(app): InboxCaller,
    QueryParams(filter): QueryParams<Filter>,
) -> Result<Json<InboxPage>, Problem> {
    list_filtered(&context, app, Stream::Everyone, &ReadState::default(), filter).await
}

/// Whether a notification matches a filter.
#[derive(PartialEq, Eq)]
enum FilterMatch {
    Match,
    Mismatch,
    /// It is older than `since`, and so is every one before it.
    OlderThanSince,
}

async fn list_filtered(
    context: &Context,
    app: AppId,
    stream: Stream,
    read_state: &ReadState,
    filter: Filter,
) -> Result<Json<InboxPage>, Problem> {
    let limit = filter.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::invalid("limit", "1 to 100"));
    }
    let since = filter.since.as_deref().map(|it| OffsetDateTime::parse(it, &Rfc3339)).transpose();
    let since = since.map_err(|_| Problem::invalid("since", "a time such as 2026-11-21T09:00:00Z"))?;
    // after a cursor there are no gaps: archived ones are included, deleted ones are marked as deleted
    let (is_catch_up, now) = (filter.after.is_some(), clock::now());
    let matches = |notification: &Notification| {
        if since.is_some_and(|since| notification.timestamp < since) {
            // writers' clocks differ: a notification before this one may have a slightly later time
            let is_past = since.is_some_and(|since| notification.timestamp < since - CLOCK_SKEW);
            return if is_past { FilterMatch::OlderThanSince } else { FilterMatch::Mismatch };
        }
        let sequence = notification.id.sequence;
        let is_gone =
            || read_state.is_deleted_or_expired(sequence, domain::millis(now)) || notification.has_expired(now);
        let is_match = (is_catch_up || !is_gone())
            && (filter.archived.unwrap_or(is_catch_up) || !read_state.archived.contains(sequence))
            && filter.read.is_none_or(|read| read == read_state.read.contains(sequence))
            && filter.r#type.as_ref().is_none_or(|kind| *kind == notification.kind)
            && filter.identifier.as_ref().is_none_or(|id| notification.data["identifier"] == id.as_str());
        if is_match { FilterMatch::Match } else { FilterMatch::Mismatch }
    };
    match (&filter.after, &filter.before) {
        (Some(_), Some(_)) => Err(Problem::invalid("before", "`after` or `before`, not both")),
        (Some(after), None) => {
            let after = read_position("after", after, app, &stream)?;
            page_after(context, app, &stream, after, limit, read_state, matches).await.map(Json)
        }
        (None, before) => {
            let to = match before {
                Some(it) => read_position("before", it, app, &stream)?.sequence.saturating_sub(1),
                None => u64::MAX,
            };
            page_before(context, app, &stream, to, limit, read_state, matches).await.map(Json)
        }
    }
}

async fn page_after(
    context: &Context,
    app: AppId,
    stream: &Stream,
    after: Position,
    limit: usize,
    read_state: &ReadState,
    matches: impl Fn(&Notification) -> FilterMatch,
) -> Result<InboxPage, Problem> {
    if let Some(from) = find_gap(&context.table, app, stream, after).await? {
        let from = from.map(|it| Cursor::encode(app, stream, it));
        return Ok(InboxPage { items: Vec::new(), next: None, recovered: Some(false), from });
    }
    let (mut items, mut position) = (Vec::new(), after);
    for _ in 0..MAX_ROUNDS {
        let page = context.table.notifications_after(app, stream, position.sequence, 100).await?;
        if page.is_empty() {
            return Ok(InboxPage { items, next: None, recovered: Some(true), from: None });
        }
        for notification in &page {
            if items.len() == limit {
                let next = Some(Cursor::encode(app, stream, position));
                return Ok(InboxPage { items, next, recovered: Some(true), from: None });
            }
            position = notification.id.position();
            if matches(notification) == FilterMatch::Match {
                items.push(NotificationOut::as_of(app, notification, read_state, clock::now()));
            }
        }
    }
    let next = Some(Cursor::encode(app, stream, position));
    Ok(InboxPage { items, next, recovered: Some(true), from: None })
}

async fn page_before(
    context: &Context,
    app: AppId,
    stream: &Stream,
    mut to: u64,
    limit: usize,
    read_state: &ReadState,
    matches: impl Fn(&Notification) -> FilterMatch,
) -> Result<InboxPage, Problem> {
    let mut items: Vec<NotificationOut> = Vec::new();
    let mut epoch = 0;
    for _ in 0..MAX_ROUNDS {
        if to == 0 {
            break;
        }
        let page = context.table.notifications_up_to(app, stream, to, limit.max(20)).await?;
        let Some(last) = page.last() else { break };
        (to, epoch) = (last.id.sequence - 1, last.id.epoch);
        for notification in &page {
            match matches(notification) {
                FilterMatch::Match => {}
                FilterMatch::Mismatch => continue,
                FilterMatch::OlderThanSince => return Ok(InboxPage { items, next: None, recovered: None, from: None }),
            }
            if items.len() == limit {
                let next =
                    items.last().map(|it| Cursor::encode(app, stream, Position { epoch, sequence: it.sequence }));
                return Ok(InboxPage { items, next, recovered: None, from: None });
            }
            items.push(NotificationOut::new(app, notification, read_state));
        }
        if items.len() == limit {
            break;
        }
    }
    let more = to > 0 && epoch != 0 && !context.table.notifications_up_to(app, stream, to, 1).await?.is_empty();
    let next = more.then(|| Cursor::encode(app, stream, Position { epoch, sequence: to + 1 }));
    Ok(InboxPage { items, next, recovered: None, from: None })
}

/// One notification.
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Notifications/{id}", tag = "Inbox", security(("keys" = []), ("user" = [])),
    params(("user" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = NotificationOut), (status = 404, body = Problem)))]
pub(crate) async fn get(
    State(context): State<Context>,
    InboxCaller(app): InboxCaller,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<NotificationOut>, Problem> {
    let id: NotificationId = id.parse().map_err(|()| no_such_notification())?;
    if id.stream != user_stream(&user)? {
        return Err(no_such_notification()); // it is another user's
    }
    let read_state = context.table.read_state(app, &user).await?;
    let now = clock::now();
    let is_current = |found: &Notification| {
        !found.has_expired(now) && !read_state.is_deleted_or_expired(found.id.sequence, domain::millis(now))
    };
    let found = context.table.notification(app, &id).await?.filter(is_current);
    let mut notification = found.ok_or_else(no_such_notification)?;
    let entry = InboxEntry { app, user, id };
    if let Some(escalation) = escalation::state(&context.table, &entry, &notification.data).await? {
        notification.data["escalation"]["state"] = serde_json::json!(escalation);
    }
    Ok(Json(NotificationOut::new(app, &notification, &read_state)))
}

/// One notification of a group.
#[utoipa::path(get, path = "/api/v1/Groups/{group}/Notifications/{id}", tag = "Groups", security(("keys" = []), ("user" = [])),
    params(("group" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = NotificationOut), (status = 404, body = Problem)))]
pub(crate) async fn get_of_group(
    State(context): State<Context>,
    InboxCaller(app): InboxCaller,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<NotificationOut>, Problem> {
    get_broadcast(&context, app, &group_stream(&name)?, &id).await
}

/// One notification for everyone.
#[utoipa::path(get, path = "/api/v1/Everyone/Notifications/{id}", tag = "Groups", security(("keys" = []), ("user" = [])),
    params(("id" = String, Path)), responses((status = 200, body = NotificationOut), (status = 404, body = Problem)))]
pub(crate) async fn get_of_everyone(
    State(context): State<Context>,
    InboxCaller(app): InboxCaller,
    Path(id): Path<String>,
) -> Result<Json<NotificationOut>, Problem> {
    get_broadcast(&context, app, &Stream::Everyone, &id).await
}

async fn get_broadcast(
    context: &Context,
    app: AppId,
    stream: &Stream,
    id: &str,
) -> Result<Json<NotificationOut>, Problem> {
    let id: NotificationId =
        id.parse().ok().filter(|it: &NotificationId| it.stream == *stream).ok_or_else(no_such_notification)?;
    let found = context.table.notification(app, &id).await?.ok_or_else(no_such_notification)?;
    Ok(Json(NotificationOut::new(app, &found, &ReadState::default())))
}

/// Counts of a user's inbox, exact at their version.
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Counts", tag = "Inbox", security(("keys" = []), ("user" = [])), params(("user" = String, Path)),
    responses((status = 200, body = CountsOut)))]
pub(crate) async fn counts(
    State(context): State<Context>,
    InboxCaller(app): InboxCaller,
    Path(user): Path<String>,
) -> Result<Json<CountsOut>, Problem> {
    user_stream(&user)?;
    Ok(Json(stream_reader::read_state_with_counts(&context.table, app, &user, clock::now()).await?.1.into()))
}
