//! Events that another system put on the queue: Iconik's own bodies, bare or in the wrapping of who forwarded them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::AppId;
use domain::command::{Ingest, IngestCommand, TriggerEvent};
use entry::{Failure, Message};
use iconik::payload::{Action, Event, Meaning};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::handler::Context;

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExternalMessage {
    /// Orders that follow from it, and the Iconik domain that it came from.
    Commands(String, Vec<(Ingest, bool, Option<TriggerEvent>)>),
    Irrelevant,
    Unreadable,
}

/// Takes a message: its orders go back to the queue, for each application of its domain.
pub(crate) async fn receive(parts: &Context, now: OffsetDateTime, message: &Message) -> Result<(), Failure> {
    let (domain, wanted) = match read(&message.body) {
        ExternalMessage::Commands(domain, wanted) => (domain, wanted),
        ExternalMessage::Irrelevant => return Ok(()),
        ExternalMessage::Unreadable => {
            return Err(Failure::DeadLetter("the message is no order, no event and no action of Iconik's".into()));
        }
    };
    let apps = parts.table.applications_of_domain(&domain).await?;
    if apps.is_empty() {
        let shown: String = domain.chars().take(64).collect();
        return Err(Failure::DeadLetter(format!("no application belongs to the Iconik domain `{shown}`").into()));
    }
    for app in apps {
        parts.queue.send_all(&commands(app, &wanted, now)).await?;
    }
    Ok(())
}

/// The orders of an application.
pub(crate) fn commands(
    app: AppId,
    wanted: &[(Ingest, bool, Option<TriggerEvent>)],
    now: OffsetDateTime,
) -> Vec<(IngestCommand, Duration)> {
    let order = |(what, force, event): &(Ingest, bool, Option<TriggerEvent>)| {
        let new = IngestCommand::new(app, what.clone(), domain::millis(now));
        (IngestCommand { force: *force, event: event.clone(), ..new }, Duration::ZERO)
    };
    wanted.iter().map(order).collect()
}

/// Reads a message.
pub(crate) fn read(body: &str) -> ExternalMessage {
    let Some(body) = serde_json::from_str(body).ok().map(|it| unwrap_envelope(it, 0)) else {
        return ExternalMessage::Unreadable;
    };
    if body.get("context").is_some()
        && let Some(action) = Action::read(&body)
    {
        let all = action.commands().into_iter().map(|it| (it, true, None)).collect();
        return ExternalMessage::Commands(action.domain, all);
    }
    let Some(event) = Event::read(&body) else { return ExternalMessage::Unreadable };
    match event.command() {
        Ok(what) => ExternalMessage::Commands(event.domain.clone(), vec![(what, false, Some(event.announced()))]),
        Err(Meaning::Irrelevant(_)) => ExternalMessage::Irrelevant,
        Err(_) => ExternalMessage::Unreadable,
    }
}

/// Takes off what forwarders put around a body: a Lambda URL's event, or an SNS message.
fn unwrap_envelope(it: Value, depth: usize) -> Value {
    let inner = match (&it["body"], &it["Message"]) {
        (Value::String(body), _) if it["isBase64Encoded"] == true => {
            STANDARD.decode(body).ok().and_then(|it| String::from_utf8(it).ok())
        }
        (Value::String(body), _) | (_, Value::String(body)) => Some(body.clone()),
        _ => None,
    };
    match inner.and_then(|it| serde_json::from_str(&it).ok()) {
        Some(inner) if depth < 3 => unwrap_envelope(inner, depth + 1),
        _ => it,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const EVENT: &str = include_str!("../../../events/iconik.contents-create.json");

    fn asset(said: ExternalMessage) -> String {
        match said {
            ExternalMessage::Commands(_, it) => match &it[..] {
                [(Ingest::Asset { asset, .. }, false, Some(_))] => asset.to_string(),
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
        assert!(matches!(read(action), ExternalMessage::Commands(_, it) if it.len() == 2 && it.iter().all(|it| it.1)));
    }

    #[test]
    fn noise_and_nonsense_are_told_apart() {
        assert_eq!(read(include_str!("../../../events/iconik.shares-create.json")), ExternalMessage::Irrelevant);
        for nonsense in ["", "{}", "[]", "7", "{\"body\":\"{}\"}", "nonsense"] {
            assert_eq!(read(nonsense), ExternalMessage::Unreadable, "{nonsense}");
        }
    }
}
