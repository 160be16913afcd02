//! Our own protocol: JSON messages with an `action` from the client, with a `type` to it (see `/docs/asyncapi.json`).

use domain::inbox::InboxAction;
use domain::millis;
use domain::socket::{Connection, Protocol};
use inbox::CursorError;
use inbox::frame::Frame;
use serde::Deserialize;
use time::OffsetDateTime;

use crate::actions::{self, Cursors};
use crate::handler::{Context, SocketError};

/// What a client asks for.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Action {
    /// Be live, and tell first what follows the cursors; without any, what follows the device's last `ack`, else only news.
    Resume {
        #[serde(default)]
        after: Cursors,
        #[serde(default)]
        device: Option<String>,
    },
    /// This much has arrived: at most every 50 notifications or 5 seconds.
    Ack {
        cursor: String,
        #[serde(default)]
        device: Option<String>,
    },
    Mark {
        change: InboxAction,
        #[serde(default)]
        ids: Vec<String>,
        #[serde(default)]
        up_to: Option<String>,
    },
    Ping,
}

/// The device of a client that names none.
pub(crate) const DEFAULT_DEVICE: &str = "default";

pub(crate) async fn receive(
    parts: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    text: &str,
) -> Result<(), SocketError> {
    let answers = handle_action(parts, now, connection, text).await?;
    let texts: Vec<String> = answers.iter().flat_map(|it| it.texts(Protocol::Native)).collect();
    parts.sender.post_to_connection(&connection.id, &texts).await; // a socket that is gone asks again on its next one
    Ok(())
}

async fn handle_action(
    parts: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    text: &str,
) -> Result<Vec<Frame>, SocketError> {
    let action: Action = match serde_json::from_str(text) {
        Ok(it) => it,
        Err(why) => return Ok(vec![error_frame(None, why.to_string())]),
    };
    Ok(match action {
        Action::Ping => {
            let mut frames = vec![Frame::pong(actions::heads(parts, connection).await?, now)];
            frames.extend(connection.reconnect_after(millis(now)).map(|after_ms| Frame::Reconnect { after_ms }));
            frames
        }
        Action::Resume { after, device } => {
            match actions::resume_positions(parts, connection, &after, device.as_deref()).await? {
                Err(wrong) => vec![refused_cursors_frame(wrong.why.to_string(), wrong.refused)],
                Ok(places) => {
                    let tell = async |frame: Frame| {
                        Ok(parts.sender.post_to_connection(&connection.id, &frame.texts(Protocol::Native)).await)
                    };
                    if !places.refused.is_empty() {
                        // also for clients that know no `refused` in the answer
                        let why = CursorError::OtherStream.to_string();
                        tell(refused_cursors_frame(why, places.refused.clone())).await?;
                    }
                    vec![actions::resume(parts, now, connection, places, tell).await?]
                }
            }
        }
        Action::Ack { cursor, device } => {
            match actions::ack(parts, now, connection, &cursor, device.as_deref().unwrap_or(DEFAULT_DEVICE)).await? {
                Err(why) => vec![error_frame(Some("ack"), why)],
                Ok(()) => Vec::new(), // an answer would be a message more to pay for
            }
        }
        Action::Mark { change, ids, up_to } => {
            match actions::mark(parts, connection, change, &ids, up_to.as_deref()).await? {
                Err(why) => vec![error_frame(Some("mark"), why)],
                Ok(counts) => vec![Frame::Done { action: "mark".to_owned(), counts: Some(counts) }],
            }
        }
    })
}

fn error_frame(action: Option<&str>, message: String) -> Frame {
    Frame::Error { action: action.map(str::to_owned), message, refused: Vec::new() }
}

fn refused_cursors_frame(message: String, refused: Vec<String>) -> Frame {
    Frame::Error { action: Some("resume".to_owned()), message, refused }
}
