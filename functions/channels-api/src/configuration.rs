//! `/api/v1/Notification/ChannelConfiguration`: one, all, the active ones, and removal.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;

use crate::State;
use crate::caller::Caller;
use crate::dto::{Configuration, Values};
use crate::envelope::{Envelope, Refusal, Verb};
use crate::webhook::extended;

/// One channel configuration.
#[utoipa::path(get, path = "/api/v1/Notification/ChannelConfiguration", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    responses((status = 200, body = Configuration), (status = 404, body = Envelope)))]
pub(crate) async fn get(
    Shared(state): Shared<State>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<Configuration>, Refusal> {
    let id = caller.configuration()?;
    let channel = state.table.channel(caller.app, id).await.map_err(Refusal::internal)?;
    let channel = channel.ok_or_else(|| Refusal::no_channel(caller.app, id, Verb::Get))?;
    Ok(Json(Configuration::whole(&channel, extended(&headers))))
}

/// Removes a channel configuration. What is under way to it is dropped.
#[utoipa::path(delete, path = "/api/v1/Notification/ChannelConfiguration", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    responses((status = 200, body = bool), (status = 404, body = Envelope)))]
pub(crate) async fn remove(Shared(state): Shared<State>, caller: Caller) -> Result<Json<bool>, Refusal> {
    let id = caller.configuration()?;
    let was_there = state.table.delete_channel(caller.app, id).await.map_err(Refusal::internal)?;
    if was_there { Ok(Json(true)) } else { Err(Refusal::no_channel(caller.app, id, Verb::Delete)) }
}

/// All channel configurations of the application.
#[utoipa::path(get, path = "/api/v1/Notification/ChannelConfiguration/All", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query)), responses((status = 200, body = Vec<Configuration>), (status = 401, body = Envelope)))]
pub(crate) async fn all(
    Shared(state): Shared<State>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<Vec<Configuration>>, Refusal> {
    let channels = state.table.channels(caller.app).await.map_err(Refusal::internal)?;
    Ok(Json(channels.iter().map(|it| Configuration::whole(it, extended(&headers))).collect()))
}

/// The active channel configurations of the application; 404 if there is none.
#[utoipa::path(get, path = "/api/v1/Notification/ChannelConfiguration/Active", tag = "Channels", security(("keys" = [])),
    params(("applicationId" = String, Query)), responses((status = 200, body = Values), (status = 404, body = Envelope)))]
pub(crate) async fn active(
    Shared(state): Shared<State>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<Values>, Refusal> {
    let channels = state.table.channels(caller.app).await.map_err(Refusal::internal)?;
    let active = channels.iter().filter(|it| it.active).map(|it| Configuration::whole(it, extended(&headers)));
    let values: Vec<Configuration> = active.collect();
    if values.is_empty() { Err(Refusal::NoneActive(caller.app)) } else { Ok(Json(Values { id: "1", values })) }
}
