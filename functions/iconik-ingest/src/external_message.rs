//! Messages that another system put on the queue: bodies of Iconik's webhooks and custom actions, bare or in the
//! envelope of the service that forwarded them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::AppId;
use domain::command::{Ingest, IngestCommand, TriggerEvent};
use entry::{Message, MessageError};
use iconik::payload::{Action, Event, Meaning};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::context::Context;

/// A message, as far as it is understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExternalMessage {
    /// The Iconik domain that it came from, and what is to be done.
    Commands(String, Vec<Request>),
    /// An event without new media.
    Irrelevant,
    /// Neither an event nor a custom action.
    Unreadable,
}

/// What one message asks for: a command that is not yet for an application.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) what: Ingest,
    /// Also process what is known.
    pub(crate) force: bool,
    pub(crate) event: Option<TriggerEvent>,
}

/// Handles a message: queues its commands for each application of its Iconik domain.
///
/// # Errors
/// A dead letter if the message is unreadable, or no application belongs to the domain.
pub(crate) async fn receive(context: &Context, now: OffsetDateTime, message: &Message) -> Result<(), MessageError> {
    let (domain, requests) = match read(&message.body) {
        ExternalMessage::Commands(domain, requests) => (domain, requests),
        ExternalMessage::Irrelevant => return Ok(()),
        ExternalMessage::Unreadable => {
            return Err(MessageError::DeadLetter(
                "the message is no command, no event and no action of Iconik's".into(),
            ));
        }
    };
    let apps = context.table.applications_of_domain(&domain).await?;
    if apps.is_empty() {
        let shown: String = domain.chars().take(64).collect();
        return Err(MessageError::DeadLetter(format!("no application belongs to the Iconik domain `{shown}`").into()));
    }
    for app in apps {
        context.queue.send_all(&commands(app, &requests, now)).await?;
    }
    Ok(())
}

/// The commands for an application.
pub(crate) fn commands(app: AppId, requests: &[Request], now: OffsetDateTime) -> Vec<(IngestCommand, Duration)> {
    let command = |request: &Request| {
        let command = IngestCommand::new(app, request.what.clone(), domain::millis(now));
        (IngestCommand { force: request.force, event: request.event.clone(), ..command }, Duration::ZERO)
    };
    requests.iter().map(command).collect()
}

/// Reads a message.
pub(crate) fn read(body: &str) -> ExternalMessage {
    let Some(body) = serde_json::from_str(body).ok().map(|it| unwrap_envelope(it, 0)) else {
        return ExternalMessage::Unreadable;
    };
    if body.get("context").is_some()
        && let Some(action) = Action::read(&body)
    {
        let requests = action.commands().into_iter().map(|what| Request { what, force: true, event: None });
        return ExternalMessage::Commands(action.domain, requests.collect());
    }
    let Some(event) = Event::read(&body) else { return ExternalMessage::Unreadable };
    match event.command() {
        Ok(what) => {
            let request = Request { what, force: false, event: Some(event.announced()) };
            ExternalMessage::Commands(event.domain, vec![request])
        }
        Err(Meaning::Irrelevant(_)) => ExternalMessage::Irrelevant,
        Err(_) => ExternalMessage::Unreadable,
    }
}

/// Unwraps the event of a Lambda function URL and an SNS notification, at most three of them around each other.
fn unwrap_envelope(message: Value, depth: usize) -> Value {
    let inner = match (&message["body"], &message["Message"]) {
        (Value::String(body), _) if message["isBase64Encoded"] == true => {
            STANDARD.decode(body).ok().and_then(|it| String::from_utf8(it).ok())
        }
        (Value::String(body), _) | (_, Value::String(body)) => Some(body.clone()),
        _ => None,
    };
    match inner.and_then(|it| serde_json::from_str(&it).ok()) {
        Some(inner) if depth < 3 => unwrap_envelope(inner, depth + 1),
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const EVENT: &str = include_str!("../../../events/iconik.contents-create.json");

    fn asset(message: ExternalMessage) -> String {
        match message {
            ExternalMessage::Commands(_, requests) => match &requests[..] {
                [Request { what: Ingest::Asset { asset, .. }, force: false, event: Some(_) }] => asset.to_string(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_is_read_in_every_wrapping() {
        let base64 = STANDARD.encode(EVENT);
        for body in [
            EVENT.to_owned(),
            json!({ "version": "2.0", "body": EVENT, "isBase64Encoded": false }).to_string(),
            json!({ "version": "2.0", "body": base64, "isBase64Encoded": true }).to_string(),
            json!({ "Type": "Notification", "Message": EVENT }).to_string(),
        ] {
            assert_eq!(asset(read(&body)), "43b738dc-a6d5-11ef-859e-be5be1c7bfe0");
        }
        let action = include_str!("../../../events/iconik.action-bulk.json");
        let ExternalMessage::Commands(_, requests) = read(action) else { panic!("{action}") };
        assert!(requests.len() == 2 && requests.iter().all(|it| it.force));
    }

    #[test]
    fn noise_and_nonsense_are_told_apart() {
        assert_eq!(read(include_str!("../../../events/iconik.shares-create.json")), ExternalMessage::Irrelevant);
        for nonsense in ["", "{}", "[]", "7", "{\"body\":\"{}\"}", "nonsense"] {
            assert_eq!(read(nonsense), ExternalMessage::Unreadable, "{nonsense}");
        }
    }
}
