//! `POST /iconik/actions/{action}`.

use axum::Json;
use axum::extract::{Path, State as Shared};
use domain::command::IngestCommand;
use entry::clock;
use entry::http::{Problem, ProblemType};
use iconik::payload::Action;
use time::Duration;

use crate::secret::{Authenticated, same_domain};
use crate::{Context, Payload, Taken};

/// "Process this now", from Iconik's menus: assets, collections and saved searches, again if they are known. The action is
/// `process`.
#[utoipa::path(post, path = "/iconik/actions/{action}", tag = "Iconik",
    params(("action" = String, Path), ("x-webhook-secret" = String, Header)), request_body = Object,
    responses((status = 200, body = Taken), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn take(
    Shared(state): Shared<Context>,
    Path(name): Path<String>,
    Authenticated(hook): Authenticated,
    Payload(body): Payload,
) -> Result<Json<Taken>, Problem> {
    if name != "process" {
        return Err(Problem::new(ProblemType::NoSuchAction, "the action is `process`"));
    }
    let no_action = || Problem::new(ProblemType::NotAnAction, "the body is no custom action, or of an unknown context");
    let action = Action::read(&body).ok_or_else(no_action)?;
    same_domain(&hook, &action.domain)?;
    let at = domain::millis(clock::now());
    let order = |what| (IngestCommand { force: true, ..IngestCommand::new(hook.app, what, at) }, Duration::ZERO);
    let orders: Vec<(IngestCommand, Duration)> = action.commands().into_iter().map(order).collect();
    if orders.is_empty() {
        return Ok(Taken::ignored("nothing is chosen"));
    }
    tracing::info!(
        user = action.user,
        "asked for {} assets, {} collections, {} searches",
        action.assets.len(),
        action.collections.len(),
        action.searches.len()
    );
    state.queue.send_all(&orders).await?;
    Ok(Taken::queued())
}
