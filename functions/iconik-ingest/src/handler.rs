//! One message: a command of ours or an event of Iconik's; a command that has to wait goes back to the queue.

use std::sync::Arc;

use domain::asset_manager::AssetManagerState;
use domain::command::{Ingest, IngestCommand};
use domain::ingest::MAX_ATTEMPTS;
use domain::settings::Settings;
use entry::queue::MAX_DELAY;
use entry::{Message, MessageError};
use iconik::{IconikError, block};
use time::{Duration, OffsetDateTime};

use crate::context::{Context, Session};
use crate::error::{IngestError, IngestOutcome};
use crate::{asset, check, external_message, walk};

/// Handles one message: a command of ours, or an event that another system has put on the queue.
pub(crate) async fn handle(context: &Context, now: OffsetDateTime, message: Message) -> Result<(), MessageError> {
    match message.command::<IngestCommand>("ingest command") {
        Ok(command) => apply(context, now, command).await,
        Err(MessageError::DeadLetter(_)) => external_message::receive(context, now, &message).await,
        Err(newer) => Err(newer),
    }
}

async fn apply(context: &Context, now: OffsetDateTime, command: IngestCommand) -> Result<(), MessageError> {
    let settings = match command.what {
        Ingest::Check => context.settings.reload(command.app).await?,
        _ => context.settings.get(command.app).await?,
    };
    let state = context.table.asset_manager(command.app).await?;
    if !settings.uses_iconik() {
        tracing::info!(application.id = %command.app, "application {} does not use Iconik (any more)", command.app);
        return if command.what == Ingest::Check {
            disconnect(context, command, settings, state).await
        } else {
            Ok(())
        };
    }
    if state.blocked.is_some() && command.what != Ingest::Check {
        return Ok(context.queue.send(&command, context.blocked_delay()).await?);
    }
    let iconik = context.connections.get(command.app, &settings).await?;
    let mut session = Session { settings, iconik, state };
    let outcome = match &command.what {
        Ingest::Asset { asset, version } => asset::ingest(context, &session, &command, *asset, *version, now).await,
        Ingest::EndJob { job, error } => session
            .iconik
            .end_job(*job, "FAILED", Some(error))
            .await
            .map(|()| IngestOutcome::Done)
            .map_err(IngestError::from),
        Ingest::Check => check::run(context, &mut session, command.app, now).await.map(|()| IngestOutcome::Done),
        _ => walk::step(context, &session, &command).await.map(|()| IngestOutcome::Done),
    };
    match outcome {
        Ok(IngestOutcome::Done) => Ok(()),
        Ok(IngestOutcome::RetryLater) => requeue(context, command).await,
        Err(IngestError::Iconik(IconikError::Unauthorized(reason))) => {
            block(&context.table, command.app, &session.state, &reason, now).await?;
            if command.what == Ingest::Check {
                Ok(())
            } else {
                Ok(context.queue.send(&command, context.blocked_delay()).await?)
            }
        }
        // `sweep` queues the next check
        Err(IngestError::Iconik(error)) if command.what == Ingest::Check => {
            check::record_failure(context, &session, command.app, &error, now).await
        }
        Err(IngestError::Iconik(IconikError::RateLimited(stay))) => {
            Ok(context.queue.send(&command, stay.clamp(Duration::SECOND, MAX_DELAY)).await?)
        }
        Err(IngestError::Iconik(error)) if error.is_transient() && command.attempt < MAX_ATTEMPTS => {
            tracing::warn!(error = %error, "Iconik fails; the command is queued again");
            requeue(context, command).await
        }
        Err(IngestError::Iconik(error)) => Err(MessageError::DeadLetter(Box::new(error))),
        Err(IngestError::Internal(failure)) => Err(failure),
    }
}

/// Deletes the webhooks of an application that does not use Iconik any more, as far as its credentials still allow it.
async fn disconnect(
    context: &Context,
    command: IngestCommand,
    settings: Arc<Settings>,
    state: AssetManagerState,
) -> Result<(), MessageError> {
    if state.ours.is_empty() {
        return Ok(());
    }
    let iconik = match context.connections.get(command.app, &settings).await {
        Ok(it) => it,
        Err(error) => {
            tracing::warn!(application.id = %command.app, "webhooks stay at Iconik: {error}");
            return Ok(());
        }
    };
    let mut session = Session { settings, iconik, state };
    match check::delete_webhooks(context, &mut session, command.app).await {
        Ok(()) => Ok(()),
        Err(IngestError::Iconik(error)) if error.is_transient() && command.attempt < MAX_ATTEMPTS => {
            requeue(context, command).await
        }
        Err(IngestError::Iconik(error)) => {
            tracing::warn!(application.id = %command.app, "webhooks stay at Iconik: {error}");
            Ok(())
        }
        Err(IngestError::Internal(failure)) => Err(failure),
    }
}

/// Queues a command again, after a delay that doubles with each attempt.
async fn requeue(context: &Context, command: IngestCommand) -> Result<(), MessageError> {
    let wait = context.first_wait * 2_i32.pow(command.attempt.min(10));
    let next = IngestCommand { attempt: command.attempt + 1, ..command };
    Ok(context.queue.send(&next, wait.min(MAX_DELAY)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        for event in [
            include_str!("../../../events/iconik-ingest.asset.json"),
            include_str!("../../../events/iconik-ingest.check.json"),
        ] {
            let event: serde_json::Value = serde_json::from_str(event).unwrap();
            let command: IngestCommand = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
            assert_eq!(command.v, 1);
        }
    }
}
