//! `POST /api/v1/Notification/Replay`: what was told from a cursor or a time on, once more to one channel.

use axum::Json;
use axum::extract::State as Shared;
use domain::command::Delivery;
use domain::notification::{Notification, NotificationId, Position, Stream};
use domain::{AppId, rfc3339};
use entry::clock;
use inbox::cursor::Cursor;
use serde::Serialize;
use table::Table;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::Context;
use crate::deliveries::channel;
use crate::forms::ReplayForm;
use adcreative_api::Caller;
use adcreative_api::Form;
use adcreative_api::{ApiError, Envelope};

/// Notifications that one request looks through.
const MAX_NOTIFICATIONS: usize = 1_000;
const PAGE_SIZE: usize = 100;

/// How far a replay has come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplayOut {
    /// Deliveries that were queued.
    queued: usize,
    /// Notifications that were looked at, those that the channel does not want among them.
    seen: usize,
    /// To go on with: send it as `after`. Absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Queues deliveries of what was told since a time, or after a cursor, to one channel, as far as the channel wants them.
/// Fields: `after` (a cursor, or the id of
/// a notification) or `since` (RFC 3339), `until` (RFC 3339, by default now), `failed` (`true`: only what was
/// attempted in vain). One request handles up to 1,000 notifications and answers `next`, to go on with. The ids are
/// those of the first time. What is not held any more is refused with 410: a replay is whole or it is not done.
#[utoipa::path(post, path = "/api/v1/Notification/Replay", tag = "Deliveries", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    request_body(content = ReplayForm, content_type = "application/json"),
    responses((status = 200, body = ReplayOut), (status = 400, body = Envelope), (status = 404, body = Envelope),
        (status = 409, body = Envelope), (status = 410, body = Envelope)))]
pub(crate) async fn replay(
    Shared(state): Shared<Context>,
    caller: Caller,
    form: Form,
) -> Result<Json<ReplayOut>, ApiError> {
    let (channel, now) = (channel(&state, &caller).await?, clock::now());
    if !channel.active {
        return Err(ApiError::Conflict(format!("Channel {} is inactive.", channel.id)));
    }
    if channel.unconfirmed {
        return Err(ApiError::Conflict(format!(
            "Channel {} has not answered its challenge yet; PUT of its form asks again.",
            channel.id
        )));
    }
    let until = time_field(&form, "until")?.unwrap_or(now);
    let failed_only = form.boolean("Failed", false)?;
    let mut place = start_position(&state.table, caller.app, &form).await?;
    let (mut seen, mut queued, round) = (0, 0, domain::millis(now));
    loop {
        let later = state.table.notifications_after(caller.app, &Stream::App, place.sequence, PAGE_SIZE).await;
        let page: Vec<Notification> =
            later.map_err(ApiError::internal)?.into_iter().take_while(|it| it.timestamp <= until).collect();
        let Some(last) = page.last() else {
            return Ok(Json(ReplayOut { queued, seen, next: None }));
        };
        (place, seen) = (last.id.position(), seen + page.len());
        let mut wanted = Vec::new();
        for it in page.into_iter().filter(|it| channel.accepts(it).is_ok()) {
            if failed_only {
                let record = state.table.failed_delivery(caller.app, channel.id, &it.id).await;
                let failed = record
                    .map_err(ApiError::internal)?
                    .is_some_and(|it| !matches!(it.state.as_str(), "delivered" | "retrying"));
                if !failed {
                    continue;
                }
            }
            wanted.push(it);
        }
        queued += wanted.len();
        let orders = Delivery::in_sequence(&channel, wanted).into_iter();
        let orders: Vec<Delivery> = orders.map(|it| Delivery { round: Some(round), ..it }).collect();
        let orders: Vec<(&Delivery, Duration)> = orders.iter().map(|it| (it, Duration::ZERO)).collect();
        state.outlets.send(&orders).await.map_err(ApiError::internal)?;
        if seen >= MAX_NOTIFICATIONS {
            let next = Some(Cursor::encode(caller.app, &Stream::App, place));
            return Ok(Json(ReplayOut { queued, seen, next }));
        }
    }
}

/// The place behind which a replay begins.
async fn start_position(table: &Table, app: AppId, form: &Form) -> Result<Position, ApiError> {
    let floor = table.oldest_position(app, &Stream::App).await.map_err(ApiError::internal)?;
    let empty = floor.is_none();
    let floor = floor.unwrap_or(Position { epoch: 0, sequence: 1 });
    match (form.text("after"), time_field(form, "since")?) {
        (Some(text), None) => {
            let place = parse_position(app, text)?;
            if !empty && place.sequence + 1 >= floor.sequence && place.epoch >= floor.epoch {
                return Ok(place);
            }
            let oldest = Position { sequence: floor.sequence.saturating_sub(1), ..floor };
            let oldest = Cursor::encode(app, &Stream::App, oldest);
            Err(ApiError::Gap(format!("What follows is not held any more; the history begins after {oldest}.")))
        }
        (None, Some(since)) => {
            // with number 1 the whole history is there
            let first = table
                .notifications_after(app, &Stream::App, floor.sequence - 1, 1)
                .await
                .map_err(ApiError::internal)?;
            match first.first() {
                Some(it) if it.id.sequence > 1 && it.timestamp > since => Err(ApiError::Gap(format!(
                    "What was told then is not held any more; the history begins at {}.",
                    rfc3339(it.timestamp)
                ))),
                _ => position_before(table, app, floor, since).await,
            }
        }
        (None, None) => Err(ApiError::InvalidField("After", "The After or the Since field is required.".to_owned())),
        (Some(_), Some(_)) => Err(ApiError::InvalidField("After", "Send After or Since, not both.".to_owned())),
    }
}

/// A cursor of the application's stream, or the id of a notification in it.
fn parse_position(app: AppId, text: &str) -> Result<Position, ApiError> {
    if let Ok(NotificationId { stream: Stream::App, epoch, sequence }) = text.parse() {
        return Ok(Position { epoch, sequence });
    }
    let wrong = |_| {
        ApiError::InvalidField("After", "The After is no cursor and no notification of this application.".to_owned())
    };
    Cursor::decode(text, app, &Stream::App).map_err(wrong)
}

/// The last place before a time, by halving: numbers and times grow together.
async fn position_before(
    table: &Table,
    app: AppId,
    floor: Position,
    since: OffsetDateTime,
) -> Result<Position, ApiError> {
    let head = table.head(app, &Stream::App).await.map_err(ApiError::internal)?;
    let (mut low, mut high) = (floor.sequence.saturating_sub(1), head.map_or(0, |it| it.last.sequence));
    while low < high {
        let middle = low + (high - low) / 2;
        let next = table.notifications_after(app, &Stream::App, middle, 1).await.map_err(ApiError::internal)?;
        match next.first() {
            Some(it) if it.timestamp < since => low = it.id.sequence,
            _ => high = middle,
        }
    }
    Ok(Position { epoch: floor.epoch, sequence: low })
}

fn time_field(form: &Form, name: &'static str) -> Result<Option<OffsetDateTime>, ApiError> {
    let Some(text) = form.text(name) else { return Ok(None) };
    let wrong = |_| {
        ApiError::InvalidField(
            name,
            format!(
                "The value '{}' is no time such as 2026-11-21T09:00:00Z.",
                text.chars().take(64).collect::<String>()
            ),
        )
    };
    OffsetDateTime::parse(text, &Rfc3339).map(Some).map_err(wrong)
}
