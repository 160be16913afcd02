//! `POST /api/v1/Notification/Replay`: what was told from a cursor or a time on, once more to one channel.

use axum::Json;
use axum::extract::State as Shared;
use domain::notification::{Notification, NotificationId, Place, Stream};
use domain::order::Delivery;
use domain::{AppId, rfc3339};
use entry::clock;
use inbox::cursor::Cursor;
use serde::Serialize;
use table::Table;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::State;
use crate::deliveries::channel;
use crate::forms::ReplayForm;
use published::Caller;
use published::Form;
use published::{Envelope, Refusal};

/// Notifications that one request looks through.
const MOST: usize = 1_000;
const PAGE: usize = 100;

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
    Shared(state): Shared<State>,
    caller: Caller,
    form: Form,
) -> Result<Json<ReplayOut>, Refusal> {
    let (channel, now) = (channel(&state, &caller).await?, clock::now());
    if !channel.active {
        return Err(Refusal::Conflict(format!("Channel {} is inactive.", channel.id)));
    }
    if channel.unconfirmed {
        return Err(Refusal::Conflict(format!(
            "Channel {} has not answered its challenge yet; PUT of its form asks again.",
            channel.id
        )));
    }
    let until = time_of(&form, "until")?.unwrap_or(now);
    let failed_only = form.flag("Failed", false)?;
    let mut place = start(&state.table, caller.app, &form).await?;
    let (mut seen, mut queued, round) = (0, 0, domain::millis(now));
    loop {
        let later = state.table.later(caller.app, &Stream::App, place.sequence, PAGE).await;
        let page: Vec<Notification> =
            later.map_err(Refusal::internal)?.into_iter().take_while(|it| it.timestamp <= until).collect();
        let Some(last) = page.last() else {
            return Ok(Json(ReplayOut { queued, seen, next: None }));
        };
        (place, seen) = (last.id.place(), seen + page.len());
        let mut wanted = Vec::new();
        for it in page.into_iter().filter(|it| channel.wants(it).is_ok()) {
            if failed_only {
                let record = state.table.failed_delivery(caller.app, channel.id, &it.id).await;
                let failed = record
                    .map_err(Refusal::internal)?
                    .is_some_and(|it| !matches!(it.state.as_str(), "delivered" | "retrying"));
                if !failed {
                    continue;
                }
            }
            wanted.push(it);
        }
        queued += wanted.len();
        let orders = Delivery::in_order(&channel, wanted).into_iter();
        let orders: Vec<Delivery> = orders.map(|it| Delivery { round: Some(round), ..it }).collect();
        let orders: Vec<(&Delivery, Duration)> = orders.iter().map(|it| (it, Duration::ZERO)).collect();
        state.outlets.send(&orders).await.map_err(Refusal::internal)?;
        if seen >= MOST {
            let next = Some(Cursor::at(caller.app, &Stream::App, place));
            return Ok(Json(ReplayOut { queued, seen, next }));
        }
    }
}

/// The place behind which a replay begins.
async fn start(table: &Table, app: AppId, form: &Form) -> Result<Place, Refusal> {
    let floor = table.floor(app, &Stream::App).await.map_err(Refusal::internal)?;
    let empty = floor.is_none();
    let floor = floor.unwrap_or(Place { epoch: 0, sequence: 1 });
    match (form.text("after"), time_of(form, "since")?) {
        (Some(text), None) => {
            let place = read(app, text)?;
            if !empty && place.sequence + 1 >= floor.sequence && place.epoch >= floor.epoch {
                return Ok(place);
            }
            let oldest = Place { sequence: floor.sequence.saturating_sub(1), ..floor };
            let oldest = Cursor::at(app, &Stream::App, oldest);
            Err(Refusal::Gap(format!("What follows is not held any more; the history begins after {oldest}.")))
        }
        (None, Some(since)) => {
            // with number 1 the whole history is there
            let first = table.later(app, &Stream::App, floor.sequence - 1, 1).await.map_err(Refusal::internal)?;
            match first.first() {
                Some(it) if it.id.sequence > 1 && it.timestamp > since => Err(Refusal::Gap(format!(
                    "What was told then is not held any more; the history begins at {}.",
                    rfc3339(it.timestamp)
                ))),
                _ => before(table, app, floor, since).await,
            }
        }
        (None, None) => Err(Refusal::Field("After", "The After or the Since field is required.".to_owned())),
        (Some(_), Some(_)) => Err(Refusal::Field("After", "Send After or Since, not both.".to_owned())),
    }
}

/// A cursor of the application's stream, or the id of a notification in it.
fn read(app: AppId, text: &str) -> Result<Place, Refusal> {
    if let Ok(NotificationId { stream: Stream::App, epoch, sequence }) = text.parse() {
        return Ok(Place { epoch, sequence });
    }
    let wrong =
        |_| Refusal::Field("After", "The After is no cursor and no notification of this application.".to_owned());
    Cursor::read(text, app, &Stream::App).map_err(wrong)
}

/// The last place before a time, by halving: numbers and times grow together.
async fn before(table: &Table, app: AppId, floor: Place, since: OffsetDateTime) -> Result<Place, Refusal> {
    let head = table.head(app, &Stream::App).await.map_err(Refusal::internal)?;
    let (mut low, mut high) = (floor.sequence.saturating_sub(1), head.map_or(0, |it| it.last.sequence));
    while low < high {
        let middle = low + (high - low) / 2;
        let next = table.later(app, &Stream::App, middle, 1).await.map_err(Refusal::internal)?;
        match next.first() {
            Some(it) if it.timestamp < since => low = it.id.sequence,
            _ => high = middle,
        }
    }
    Ok(Place { epoch: floor.epoch, sequence: low })
}

fn time_of(form: &Form, name: &'static str) -> Result<Option<OffsetDateTime>, Refusal> {
    let Some(text) = form.text(name) else { return Ok(None) };
    let wrong = |_| {
        Refusal::Field(
            name,
            format!(
                "The value '{}' is no time such as 2026-11-21T09:00:00Z.",
                text.chars().take(64).collect::<String>()
            ),
        )
    };
    OffsetDateTime::parse(text, &Rfc3339).map(Some).map_err(wrong)
}
