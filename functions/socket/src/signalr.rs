//! SignalR's hub protocol (realtime, section 8). One WebSocket text may hold several hub messages.

use std::time::Duration;

use domain::inbox::InboxAction;
use domain::millis;
use domain::socket::{Connection, HubConnection, Protocol};
use entry::clock;
use inbox::connection_sender::SendOutcome;
use inbox::frame::Frame;
use inbox::hub_protocol::{self, HubMessage};
use inbox::native_protocol::Cursors;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::actions;
use crate::context::Context;
use crate::error::SocketError;
use crate::native::DEFAULT_DEVICE;

/// How often a ping is answered with the heads of the streams: a client pings every 15 seconds, and reading heads costs.
const HEADS_INTERVAL: Duration = Duration::from_secs(300);
/// Hub messages of one text: a client sends a few.
const MAX_MESSAGES: usize = 100;
/// How often a message on a new socket polls for the Sequence message before it, every 50 ms.
const MAX_SEQUENCE_POLLS: u32 = 60;

/// Handles a text of a client, and acknowledges its messages for stateful reconnect.
pub(crate) async fn receive(
    context: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    text: &str,
) -> Result<(), SocketError> {
    let messages = match hub_protocol::parse(text) {
        Ok(messages) if messages.len() <= MAX_MESSAGES => messages,
        Ok(_) => return close_with(context, connection, &hub_protocol::close("too many records in one message")).await,
        Err(error) => return close_with(context, connection, &hub_protocol::close(&error.to_string())).await,
    };
    let digests: Vec<u64> = messages.iter().filter(|it| it.is_counted()).map(HubMessage::digest).collect();
    let Some(hash) = connection.hub.as_deref().filter(|_| !digests.is_empty()) else {
        return handle_all(context, now, connection, messages).await;
    };
    if !messages.iter().any(|it| matches!(it, HubMessage::Sequence(_))) {
        wait_for_sequence(context, hash, connection).await?;
    }
    let mut up_to = None;
    let complete = |hub: &mut HubConnection| {
        let is_carrier = hub.is_carried_by(&connection.id);
        up_to = hub.complete(&digests);
        is_carrier
    };
    let handling = async {
        let mut is_new = Vec::new();
        let receive = |hub: &mut HubConnection| {
            let is_carrier = hub.is_carried_by(&connection.id);
            is_new = hub.receive(&digests);
            is_carrier
        };
        let received = context.sender.update_hub(hash, receive).await?.is_some();
        if received {
            let mut is_new = is_new.into_iter();
            let new = messages.into_iter().filter(|it| !it.is_counted() || is_new.next() == Some(true)).collect();
            handle_all(context, now, connection, new).await?;
        }
        Ok::<bool, SocketError>(received && context.sender.update_hub(hash, complete).await?.is_some())
    };
    let outcome = handling.await;
    match (&outcome, up_to) {
        (Ok(true), Some(number)) => {
            drop(context.sender.post_to_connection(&connection.id, &[hub_protocol::ack(number)]).await)
        }
        (Ok(true), None) => {} // an earlier message is still being handled; its acknowledgement covers this one
        // not acknowledged: the client sends the messages again on its next socket, which may be open already
        _ => context.sender.management.close(&connection.id).await,
    }
    outcome.map(drop)
}

async fn handle_all(
    context: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    messages: Vec<HubMessage>,
) -> Result<(), SocketError> {
    let mut pinged = false;
    for message in messages {
        // one answer to several pings is enough, and API Gateway bills each message
        if !matches!(message, HubMessage::Ping) || !std::mem::replace(&mut pinged, true) {
            handle_one(context, now, connection, message).await?;
        }
    }
    Ok(())
}

