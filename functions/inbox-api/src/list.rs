//! Reading: an inbox from a cursor on or from its newest back, one notification, counts.

use axum::Json;
use axum::extract::{Path, State as Shared};
use domain::AppId;
use domain::inbox::{InboxEntry, ReadState};
use domain::notification::{Notification, NotificationId, Position, Stream};
use entry::clock;
use entry::http::{Problem, ProblemType, QueryParams};
use inbox::escalation;
use inbox::stream_reader::{self, find_gap};
use inbox::{CountsOut, Cursor, NotificationOut};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};

use crate::dto::read_position;
use crate::inbox_caller::InboxCaller;
use crate::{Context, group_stream, user_stream};

/// Rounds of reading for one answer, so that it stays bounded whatever is filtered out.
const MAX_ROUNDS: usize = 10;

/// How much clocks of two senders may differ.
const CLOCK_SKEW: Duration = Duration::minutes(1);

/// What a list is narrowed to.
#[derive(Deserialize, IntoParams, Default)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// What follows this cursor, oldest first: to catch up. What was deleted or has
    /// expired comes as `"deleted": true`, so that the numbers
    /// have no holes
    after: Option<String>,
    /// What comes before this cursor, newest first: to page back
    before: Option<String>,
    /// 1 to 100, by default 20
    limit: Option<usize>,
    r#type: Option<String>,
    identifier: Option<String>,
    /// `true` or `false`
    read: Option<bool>,
    /// Also what is archived: by default with `after` alone
    archived: Option<bool>,
    /// Sent at or after this time, RFC 3339
    since: Option<String>,
}

/// A page of an inbox.
#[derive(Serialize, ToSchema)]
pub(crate) struct InboxPage {
    items: Vec<NotificationOut>,
    /// Give it as `after` or `before`, as before; absent at the end
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// `false`: the cursor is older than what is kept. The items are not all that followed it: read anew from `from`
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    /// A cursor from which everything that is kept follows
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

/// A user's notifications, newest first, or from a cursor on. Catching up is whole, or says that it is not
/// (`recovered: false`).
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Notifications", tag = "Inbox", security(("keys" = []), ("user" = [])),
    params(("user" = String, Path), Filter), responses((status = 200, body = InboxPage), (status = 422, body = Problem)))]
pub(crate) async fn list(
    Shared(state): Shared<Context>,
    InboxCaller(app): InboxCaller,
    Path(user): Path<String>,
    QueryParams(filter): QueryParams<Filter>,
) -> Result<Json<InboxPage>, Problem> {
    let stream = user_stream(&user)?;
    let marks = state.table.read_state(app, &user).await?;
    list_filtered(&state, app, stream, &marks, filter).await
}

/// What a group was told, newest first, or from a cursor on. Nobody's marks are on it.
#[utoipa::path(get, path = "/api/v1/Groups/{group}/Notifications", tag = "Groups", security(("keys" = []), ("user" = [])),
    params(("group" = String, Path), Filter), responses((status = 200, body = InboxPage), (status = 422, body = Problem)))]
pub(crate) async fn of_group(
    Shared(state): Shared<Context>,
    InboxCaller(app): InboxCaller,
    Path(name): Path<String>,
    QueryParams(filter): QueryParams<Filter>,
) -> Result<Json<InboxPage>, Problem> {
    list_filtered(&state, app, group_stream(&name)?, &ReadState::default(), filter).await
}

/// What everyone was told, newest first, or from a cursor on. Nobody's marks are on it.
#[utoipa::path(get, path = "/api/v1/Everyone/Notifications", tag = "Groups", security(("keys" = []), ("user" = [])),
    params(Filter), responses((status = 200, body = InboxPage), (status = 422, body = Problem)))]
pub(crate) async fn of_everyone(
    Shared(state): Shared<Context>,
    InboxCaller(app): InboxCaller,
    QueryParams(filter): QueryParams<Filter>,
) -> Result<Json<InboxPage>, Problem> {
    list_filtered(&state, app, Stream::Everyone, &ReadState::default(), filter).await
}

/// Whether a notification is wanted.
#[derive(PartialEq, Eq)]
enum FilterMatch {
    Match,
    Mismatch,
    /// It is older than anything that is wanted, and so is all before it.
    OlderThanSince,
}

