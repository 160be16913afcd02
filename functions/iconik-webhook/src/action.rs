//! `POST /iconik/actions/{action}`.

use axum::Json;
use axum::extract::{Path, State};
use domain::command::IngestCommand;
use entry::clock;
use entry::http::{Problem, ProblemType};
use iconik::payload::Action;
use time::Duration;

use crate::auth::{Authenticated, check_domain};
use crate::context::Context;
use crate::dto::{Payload, Receipt};

/// Processes assets, collections and saved searches that a user chose in one of Iconik's menus, also those that were
/// processed before. The only action is `process`.
#[utoipa::path(post, path = "/iconik/actions/{action}", tag = "Iconik",
    params(("action" = String, Path), ("x-webhook-secret" = String, Header)), request_body = Object,
    responses((status = 200, body = Receipt), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn start(
    State(context): State<Context>,
    Path(name): Path<String>,
    Authenticated(webhook): Authenticated,
    Payload(body): Payload,
) -> Result<Json<Receipt>, Problem> {
    if name != "process" {
        return Err(Problem::new(ProblemType::NoSuchAction, "the action is `process`"));
    }
    let no_action = || Problem::new(ProblemType::NotAnAction, "the body is no custom action, or of an unknown context");
    let action = Action::read(&body).ok_or_else(no_action)?;
    check_domain(&webhook, &action.domain)?;
    let at = domain::millis(clock::now());
    let command =
        |target| (IngestCommand { force: true, ..IngestCommand::new(webhook.app, target, at) }, Duration::ZERO);
    let commands: Vec<(IngestCommand, Duration)> = action.commands().into_iter().map(command).collect();
    if commands.is_empty() {
        return Ok(Receipt::ignored("nothing is chosen"));
    }
    tracing::info!(
        user = action.user,
        "asked for {} assets, {} collections, {} searches",
        action.assets.len(),
        action.collections.len(),
        action.searches.len()
    );
    context.queue.send_all(&commands).await?;
    Ok(Receipt::queued())
}
