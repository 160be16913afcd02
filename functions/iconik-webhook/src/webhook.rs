//! `POST /iconik/webhook`.

use axum::Json;
use axum::extract::State;
use domain::command::IngestCommand;
use entry::clock;
use entry::http::{Problem, ProblemType};
use iconik::payload::{Event, Meaning};
use time::Duration;

use crate::auth::{Authenticated, check_domain};
use crate::context::Context;
use crate::dto::{Payload, Receipt};

/// Receives a webhook from Iconik. It is answered before Iconik is asked anything; an event without new media is
/// answered with 200 as well.
#[utoipa::path(post, path = "/iconik/webhook", tag = "Iconik", params(("x-webhook-secret" = String, Header)),
    request_body = Object,
    responses((status = 200, body = Receipt), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn receive(
    State(context): State<Context>,
    Authenticated(webhook): Authenticated,
    Payload(body): Payload,
) -> Result<Json<Receipt>, Problem> {
    let no_event = || Problem::new(ProblemType::NotAnEvent, "the body is no event of Iconik's");
    let event = Event::read(&body).ok_or_else(no_event)?;
    check_domain(&webhook, &event.domain)?;
    if webhook.user.as_ref().is_some_and(|it| *it == event.user) {
        return Ok(Receipt::ignored("this was our own doing"));
    }
    let target = match event.command() {
        Ok(target) => target,
        Err(Meaning::Irrelevant(reason)) => return Ok(Receipt::ignored(reason)),
        Err(_) => {
            tracing::warn!(realm = event.realm, request.id = event.request, "an event names no asset");
            return Ok(Receipt::ignored("the event names no asset"));
        }
    };
    let collections = event.collections();
    if !(webhook.collections.is_empty()
        || collections.is_empty()
        || collections.iter().any(|it| webhook.collections.contains(it)))
    {
        return Ok(Receipt::ignored("the collection is not watched"));
    }
    let mut command = IngestCommand::new(webhook.app, target, domain::millis(clock::now()));
    command.event = Some(event.announced());
    context.queue.send(&command, Duration::ZERO).await?;
    Ok(Receipt::queued())
}
