//! `POST /iconik/webhook`.

use axum::Json;
use axum::extract::State as Shared;
use domain::command::IngestCommand;
use entry::clock;
use entry::http::{Problem, ProblemType};
use iconik::payload::{Event, Meaning};
use time::Duration;

use crate::secret::{Authenticated, same_domain};
use crate::{Context, Payload, Taken};

/// Takes a webhook of Iconik's. Answered before anything is asked of Iconik; what we do not look for is answered with 200
/// as well.
#[utoipa::path(post, path = "/iconik/webhook", tag = "Iconik", params(("x-webhook-secret" = String, Header)),
    request_body = Object,
    responses((status = 200, body = Taken), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn take(
    Shared(state): Shared<Context>,
    Authenticated(hook): Authenticated,
    Payload(body): Payload,
) -> Result<Json<Taken>, Problem> {
    let no_event = || Problem::new(ProblemType::NotAnEvent, "the body is no event of Iconik's");
    let event = Event::read(&body).ok_or_else(no_event)?;
    same_domain(&hook, &event.domain)?;
    if hook.user.as_ref().is_some_and(|it| *it == event.user) {
        return Ok(Taken::ignored("this was our own doing"));
    }
    let what = match event.command() {
        Ok(what) => what,
        Err(Meaning::Irrelevant(why)) => return Ok(Taken::ignored(why)),
        Err(_) => {
            tracing::warn!(realm = event.realm, request.id = event.request, "an event names no asset");
            return Ok(Taken::ignored("the event names no asset"));
        }
    };
    let above = event.collections();
    if !(hook.collections.is_empty() || above.is_empty() || above.iter().any(|it| hook.collections.contains(it))) {
        return Ok(Taken::ignored("the collection is not watched"));
    }
    let mut order = IngestCommand::new(hook.app, what, domain::millis(clock::now()));
    order.event = Some(event.announced());
    state.queue.send(&order, Duration::ZERO).await?;
    Ok(Taken::queued())
}
