//! `/api/v1/DeadLetters`: what could not be handled for an application, or delivered to its receivers, and the way back to the
//! queue.
//!
//! The queues are the deployment's. A letter is shown to, and moved by, the application that its message is for; the others are
//! released as soon as they were looked at.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::application::Access;
use domain::dead_letter::{DeadLetterKind, redrive_delay};
use domain::masking::{mask_message, mask_text};
use domain::{AppId, from_millis, rfc3339};
use entry::http::auth::AnyCaller;
use entry::http::{AuthError, JsonBody, Principal, Problem, ProblemType, auth_problem};
use entry::{DeadLetterQueue, ReceivedLetter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::context::Context;
use crate::exhausted::{self, Selection};
use crate::search::look_for;

/// The most bytes of a message that are shown: 200 of them fit into a function's answer (6 MB; AWS Lambda, quotas), even
/// where each quotation mark takes two bytes.
const MAX_SHOWN_BYTES: usize = 12 << 10;
/// Letters that a request may name.
const MAX_IDS: usize = 100;
/// What is said of a letter that SQS itself has moved.
const NO_ANSWER: &str = "its function crashed, ran out of time, or could not park it each time; see its log";

/// A message that could not be handled.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetterOut {
    id: String,
    /// Why it was not handled
    reason: String,
    sent_at: String,
    /// The message, with its secrets masked; the beginning of its text if it is `truncated`
    #[schema(value_type = Object)]
    body: Value,
    /// Whether the message is longer than what is shown, which is up to 12 KiB
    truncated: bool,
}

/// Dead letters of one kind.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLettersOut {
    items: Vec<DeadLetterOut>,
    /// Whether there may be more: others are reading some, or there are more than one request looks at. Asked again at once, it
    /// looks further. What came within the last minute may be missing
    more: bool,
}

/// Which letters go back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RedriveIn {
    /// Their ids, at most 100; all of the application's by default
    #[serde(default)]
    #[schema(max_items = 100)]
    ids: Option<Vec<String>>,
    /// How many went back by the requests just before: the slow start goes on there
    #[serde(default)]
    already_redriven: u32,
}

/// Which letters are discarded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiscardIn {
    /// Their ids, 1 to 100
    #[serde(default)]
    #[schema(required = true, min_items = 1, max_items = 100)]
    ids: Vec<String>,
}

/// What was discarded.
#[derive(Serialize, ToSchema)]
pub(crate) struct DiscardOut {
    discarded: usize,
    /// Whether a letter that was named may be there still: ask again
    more: bool,
}

/// What went back.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedriveOut {
    redriven: usize,
    /// Whether there may be more: ask again
    more: bool,
}

/// The application's dead letters of one kind, with the deliveries whose attempts are used up: `scan`, `iconik`, `faces`, `objects`,
/// `translations`, `render`, `webhook`, `amqp`, `signalr`, `push` or `nms`. The caller needs the scope of what they are about: `media`
/// (the first five), `images`, `channels` (the next three), `inbox` or `oma`.
#[utoipa::path(get, path = "/api/v1/DeadLetters/{kind}", tag = "Operations", security(("keys" = [])), params(("kind" = String, Path)),
    responses((status = 200, body = DeadLettersOut), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(context): State<Context>,
    AnyCaller(caller): AnyCaller,
    Path(kind): Path<String>,
) -> Result<Json<DeadLettersOut>, Problem> {
    let kind = permitted_kind(&caller, &kind, Access::Read)?;
    let Some((dead, _)) = context.letters.of(kind) else { return Err(no_such_kind()) };
    let seen = look_for(&context, kind, caller.app, dead).await?;
    dead.release(&seen.released(seen.own.iter().map(|it| &it.0))).await?;
    let shown = |id: String, reason: String, sent_at: i64, body: Value| {
        let (body, truncated) = shown_message(body);
        DeadLetterOut { id, reason: mask_text(&reason), sent_at: rfc3339(from_millis(sent_at)), body, truncated }
    };
    let of_queue = |(letter, body): (ReceivedLetter, Value)| {
        shown(letter.id, letter.reason.unwrap_or_else(|| NO_ANSWER.to_owned()), letter.sent_at, body)
    };
    let mut items: Vec<DeadLetterOut> = seen.own.into_iter().map(of_queue).collect();
    let mut more = seen.more;
    if let Some(kind) = kind.channel_kind() {
        let (exhausted, further) = exhausted::find(&context, caller.app, kind, Selection::All).await?;
        for delivery in exhausted {
            let body = serde_json::to_value(delivery.next_attempt())?;
            items.push(shown(delivery.id(), delivery.reason(), delivery.at(), body));
        }
        more |= further;
    }
    items.sort_by(|a, b| b.sent_at.cmp(&a.sent_at));
    Ok(Json(DeadLettersOut { items, more }))
}

