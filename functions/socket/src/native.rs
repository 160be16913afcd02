//! The native protocol: JSON messages with an `action` from the client, with a `type` to it (see `/docs/asyncapi.json`).

use domain::millis;
use domain::socket::{Connection, Protocol};
use inbox::CursorError;
use inbox::frame::Frame;
use inbox::native_protocol::{Action, parse};
use time::OffsetDateTime;

use crate::actions;
use crate::context::Context;
use crate::error::SocketError;

/// The device of a client that names none.
pub(crate) const DEFAULT_DEVICE: &str = "default";

/// Characters of an error's message.
const MAX_ERROR_CHARS: usize = 500;

/// Handles a message of a client, and sends the answers.
pub(crate) async fn receive(
    context: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    text: &str,
) -> Result<(), SocketError> {
    let frames = handle_action(context, now, connection, text).await?;
    let texts: Vec<String> = frames.iter().flat_map(|it| it.encode(Protocol::Native)).collect();
    context.sender.post_to_connection(&connection.id, &texts).await; // a client whose socket is gone asks again on its next one
    Ok(())
}

async fn handle_action(
    context: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    text: &str,
) -> Result<Vec<Frame>, SocketError> {
    let action = match parse(text) {
        Ok(action) => action,
        Err(error) => return Ok(vec![error_frame(None, error.to_string())]),
    };
    Ok(match action {
        Action::Ping => {
            let mut frames = vec![Frame::pong(actions::heads(context, connection).await?, now)];
            frames.extend(connection.reconnect_after(millis(now)).map(|after_ms| Frame::Reconnect { after_ms }));
            frames
        }
        Action::Resume { after, device } => {
            match actions::resume_positions(context, connection, &after, device.as_deref()).await? {
                Err(error) => vec![refused_cursors_frame(error.reason.to_string(), error.refused)],
                Ok(positions) => {
                    let send = async |frame: Frame| {
                        Ok(context.sender.post_to_connection(&connection.id, &frame.encode(Protocol::Native)).await)
                    };
                    if !positions.refused.is_empty() {
                        // for clients that do not read `refused` of the `resumed` frame
                        let reason = CursorError::OtherStream.to_string();
                        send(refused_cursors_frame(reason, positions.refused.clone())).await?;
                    }
                    vec![actions::resume(context, now, connection, positions, send).await?]
                }
            }
        }
        Action::Ack { cursor, device } => {
            match actions::ack(context, now, connection, &cursor, device.as_deref().unwrap_or(DEFAULT_DEVICE)).await? {
                Err(reason) => vec![error_frame(Some("ack"), reason)],
                Ok(()) => Vec::new(), // API Gateway bills each message
            }
        }
        Action::Mark { change, ids, up_to } => {
            match actions::change_read_state(context, connection, change, &ids, up_to.as_deref()).await? {
                Err(reason) => vec![error_frame(Some("mark"), reason)],
                Ok(counts) => vec![Frame::Done { action: "mark".to_owned(), counts: Some(counts) }],
            }
        }
    })
}

fn error_frame(action: Option<&str>, message: String) -> Frame {
    let message = message.chars().take(MAX_ERROR_CHARS).collect(); // it may quote what the client sent
    Frame::Error { action: action.map(str::to_owned), message, refused: Vec::new() }
}

fn refused_cursors_frame(message: String, refused: Vec<String>) -> Frame {
    Frame::Error { action: Some("resume".to_owned()), message, refused }
}