/// Waits until another invocation has handled the client's Sequence message on the new socket.
async fn wait_for_sequence(context: &Context, hash: &str, connection: &Connection) -> Result<(), SocketError> {
    for _ in 0..MAX_SEQUENCE_POLLS {
        let hub = context.table.hub_connection(hash).await?;
        if !hub.is_some_and(|it| it.resuming && it.connection.as_ref() == Some(&connection.id)) {
            break;
        }
        clock::pause(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn handle_one(
    context: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    message: HubMessage,
) -> Result<(), SocketError> {
    match message {
        HubMessage::Handshake { protocol, version } => handshake(context, now, connection, &protocol, version).await,
        HubMessage::Ping => ping(context, now, connection).await,
        HubMessage::Invocation { id, target, arguments } => {
            let outcome = invoke(context, now, connection, &target, &arguments).await?;
            if let Err(reason) = &outcome {
                let target: String = target.chars().take(60).collect();
                tracing::info!(target, "an invocation was refused: {reason}");
            }
            match id {
                Some(id) => send(context, now, connection, &[hub_protocol::completion(&id, &outcome)]).await.map(drop),
                None => Ok(()),
            }
        }
        HubMessage::StreamInvocation { id } => {
            let refused = hub_protocol::completion(&id, &Err("Streaming is not supported.".to_owned()));
            send(context, now, connection, &[refused]).await.map(drop)
        }
        HubMessage::Close => Ok(context.sender.unregister(connection).await?),
        HubMessage::Ack(number) => {
            let Some(hash) = &connection.hub else { return Ok(()) };
            let ack = |hub: &mut HubConnection| {
                hub.ack(number);
                true
            };
            context.sender.update_hub(hash, ack).await?;
            Ok(())
        }
        HubMessage::Sequence(next) => resume_on_new_socket(context, now, connection, next).await,
        HubMessage::CountedOnly | HubMessage::Unknown => Ok(()),
    }
}

/// Answers a handshake, and subscribes the connection.
async fn handshake(
    context: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    protocol: &str,
    version: u64,
) -> Result<(), SocketError> {
    let error = match (protocol, version) {
        // version 2 has stateful reconnect; some clients send 0 and use version 1
        ("json", 0..=2) => None,
        ("json", _) => Some(format!("The server does not support version {version} of the 'json' protocol.")),
        _ => Some(format!("The protocol '{}' is not supported.", protocol.chars().take(40).collect::<String>())),
    };
    if let Some(error) = error {
        return close_with(context, connection, &hub_protocol::handshake_response(Some(&error))).await;
    }
    // before the handshake response the client accepts no message, and so it is not subscribed yet
    context.sender.post_to_connection(&connection.id, &[hub_protocol::handshake_response(None)]).await;
    context.table.subscribe(connection, now).await?;
    if let Some(hash) = &connection.hub {
        let set_handshake_done = |hub: &mut HubConnection| {
            hub.handshake_done = true;
            true
        };
        context.sender.update_hub(hash, set_handshake_done).await?;
        context.sender.flush(hash, &clock::random_alphanumeric(20)).await?;
    }
    Ok(())
}

/// A client resumes its connection on a new socket: sends it the number of the first message, then again all messages that it
/// has not acknowledged.
async fn resume_on_new_socket(
    context: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    next: u64,
) -> Result<(), SocketError> {
    let Some(hash) = &connection.hub else { return Ok(()) };
    let Some(hub) = context.table.hub_connection(hash).await? else {
        context.sender.management.close(&connection.id).await;
        return Ok(());
    };
    if hub.connection.as_ref() != Some(&connection.id) || !hub.resuming {
        return Ok(());
    }
    // the client ignores every message before this one
    let sequence = hub_protocol::sequence(hub.acked + 1);
    if context.sender.post_to_connection(&connection.id, &[sequence]).await != SendOutcome::Accepted {
        // without it the client ignores all that follows; it tries again on another socket
        context.sender.management.close(&connection.id).await;
        return Ok(());
    }
    let resume = |hub: &mut HubConnection| {
        let is_carrier = hub.connection.as_ref() == Some(&connection.id) && hub.resuming;
        if is_carrier {
            hub.resume(next);
        }
        is_carrier
    };
    context.sender.update_hub(hash, resume).await?;
    context.table.subscribe(connection, now).await?;
    context.sender.flush(hash, &clock::random_alphanumeric(20)).await?;
    Ok(())
}

/// Answers a ping, now and then with the heads of the streams, and closes a connection near its end of life.
async fn ping(context: &Context, now: OffsetDateTime, connection: &Connection) -> Result<(), SocketError> {
    context.sender.post_to_connection(&connection.id, &[hub_protocol::ping()]).await;
    if let Some(hash) = &connection.hub {
        context.sender.flush(hash, &clock::random_alphanumeric(20)).await?; // what a failed sender has left
    }
    let age = millis(now) - connection.since;
    if u128::try_from(age).is_ok_and(|it| it > HEADS_INTERVAL.as_millis())
        && context.heads_sent.get(&connection.id).is_none()
    {
        context.heads_sent.put(connection.id.clone(), (), HEADS_INTERVAL);
        let heads = Frame::pong(actions::heads(context, connection).await?, now);
        send(context, now, connection, &heads.encode(Protocol::SignalR)).await?;
    }
    match connection.reconnect_after(millis(now)) {
        // a client with stateful reconnect resumes if the socket closes without a close message; that would end the connection
        Some(0) if connection.hub.is_some() => context.sender.management.close(&connection.id).await,
        Some(0) => return close_with(context, connection, &hub_protocol::close_allow_reconnect()).await,
        _ => {}
    }
    Ok(())
}

/// Sends messages that stateful reconnect counts.
async fn send(
    context: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    texts: &[String],
) -> Result<SendOutcome, SocketError> {
    Ok(context.sender.send(&connection.subscriber(), texts, &clock::random_alphanumeric(20), now).await?)
}

/// Sends a last message and closes the connection.
async fn close_with(context: &Context, connection: &Connection, last: &str) -> Result<(), SocketError> {
    context.sender.post_to_connection(&connection.id, &[last.to_owned()]).await;
    context.sender.management.close(&connection.id).await;
    Ok(context.sender.unregister(connection).await?)
}

/// Invokes a method of the hub. An inner error is the completion's.
async fn invoke(
    context: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    target: &str,
    arguments: &[Value],
) -> Result<Result<Value, String>, SocketError> {
    let text = |at: usize| arguments.get(at).and_then(Value::as_str);
    match target.to_ascii_lowercase().as_str() {
        "subscribe" | "resume" => {
            let cursors: Cursors = match arguments.first().cloned().map(serde_json::from_value).transpose() {
                Ok(cursors) => cursors.unwrap_or_default(),
                Err(_) => return Ok(Err("the first argument is a cursor, a list of cursors, or null".to_owned())),
            };
            let positions = match actions::resume_positions(context, connection, &cursors, text(1)).await? {
                Ok(positions) => positions,
                Err(error) => return Ok(Err(error.reason.to_string())),
            };
            let send = async |frame: Frame| send(context, now, connection, &frame.encode(Protocol::SignalR)).await;
            let resumed = actions::resume(context, now, connection, positions, send).await?;
            Ok(Ok(json!(resumed)))
        }
        "markread" => {
            let ids: Vec<String> = match arguments.first() {
                Some(Value::String(id)) => vec![id.clone()],
                Some(Value::Array(all)) => all.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect(),
                _ => Vec::new(),
            };
            let outcome = actions::change_read_state(context, connection, InboxAction::Read, &ids, None).await?;
            Ok(outcome.map(|counts| json!(counts)))
        }
        "mark" => {
            let action = arguments.first().cloned().map(serde_json::from_value).and_then(Result::ok);
            let Some(action) = action else {
                return Ok(Err("the first argument is seen, read, unread, archive, unarchive or delete".to_owned()));
            };
            let ids: Vec<String> = match arguments.get(1) {
                Some(Value::Array(all)) => all.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect(),
                _ => Vec::new(),
            };
            let outcome = actions::change_read_state(context, connection, action, &ids, text(2)).await?;
            Ok(outcome.map(|counts| json!(counts)))
        }
        "ack" => {
            let Some(cursor) = text(0) else { return Ok(Err("the first argument is a cursor".to_owned())) };
            let device = text(1).unwrap_or(DEFAULT_DEVICE);
            Ok(actions::ack(context, now, connection, cursor, device).await?.map(|()| Value::Null))
        }
        _ => Ok(Err(format!("Unknown hub method '{}'", target.chars().take(60).collect::<String>()))),
    }
}