async fn list_filtered(
    state: &Context,
    app: AppId,
    stream: Stream,
    marks: &ReadState,
    filter: Filter,
) -> Result<Json<InboxPage>, Problem> {
    let limit = filter.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::invalid("limit", "1 to 100"));
    }
    let since = filter.since.as_deref().map(|it| OffsetDateTime::parse(it, &Rfc3339)).transpose();
    let since = since.map_err(|_| Problem::invalid("since", "a time such as 2026-11-21T09:00:00Z"))?;
    // what follows a cursor has no holes: also what was archived comes, and what was deleted says so
    let (all, now) = (filter.after.is_some(), clock::now());
    let fits = |it: &Notification| {
        if since.is_some_and(|since| it.timestamp < since) {
            // (clocks differ a little, so that the next one may be newer by that)
            let past = since.is_some_and(|since| it.timestamp < since - CLOCK_SKEW);
            return if past { FilterMatch::OlderThanSince } else { FilterMatch::Mismatch };
        }
        let number = it.id.sequence;
        let fits = (all || !marks.is_deleted_or_expired(number, domain::millis(now)) && !it.has_expired(now))
            && (filter.archived.unwrap_or(all) || !marks.archived.contains(number))
            && filter.read.is_none_or(|read| read == marks.read.contains(number))
            && filter.r#type.as_ref().is_none_or(|kind| *kind == it.kind)
            && filter.identifier.as_ref().is_none_or(|id| it.data["identifier"] == id.as_str());
        if fits { FilterMatch::Match } else { FilterMatch::Mismatch }
    };
    match (&filter.after, &filter.before) {
        (Some(_), Some(_)) => Err(Problem::invalid("before", "`after` or `before`, not both")),
        (Some(after), None) => {
            let after = read_position("after", after, app, &stream)?;
            page_after(state, app, &stream, after, limit, marks, fits).await.map(Json)
        }
        (None, before) => {
            let to = match before {
                Some(it) => read_position("before", it, app, &stream)?.sequence.saturating_sub(1),
                None => u64::MAX,
            };
            page_before(state, app, &stream, to, limit, marks, fits).await.map(Json)
        }
    }
}

async fn page_after(
    state: &Context,
    app: AppId,
    stream: &Stream,
    after: Position,
    limit: usize,
    marks: &ReadState,
    fits: impl Fn(&Notification) -> FilterMatch,
) -> Result<InboxPage, Problem> {
    if let Some(from) = find_gap(&state.table, app, stream, after).await? {
        let from = from.map(|it| Cursor::encode(app, stream, it));
        return Ok(InboxPage { items: Vec::new(), next: None, recovered: Some(false), from });
    }
    let (mut items, mut at) = (Vec::new(), after);
    for _ in 0..MAX_ROUNDS {
        let found = state.table.notifications_after(app, stream, at.sequence, 100).await?;
        if found.is_empty() {
            return Ok(InboxPage { items, next: None, recovered: Some(true), from: None });
        }
        for it in &found {
            if items.len() == limit {
                let next = Some(Cursor::encode(app, stream, at));
                return Ok(InboxPage { items, next, recovered: Some(true), from: None });
            }
            at = it.id.position();
            if fits(it) == FilterMatch::Match {
                items.push(NotificationOut::as_of(app, it, marks, clock::now()));
            }
        }
    }
    let next = Some(Cursor::encode(app, stream, at));
    Ok(InboxPage { items, next, recovered: Some(true), from: None })
}

