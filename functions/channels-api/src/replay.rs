//! `POST /api/v1/Notification/Replay`: delivers notifications to a channel again, from a cursor or a time on.

use axum::Json;
use axum::extract::State;
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

use crate::context::Context;
use crate::deliveries::channel;
use crate::forms::ReplayForm;
use adcreative_api::Caller;
use adcreative_api::Form;
use adcreative_api::{ApiError, Envelope};

/// Notifications that one request handles.
const MAX_NOTIFICATIONS: usize = 1_000;
const PAGE_SIZE: usize = 100;

/// The progress of a replay.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplayOut {
    /// Deliveries that were queued; in a dry run, those that would be.
    queued: usize,
    /// Notifications that were examined, including those that the channel does not accept.
    seen: usize,
    /// Send it as `after` to continue; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Delivers notifications of a time, or after a cursor, to one channel again, as far as the channel accepts them.
/// Fields: `after` (a cursor, or the id of a notification) or `since` (RFC 3339), `until` (RFC 3339, by default now),
/// `failed` (`true`: only those whose delivery has failed), `dryRun` (`true`: only count them). One request handles up to 1,000 notifications; its answer
/// has `next` to continue with. The notifications keep their ids. If some of them have expired, the answer is 410: a
/// replay is complete or does not begin.
#[utoipa::path(post, path = "/api/v1/Notification/Replay", tag = "Deliveries", security(("keys" = [])),
    params(("applicationId" = String, Query), ("configurationId" = String, Query)),
    request_body(content = ReplayForm, content_type = "application/json"),
    responses((status = 200, body = ReplayOut), (status = 400, body = Envelope), (status = 404, body = Envelope),
        (status = 409, body = Envelope), (status = 410, body = Envelope)))]
pub(crate) async fn replay(
    State(context): State<Context>,
    caller: Caller,
    form: Form,
) -> Result<Json<ReplayOut>, ApiError> {
    let (channel, now) = (channel(&context, &caller).await?, clock::now());
    if !channel.active {
        return Err(ApiError::Conflict(format!("Channel {} is inactive.", channel.id)));
    }
    if channel.unconfirmed {
        return Err(ApiError::Conflict(format!(
            "Channel {} has not answered its challenge yet; PUT of its form asks again.",
            channel.id
        )));
    }
    let until = time_field(&form, "Until")?.unwrap_or(now);
    let failed_only = form.boolean("Failed", false)?;
    let dry_run = form.boolean("DryRun", false)?;
    let mut position = start_position(&context.table, caller.app, &form).await?;
    let (mut seen, mut queued, round) = (0, 0, domain::millis(now));
    loop {
        let later = context.table.notifications_after(caller.app, &Stream::App, position.sequence, PAGE_SIZE).await;
        let page: Vec<Notification> =
            later.map_err(ApiError::internal)?.into_iter().take_while(|it| it.timestamp <= until).collect();
        let Some(last) = page.last() else {
            return Ok(Json(ReplayOut { queued, seen, next: None }));
        };
        (position, seen) = (last.id.position(), seen + page.len());
        let mut accepted = Vec::new();
        for notification in page.into_iter().filter(|it| channel.accepts(it).is_ok()) {
            if failed_only {
                let record = context.table.failed_delivery(caller.app, channel.id, &notification.id).await;
                let failed = record
                    .map_err(ApiError::internal)?
                    .is_some_and(|it| !matches!(it.state.as_str(), "delivered" | "retrying"));
                if !failed {
                    continue;
                }
            }
            accepted.push(notification);
        }
        queued += accepted.len();
        if dry_run {
            accepted.clear();
        }
        let orders = Delivery::in_sequence(&channel, accepted).into_iter();
        let orders: Vec<Delivery> = orders.map(|it| Delivery { round: Some(round), ..it }).collect();
        let orders: Vec<(&Delivery, Duration)> = orders.iter().map(|it| (it, Duration::ZERO)).collect();
        context.delivery_queues.send(&orders).await.map_err(ApiError::internal)?;
        if seen >= MAX_NOTIFICATIONS {
            let next = Some(Cursor::encode(caller.app, &Stream::App, position));
            return Ok(Json(ReplayOut { queued, seen, next }));
        }
    }
}

/// The position after which a replay begins.
///
/// # Errors
/// 410 if what follows has expired in part; 400 without exactly one of `after` and `since`.
async fn start_position(table: &Table, app: AppId, form: &Form) -> Result<Position, ApiError> {
    let floor = table.oldest_position(app, &Stream::App).await.map_err(ApiError::internal)?;
    let empty = floor.is_none();
    let floor = floor.unwrap_or(Position { epoch: 0, sequence: 1 });
    match (form.text("After")?, time_field(form, "Since")?) {
        (Some(text), None) => {
            let position = parse_position(app, text)?;
            if !empty && position.sequence + 1 >= floor.sequence && position.epoch >= floor.epoch {
                return Ok(position);
            }
            let oldest = Position { sequence: floor.sequence.saturating_sub(1), ..floor };
            let oldest = Cursor::encode(app, &Stream::App, oldest);
            Err(ApiError::Gap(format!("What follows has expired; the history begins after {oldest}.")))
        }
        (None, Some(since)) => {
            // the history is complete if number 1 is still there
            let first = table
                .notifications_after(app, &Stream::App, floor.sequence - 1, 1)
                .await
                .map_err(ApiError::internal)?;
            match first.first() {
                Some(notification) if notification.id.sequence > 1 && notification.timestamp > since => {
                    Err(ApiError::Gap(format!(
                        "The notifications of that time have expired; the history begins at {}.",
                        rfc3339(notification.timestamp)
                    )))
                }
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

/// The last position before a time, by binary search: times grow with the numbers.
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
    let Some(text) = form.text(name)? else { return Ok(None) };
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