/// Sends dead letters of one kind back to their queue: first a few, then more and more, so that whatever failed is not flooded.
/// Each is sent before it is deleted.
#[utoipa::path(post, path = "/api/v1/DeadLetters/{kind}/redrive", tag = "Operations", security(("keys" = [])), params(("kind" = String, Path)),
    request_body = RedriveIn,
    responses((status = 202, body = RedriveOut), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn redrive(
    State(context): State<Context>,
    AnyCaller(caller): AnyCaller,
    Path(kind): Path<String>,
    JsonBody(body): JsonBody<RedriveIn>,
) -> Result<(StatusCode, Json<RedriveOut>), Problem> {
    let kind = permitted_kind(&caller, &kind, Access::Change)?;
    if body.ids.as_ref().is_some_and(|it| it.len() > MAX_IDS) {
        return Err(Problem::invalid("ids", format!("at most {MAX_IDS}")));
    }
    let Some((dead, queue)) = context.letters.of(kind) else { return Err(no_such_kind()) };
    let (wanted, before) = (Wanted(body.ids), body.already_redriven as usize);
    let (mut redriven, mut more) = (0, false);
    if wanted.in_queues() {
        let (letters, further) = take(&context, kind, caller.app, dead, &wanted).await?;
        more |= further;
        for (letter, message) in &letters {
            // deliveries are in the message group of their channel, as they were
            let group = message["channel"].as_str().filter(|_| message["notification"].is_object()).map(str::to_owned);
            queue.send_text(&letter.body, group, redrive_delay(before.saturating_add(redriven))).await?;
            dead.delete(letter).await?;
            redriven += 1;
        }
    }
    if let Some(kind) = kind.channel_kind().filter(|_| wanted.in_table()) {
        let (exhausted, further) = exhausted::find(&context, caller.app, kind, wanted.deliveries()).await?;
        more |= further;
        for delivery in exhausted.iter().filter(|it| it.channel.active) {
            let delay = redrive_delay(before.saturating_add(redriven));
            exhausted::redrive(&context, caller.app, queue, delivery, delay).await?;
            redriven += 1;
        }
    }
    Ok((StatusCode::ACCEPTED, Json(RedriveOut { redriven, more: more && wanted.may_be_left(redriven) })))
}

/// Discards dead letters of one kind: nobody gets them any more.
#[utoipa::path(post, path = "/api/v1/DeadLetters/{kind}/discard", tag = "Operations", security(("keys" = [])), params(("kind" = String, Path)),
    request_body = DiscardIn,
    responses((status = 200, body = DiscardOut), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn discard(
    State(context): State<Context>,
    AnyCaller(caller): AnyCaller,
    Path(kind): Path<String>,
    JsonBody(body): JsonBody<DiscardIn>,
) -> Result<Json<DiscardOut>, Problem> {
    let kind = permitted_kind(&caller, &kind, Access::Change)?;
    if !(1..=MAX_IDS).contains(&body.ids.len()) {
        return Err(Problem::invalid("ids", format!("1 to {MAX_IDS}")));
    }
    let Some((dead, _)) = context.letters.of(kind) else { return Err(no_such_kind()) };
    let wanted = Wanted(Some(body.ids));
    let (mut discarded, mut more) = (0, false);
    if wanted.in_queues() {
        let (letters, further) = take(&context, kind, caller.app, dead, &wanted).await?;
        more |= further;
        for (letter, _) in &letters {
            dead.delete(letter).await?;
            discarded += 1;
        }
    }
    if let Some(kind) = kind.channel_kind().filter(|_| wanted.in_table()) {
        let (exhausted, further) = exhausted::find(&context, caller.app, kind, wanted.deliveries()).await?;
        more |= further;
        for delivery in &exhausted {
            context.table.take_exhausted(caller.app, &delivery.record, None).await?;
            discarded += 1;
        }
    }
    Ok(Json(DiscardOut { discarded, more: more && wanted.may_be_left(discarded) }))
}

/// The ids of the letters that a request names; all without.
struct Wanted(Option<Vec<String>>);

impl Wanted {
    fn has(&self, id: &str) -> bool {
        self.0.as_ref().is_none_or(|all| all.iter().any(|it| it == id))
    }

    /// Whether one may be in a queue. Deliveries whose attempts are used up have ids with a `~`.
    fn in_queues(&self) -> bool {
        self.0.as_ref().is_none_or(|all| all.iter().any(|it| !it.contains('~')))
    }

    /// Whether one may be in the table.
    fn in_table(&self) -> bool {
        self.0.as_ref().is_none_or(|all| all.iter().any(|it| it.contains('~')))
    }

    /// The deliveries in the table that it names; without names those that can be attempted.
    fn deliveries(&self) -> Selection<'_> {
        self.0.as_deref().map_or(Selection::Deliverable, Selection::Named)
    }

    /// Whether there may be others than those that were handled.
    fn may_be_left(&self, handled: usize) -> bool {
        self.0.as_ref().is_none_or(|all| all.len() > handled)
    }
}

/// The wanted letters of the application, which stay hidden for a while, and whether there may be more. All others are released.
async fn take(
    context: &Context,
    kind: DeadLetterKind,
    app: AppId,
    dead: &DeadLetterQueue,
    wanted: &Wanted,
) -> Result<(Vec<(ReceivedLetter, Value)>, bool), Problem> {
    let mut seen = look_for(context, kind, app, dead).await?;
    let (mine, kept): (Vec<_>, Vec<_>) = seen.own.drain(..).partition(|it| wanted.has(&it.0.id));
    dead.release(&seen.released(kept.iter().map(|it| &it.0))).await?;
    Ok((mine, seen.more))
}

/// The kind that a path names, if the caller may do this with its letters.
///
/// # Errors
/// 404 for no kind, 403 without its scope.
fn permitted_kind(caller: &Principal, name: &str, access: Access) -> Result<DeadLetterKind, Problem> {
    let kind: DeadLetterKind = name.parse().map_err(|()| no_such_kind())?;
    if caller.may(kind.scope(), access) {
        Ok(kind)
    } else {
        Err(auth_problem(AuthError::InsufficientScope(kind.scope())))
    }
}

fn no_such_kind() -> Problem {
    Problem::new(ProblemType::NoSuchQueue, "there are no dead letters of that kind")
}

/// A message as it is shown: without its secrets, and whether it is only the beginning of its text.
fn shown_message(mut message: Value) -> (Value, bool) {
    mask_message(&mut message);
    let text = message.to_string();
    if text.len() <= MAX_SHOWN_BYTES {
        return (message, false);
    }
    (Value::String(text[..text.floor_char_boundary(MAX_SHOWN_BYTES)].to_owned()), true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_message_is_shown_in_part_and_masked_before() {
        let short = json!({ "data": "x", "token": "abc" });
        assert_eq!(shown_message(short), (json!({ "data": "x", "token": "********" }), false));
        let (shown, truncated) = shown_message(json!({ "a": { "token": "abc" }, "data": "ä".repeat(MAX_SHOWN_BYTES) }));
        let text = shown.as_str().unwrap();
        assert!(truncated && text.starts_with("{\"a\":{\"token\":\"********\"}") && text.ends_with('ä'), "{text}");
        assert!((MAX_SHOWN_BYTES - 1..=MAX_SHOWN_BYTES).contains(&text.len()));
    }
}