async fn page_before(
    state: &Context,
    app: AppId,
    stream: &Stream,
    mut to: u64,
    limit: usize,
    marks: &ReadState,
    fits: impl Fn(&Notification) -> FilterMatch,
) -> Result<InboxPage, Problem> {
    let mut items: Vec<NotificationOut> = Vec::new();
    let mut epoch = 0;
    for _ in 0..MAX_ROUNDS {
        if to == 0 {
            break;
        }
        let found = state.table.notifications_up_to(app, stream, to, limit.max(20)).await?;
        let Some(last) = found.last() else { break };
        (to, epoch) = (last.id.sequence - 1, last.id.epoch);
        for it in &found {
            match fits(it) {
                FilterMatch::Match => {}
                FilterMatch::Mismatch => continue,
                FilterMatch::OlderThanSince => return Ok(InboxPage { items, next: None, recovered: None, from: None }),
            }
            if items.len() == limit {
                let next =
                    items.last().map(|it| Cursor::encode(app, stream, Position { epoch, sequence: it.sequence }));
                return Ok(InboxPage { items, next, recovered: None, from: None });
            }
            items.push(NotificationOut::new(app, it, marks));
        }
        if items.len() == limit {
            break;
        }
    }
    let more = to > 0 && epoch != 0 && !state.table.notifications_up_to(app, stream, to, 1).await?.is_empty();
    let next = more.then(|| Cursor::encode(app, stream, Position { epoch, sequence: to + 1 }));
    Ok(InboxPage { items, next, recovered: None, from: None })
}

/// One notification.
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Notifications/{id}", tag = "Inbox", security(("keys" = []), ("user" = [])),
    params(("user" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = NotificationOut), (status = 404, body = Problem)))]
pub(crate) async fn get(
    Shared(state): Shared<Context>,
    InboxCaller(app): InboxCaller,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<NotificationOut>, Problem> {
    let missing = || Problem::new(ProblemType::NoSuchNotification, "there is no notification of that id");
    let id: NotificationId = id.parse().map_err(|()| missing())?;
    if id.stream != user_stream(&user)? {
        return Err(missing()); // another user's
    }
    let marks = state.table.read_state(app, &user).await?;
    let now = clock::now();
    let there =
        |it: &Notification| !it.has_expired(now) && !marks.is_deleted_or_expired(it.id.sequence, domain::millis(now));
    let found = state.table.notification(app, &id).await?.filter(there);
    let mut found = found.ok_or_else(missing)?;
    let it = InboxEntry { app, user, id };
    if let Some(escalation) = escalation::state(&state.table, &it, &found.data).await? {
        found.data["escalation"]["state"] = serde_json::json!(escalation);
    }
    Ok(Json(NotificationOut::new(app, &found, &marks)))
}

/// One notification of a group.
#[utoipa::path(get, path = "/api/v1/Groups/{group}/Notifications/{id}", tag = "Groups", security(("keys" = []), ("user" = [])),
    params(("group" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = NotificationOut), (status = 404, body = Problem)))]
pub(crate) async fn get_of_group(
    Shared(state): Shared<Context>,
    InboxCaller(app): InboxCaller,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<NotificationOut>, Problem> {
    get_broadcast(&state, app, &group_stream(&name)?, &id).await
}

/// One notification for everyone.
#[utoipa::path(get, path = "/api/v1/Everyone/Notifications/{id}", tag = "Groups", security(("keys" = []), ("user" = [])),
    params(("id" = String, Path)), responses((status = 200, body = NotificationOut), (status = 404, body = Problem)))]
pub(crate) async fn get_of_everyone(
    Shared(state): Shared<Context>,
    InboxCaller(app): InboxCaller,
    Path(id): Path<String>,
) -> Result<Json<NotificationOut>, Problem> {
    get_broadcast(&state, app, &Stream::Everyone, &id).await
}

async fn get_broadcast(
    state: &Context,
    app: AppId,
    stream: &Stream,
    id: &str,
) -> Result<Json<NotificationOut>, Problem> {
    let missing = || Problem::new(ProblemType::NoSuchNotification, "there is no notification of that id");
    let id: NotificationId = id.parse().ok().filter(|it: &NotificationId| it.stream == *stream).ok_or_else(missing)?;
    let found = state.table.notification(app, &id).await?.ok_or_else(missing)?;
    Ok(Json(NotificationOut::new(app, &found, &ReadState::default())))
}

/// Counts of a user's inbox: exact, and versioned.
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Counts", tag = "Inbox", security(("keys" = []), ("user" = [])), params(("user" = String, Path)),
    responses((status = 200, body = CountsOut)))]
pub(crate) async fn counts(
    Shared(state): Shared<Context>,
    InboxCaller(app): InboxCaller,
    Path(user): Path<String>,
) -> Result<Json<CountsOut>, Problem> {
    user_stream(&user)?;
    Ok(Json(stream_reader::read_state_with_counts(&state.table, app, &user, clock::now()).await?.1.into()))
}
