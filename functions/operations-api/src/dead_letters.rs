//! `/api/v1/DeadLetters`: an application's dead letters, and their way back to the queue.
//!
//! The queues are the deployment's. A letter is shown to, and moved by, the application that its message is for; the others are
//! released as soon as they were looked at.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::application::Access;
use domain::command::ProcessCommand;
use domain::dead_letter::{DeadLetterKind, application, redrive_delay};
use domain::masking::mask_message;
use domain::{AppId, from_millis, rfc3339};
use entry::http::auth::AnyCaller;
use entry::http::{AuthError, JsonBody, Principal, Problem, ProblemType, auth_problem};
use entry::{DeadLetterQueue, ReceivedLetter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use table::TableError;
use utoipa::ToSchema;

use crate::context::Context;

/// Letters that one request looks at: with ten a request of SQS it ends well within the function's time.
const MAX_SEEN: usize = 200;
/// How long letters are hidden while one request looks at them, in seconds: longer than that takes.
const VISIBILITY_SECONDS: i32 = 30;
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
    /// The message, with its secrets masked
    #[schema(value_type = Object)]
    body: Value,
}

/// Dead letters of one kind.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLettersOut {
    items: Vec<DeadLetterOut>,
    /// Whether there may be more: others are reading some, or there are more than one request looks at
    more: bool,
}

/// Which letters go back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedriveIn {
    /// Their ids, at most 100; all of the application's by default
    #[serde(default)]
    #[schema(max_items = 100)]
    ids: Option<Vec<String>>,
}

/// What went back.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedriveOut {
    redriven: usize,
    /// Whether there may be more: ask again
    more: bool,
}

/// Letters that are held while a request looks for the caller's.
struct SeenLetters {
    own: Vec<(ReceivedLetter, Value)>,
    others: Vec<ReceivedLetter>,
    more: bool,
}

/// The application's dead letters of one kind: `scan`, `iconik`, `faces`, `render`, `webhook`, `amqp`, `signalr`, `push` or `nms`.
/// The caller needs the scope of what they are about: `media` (the first three), `images`, `channels` (the next three), `inbox` or
/// `oma`.
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
    for letter in seen.own.iter().map(|it| &it.0).chain(&seen.others) {
        dead.release(letter).await?;
    }
    let shown = |(letter, mut body): (ReceivedLetter, Value)| {
        mask_message(&mut body);
        DeadLetterOut {
            id: letter.id,
            reason: letter.reason.unwrap_or_else(|| NO_ANSWER.to_owned()),
            sent_at: rfc3339(from_millis(letter.sent_at)),
            body,
        }
    };
    let mut items: Vec<DeadLetterOut> = seen.own.into_iter().map(shown).collect();
    items.sort_by(|a, b| b.sent_at.cmp(&a.sent_at));
    Ok(Json(DeadLettersOut { items, more: seen.more }))
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
    let mut seen = look_for(&context, kind, caller.app, dead).await?;
    let is_wanted = |letter: &ReceivedLetter| body.ids.as_ref().is_none_or(|ids| ids.contains(&letter.id));
    let (wanted, kept): (Vec<_>, Vec<_>) = seen.own.drain(..).partition(|it| is_wanted(&it.0));
    for letter in kept.iter().map(|it| &it.0).chain(&seen.others) {
        dead.release(letter).await?;
    }
    let redriven = wanted.len();
    for (index, (letter, message)) in wanted.iter().enumerate() {
        // deliveries are in the message group of their channel, as they were
        let group = message["channel"].as_str().filter(|_| message["notification"].is_object()).map(str::to_owned);
        queue.send_text(&letter.body, group, redrive_delay(index)).await?;
        dead.delete(letter).await?;
    }
    let missing = body.ids.as_ref().is_none_or(|ids| ids.len() > redriven);
    Ok((StatusCode::ACCEPTED, Json(RedriveOut { redriven, more: seen.more && missing })))
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

/// Receives letters until none comes any more, and tells the application's from the others. All of them stay hidden until they
/// are released, or their time is over.
async fn look_for(
    context: &Context,
    kind: DeadLetterKind,
    app: AppId,
    dead: &DeadLetterQueue,
) -> Result<SeenLetters, Problem> {
    let mut seen = SeenLetters { own: Vec::new(), others: Vec::new(), more: false };
    let depth = usize::try_from(dead.depth().await?).unwrap_or(usize::MAX);
    if depth == 0 {
        return Ok(seen);
    }
    while seen.own.len() + seen.others.len() < MAX_SEEN.min(depth) {
        let received = dead.receive(VISIBILITY_SECONDS).await?;
        if received.is_empty() {
            break;
        }
        for letter in received {
            let message: Value = serde_json::from_str(&letter.body).unwrap_or_default();
            if owner(context, kind, &message).await? == Some(app) {
                seen.own.push((letter, message));
            } else {
                seen.others.push(letter);
            }
        }
    }
    seen.more = seen.own.len() + seen.others.len() < depth;
    Ok(seen)
}

/// The application that a message is for. An order to process an item names the item alone.
async fn owner(context: &Context, kind: DeadLetterKind, message: &Value) -> Result<Option<AppId>, TableError> {
    if kind != DeadLetterKind::Faces {
        return Ok(application(message));
    }
    match serde_json::from_value::<ProcessCommand>(message.clone()) {
        Ok(command) => Ok(context.table.item(command.item).await?.map(|it| it.app)),
        Err(_) => Ok(None),
    }
}
