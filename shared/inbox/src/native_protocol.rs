//! The native protocol: what clients send, JSON objects with an `action` (see `/docs/asyncapi.json`). What they get is
//! [`crate::Frame`].

use domain::inbox::InboxAction;
use serde::Deserialize;

use crate::hub_protocol::is_object;

/// An action of a client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    /// Send what follows the cursors, then new notifications; without cursors what follows the device's last `ack`, without
    /// one only new notifications.
    Resume {
        #[serde(default)]
        after: Cursors,
        #[serde(default)]
        device: Option<String>,
    },
    /// Acknowledge what was received: clients send it at most every 50 notifications or 5 seconds.
    Ack {
        cursor: String,
        #[serde(default)]
        device: Option<String>,
    },
    /// Change the read state.
    Mark {
        change: InboxAction,
        #[serde(default)]
        ids: Vec<String>,
        #[serde(default)]
        up_to: Option<String>,
    },
    /// Ask for the heads of all streams.
    Ping,
}

/// One cursor, or one per stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Cursors {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Cursors {
    /// The cursors as a list.
    pub fn list(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(cursor) => std::slice::from_ref(cursor),
            Self::Many(cursors) => cursors,
        }
    }
}

/// Why a message is no action, as it is sent to the client.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    #[error("a message is a JSON object")]
    NotAnObject,
    #[error(transparent)]
    Invalid(#[from] serde_json::Error),
}

/// Parses a message of a client.
///
/// # Errors
/// If it is no JSON object, its action is unknown, or a member is missing or of another type.
pub fn parse(text: &str) -> Result<Action, ActionError> {
    if is_object(text) { Ok(serde_json::from_str(text)?) } else { Err(ActionError::NotAnObject) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_an_object() {
        let resume = |after: Cursors| Action::Resume { after, device: None };
        let (one, many) = (Cursors::One("a".to_owned()), Cursors::Many(vec!["a".to_owned(), "b".to_owned()]));
        for (text, want) in [
            (r#"{"action":"ping"}"#, Action::Ping),
            (" \r\n\t{\"action\":\"resume\"}", resume(Cursors::None)),
            (r#"{"after":null,"action":"resume"}"#, resume(Cursors::None)),
            (r#"{"action":"resume","after":"a"}"#, resume(one)),
            (r#"{"action":"resume","after":["a","b"]}"#, resume(many)),
            (
                r#"{"action":"mark","change":"read","upTo":"c"}"#,
                Action::Mark { change: InboxAction::Read, ids: Vec::new(), up_to: Some("c".to_owned()) },
            ),
        ] {
            assert_eq!(parse(text).ok(), Some(want), "{text}");
        }
        for text in [r#"["ping"]"#, r#"["ack",{"cursor":"a"}]"#, r#""ping""#, "", "null"] {
            assert!(matches!(parse(text), Err(ActionError::NotAnObject)), "{text}");
        }
        for text in [r#"{"action":"dance"}"#, r#"{"action":"ack"}"#, "{", r#"{"action":"ping"} {}"#] {
            assert!(matches!(parse(text), Err(ActionError::Invalid(_))), "{text}");
        }
    }
}
