//! Sending: to one user one notification or up to a hundred, or one to many users.

use axum::extract::{Path, State as Shared};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::notification::{News, Place, Stream};
use domain::{AppId, BATCH};
use entry::clock;
use entry::http::caller::Caller;
use entry::http::{Body, Problem};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::dto::{NotificationIn, Sent};
use crate::once::{self, Keyed};
use crate::{State, group, stream};

/// Sends to a user: a notification, or a list of up to 100, which are stored together under consecutive numbers. Each entry
/// has its own result. A request with an `Idempotency-Key` is safe to repeat for 24 hours.
#[utoipa::path(post, path = "/api/v1/Inbox/{user}/Notifications", tag = "Inbox", security(("keys" = [])),
    params(("user" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = NotificationIn,
    responses((status = 201, body = Vec<Sent>), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn to_user(
    Shared(state): Shared<State>,
    Caller(app): Caller,
    Path(user): Path<String>,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Response, Problem> {
    several(&state, app, stream(&user)?, &user, &headers, body).await
}

/// Sends to all sockets of a group, at once and to each that comes back.
#[utoipa::path(post, path = "/api/v1/Groups/{group}/Notifications", tag = "Groups", security(("keys" = [])),
    params(("group" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = NotificationIn,
    responses((status = 201, body = Vec<Sent>), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn to_group(
    Shared(state): Shared<State>,
    Caller(app): Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Response, Problem> {
    several(&state, app, group(&name)?, &name, &headers, body).await
}

/// Sends to all sockets of the application, at once and to each that comes back.
#[utoipa::path(post, path = "/api/v1/Everyone/Notifications", tag = "Groups", security(("keys" = [])),
    params(("Idempotency-Key" = Option<String>, Header)), request_body = NotificationIn,
    responses((status = 201, body = Vec<Sent>), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn to_everyone(
    Shared(state): Shared<State>,
    Caller(app): Caller,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Response, Problem> {
    several(&state, app, Stream::Everyone, "everyone", &headers, body).await
}

/// Stores one notification, or several together, in a stream.
async fn several(
    state: &State,
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
    if entries.is_empty() || entries.len() > BATCH {
        return Err(Problem::invalid("", format!("1 to {BATCH} notifications")));
    }
    let read = |it: Value| {
        let it: NotificationIn = serde_json::from_value(it).map_err(|why| Problem::invalid("", why.to_string()))?;
        it.news()
    };
    let read: Vec<Result<News, Problem>> = entries.into_iter().map(read).collect();
    if read.iter().all(Result::is_err) {
        // nothing to store, and so nothing to repeat
        return Err(read.into_iter().find_map(Result::err).unwrap_or_else(crate::busy));
    }
    let keyed = match once::begin(&state.table, app, headers, &format!("send {stream}"), &body.to_string()).await? {
        Ok(keyed) => keyed,
        Err(answer) => return Ok(answer),
    };
    let news: Vec<News> = read.iter().filter_map(|it| it.as_ref().ok().cloned()).collect();
    let first = write(state, app, &stream, &news, &keyed).await?;
    let mut number = first.sequence;
    let mut sent = Vec::with_capacity(read.len());
    for it in &read {
        sent.push(match it {
            Ok(_) => {
                let place = Place { sequence: number, ..first };
                number += 1;
                Sent::done(app, &stream, place)
            }
            Err(why) => Sent::refused(name, why),
        });
    }
    once::end(&state.table, app, keyed, serde_json::to_string(&sent)?).await
}

/// One notification for many users.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Many {
    /// 1 to 100
    users: Vec<String>,
    notification: NotificationIn,
}

/// Sends one notification to up to 100 users; each has its own result.
#[utoipa::path(post, path = "/api/v1/Inbox/Notifications", tag = "Inbox", security(("keys" = [])),
    params(("Idempotency-Key" = Option<String>, Header)), request_body = Many,
    responses((status = 201, body = Vec<Sent>), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn to_many(
    Shared(state): Shared<State>,
    Caller(app): Caller,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Response, Problem> {
    let many: Many = serde_json::from_value(body.clone()).map_err(|why| Problem::invalid("", why.to_string()))?;
    if many.users.is_empty() || many.users.len() > BATCH {
        return Err(Problem::invalid("users", format!("1 to {BATCH} users")));
    }
    let news = many.notification.news()?;
    let keyed = match once::begin(&state.table, app, &headers, "send many", &body.to_string()).await? {
        Ok(keyed) => keyed,
        Err(answer) => return Ok(answer),
    };
    let mut sent = Vec::with_capacity(many.users.len());
    for user in &many.users {
        sent.push(match stream(user) {
            Ok(stream) => {
                let place = write(&state, app, &stream, std::slice::from_ref(&news), &keyed).await?;
                Sent::done(app, &stream, place)
            }
            Err(why) => Sent::refused(user, &why),
        });
    }
    once::end(&state.table, app, keyed, serde_json::to_string(&sent)?).await
}

/// Writes to a stream. A request that is tried again after it died finds what it wrote.
pub(crate) async fn write(
    state: &State,
    app: AppId,
    stream: &Stream,
    news: &[News],
    keyed: &Keyed,
) -> Result<Place, Problem> {
    if keyed.again
        && let Some(place) = state.table.told_since(app, stream, keyed.since).await?.get(&keyed.write_id)
    {
        return Ok(*place);
    }
    Ok(state.table.append(app, stream, news, &keyed.write_id, clock::now()).await?)
}
