//! Payloads of Iconik's: whatever they say, nothing is ingested that they do not name, and what is ingested is a command that
//! a queue holds.

use domain::MAX_BATCH;
use domain::command::{Ingest, IngestCommand};
use iconik::payload::{Action, Event, Meaning};
use serde_json::Value;
use uuid::Uuid;

use super::app;

/// The input is the JSON of a webhook or of a custom action.
pub fn check(input: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(input) else { return };
    let mut names = Vec::new();
    ids(&body, &mut names);
    if let Some(event) = Event::read(&body) {
        let named = |id: &Uuid| assert!(names.contains(id), "{id} is nowhere in {body}");
        event.asset().iter().for_each(named);
        event.collections().iter().for_each(named);
        match (event.meaning(), event.command()) {
            (Meaning::Media { asset, version }, Ok(command)) => {
                assert_eq!(command, Ingest::Asset { asset, version });
                version.iter().for_each(named);
            }
            (Meaning::Collection(id), Ok(Ingest::Collection { collection, page: 1, above })) => {
                assert!(collection == id && above.is_empty());
                named(&id);
            }
            (meaning, Err(why)) => assert_eq!(meaning, why),
            (meaning, command) => panic!("{meaning:?} is {command:?}"),
        }
        let announced = event.announced();
        assert!(announced.request_id.chars().count() <= 64);
        if let Ok(what) = event.command() {
            is_a_command(IngestCommand { event: Some(announced), ..IngestCommand::new(app(), what, 0) });
        }
    }
    if let Some(action) = Action::read(&body) {
        let mut ingested = 0;
        for command in action.commands() {
            let of_command = match &command {
                Ingest::Assets { assets } => assets.clone(),
                Ingest::Collection { collection, page: 1, .. } => vec![*collection],
                Ingest::SavedSearch { search, page: 1 } => vec![*search],
                other => panic!("no action starts {other:?}"),
            };
            assert!((1..=MAX_BATCH).contains(&of_command.len()));
            assert!(of_command.iter().all(|id| names.contains(id)), "{of_command:?} is nowhere in {body}");
            ingested += of_command.len();
            is_a_command(IngestCommand::new(app(), command, 0));
        }
        assert_eq!(ingested, action.assets.len() + action.collections.len() + action.searches.len());
        assert!(!format!("{action:?}").contains("auth_token"));
    }
}

/// A command is read back from the queue as it was sent, and fits into a message (1 MiB).
fn is_a_command(command: IngestCommand) {
    let message = serde_json::to_string(&command).expect("a command is JSON");
    assert!(message.len() <= 1 << 20, "a message of {} bytes", message.len());
    assert_eq!(serde_json::from_str::<IngestCommand>(&message).ok(), Some(command));
}

/// All texts that are UUIDs with hyphens.
fn ids(value: &Value, found: &mut Vec<Uuid>) {
    match value {
        Value::String(text) if text.len() == 36 => found.extend(text.parse::<Uuid>()),
        Value::Array(all) => all.iter().for_each(|it| ids(it, found)),
        Value::Object(members) => members.values().for_each(|it| ids(it, found)),
        _ => {}
    }
}
