//! SignalR's hub protocol (realtime, section 8): one message may hold many records.

use std::time::Duration;

use domain::inbox::InboxAction;
use domain::millis;
use domain::socket::{Connection, HubConnection, Protocol};
use entry::clock;
use inbox::connection_sender::{SendOutcome, pause};
use inbox::frame::Frame;
use inbox::hub_protocol::{self, HubMessage};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::actions::{self, Cursors};
use crate::handler::{Context, SocketError};
use crate::native::DEFAULT_DEVICE;

/// A ping says where the streams stand once in this time: a client pings every 15 seconds, and a look costs.
const HEADS_INTERVAL: Duration = Duration::from_secs(300);
/// Records of one message: a client sends a few.
const MAX_MESSAGES: usize = 100;
/// How long a message on a new socket waits for the Sequence record before it.
const MAX_SEQUENCE_POLLS: u32 = 60;

pub(crate) async fn receive(
    parts: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    text: &str,
) -> Result<(), SocketError> {
    let records = match hub_protocol::parse(text) {
        Ok(it) if it.len() <= MAX_MESSAGES => it,
        Ok(_) => return close_with(parts, connection, &hub_protocol::close("too many records in one message")).await,
        Err(why) => return close_with(parts, connection, &hub_protocol::close(&why.to_string())).await,
    };
    let digests: Vec<u64> = records.iter().filter(|it| it.is_counted()).map(HubMessage::digest).collect();
    let Some(hash) = connection.hub.as_deref().filter(|_| !digests.is_empty()) else {
        return handle_all(parts, now, connection, records).await;
    };
    if !records.iter().any(|it| matches!(it, HubMessage::Sequence(_))) {
        wait_for_sequence(parts, hash, connection).await?;
    }
    let mut up_to = None;
    let handled = |it: &mut HubConnection| {
        let ours = it.is_carried_by(&connection.id);
        up_to = it.complete(&digests);
        ours
    };
    let done = async {
        let mut new = Vec::new();
        let received = |it: &mut HubConnection| {
            let ours = it.is_carried_by(&connection.id);
            new = it.receive(&digests);
            ours
        };
        let known = parts.sender.update_hub(hash, received).await?.is_some();
        if known {
            let mut new = new.into_iter();
            let fresh = records.into_iter().filter(|it| !it.is_counted() || new.next() == Some(true)).collect();
            handle_all(parts, now, connection, fresh).await?;
        }
        Ok::<bool, SocketError>(known && parts.sender.update_hub(hash, handled).await?.is_some())
    };
    let done = done.await;
    match (&done, up_to) {
        (Ok(true), Some(number)) => {
            drop(parts.sender.post_to_connection(&connection.id, &[hub_protocol::ack(number)]).await)
        }
        (Ok(true), None) => {} // an earlier one is still under way, and acknowledges this one too
        // not acknowledged: on its next socket, where it may be already, the client sends them again
        _ => parts.sender.management.close(&connection.id).await,
    }
    done.map(drop)
}

async fn handle_all(
    parts: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    records: Vec<HubMessage>,
) -> Result<(), SocketError> {
    let mut pinged = false;
    for record in records {
        // one answer is as good as many, and each is to be paid for
        if !matches!(record, HubMessage::Ping) || !std::mem::replace(&mut pinged, true) {
            handle_one(parts, now, connection, record).await?;
        }
    }
    Ok(())
}

/// Waits until the client's Sequence record was handled, which is another message on the new socket.
async fn wait_for_sequence(parts: &Context, hash: &str, connection: &Connection) -> Result<(), SocketError> {
    for _ in 0..MAX_SEQUENCE_POLLS {
        let hub = parts.table.hub_connection(hash).await?;
        if !hub.is_some_and(|it| it.resuming && it.connection.as_ref() == Some(&connection.id)) {
            break;
        }
        pause(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn handle_one(
    parts: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    record: HubMessage,
) -> Result<(), SocketError> {
    match record {
        HubMessage::Handshake { protocol, version } => handshake(parts, now, connection, &protocol, version).await,
        HubMessage::Ping => ping(parts, now, connection).await,
        HubMessage::Invocation { id, target, arguments } => {
            let outcome = invoke(parts, now, connection, &target, &arguments).await?;
            if let Err(why) = &outcome {
                let target: String = target.chars().take(60).collect();
                tracing::info!(target, "a call was refused: {why}");
            }
            match id {
                Some(id) => send(parts, now, connection, &[hub_protocol::completion(&id, &outcome)]).await.map(drop),
                None => Ok(()),
            }
        }
        HubMessage::StreamInvocation { id } => {
            let refused = hub_protocol::completion(&id, &Err("Streaming is not supported.".to_owned()));
            send(parts, now, connection, &[refused]).await.map(drop)
        }
        HubMessage::Close => Ok(parts.sender.unregister(connection).await?),
        HubMessage::Ack(number) => {
            let Some(hash) = &connection.hub else { return Ok(()) };
            let ack = |it: &mut HubConnection| {
                it.ack(number);
                true
            };
            parts.sender.update_hub(hash, ack).await?;
            Ok(())
        }
        HubMessage::Sequence(next) => resume_on_new_socket(parts, now, connection, next).await,
        HubMessage::CountedOnly | HubMessage::Unknown => Ok(()),
    }
}

async fn handshake(
    parts: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    protocol: &str,
    version: u64,
) -> Result<(), SocketError> {
    let error = match (protocol, version) {
        // 2 comes with stateful reconnect; some clients say 0 and speak 1
        ("json", 0..=2) => None,
        ("json", _) => Some(format!("The server does not support version {version} of the 'json' protocol.")),
        _ => Some(format!("The protocol '{}' is not supported.", protocol.chars().take(40).collect::<String>())),
    };
    if let Some(error) = error {
        return close_with(parts, connection, &hub_protocol::handshake_response(Some(&error))).await;
    }
    // the answer goes first: before it the client takes nothing, so nobody may tell it anything yet
    parts.sender.post_to_connection(&connection.id, &[hub_protocol::handshake_response(None)]).await;
    parts.table.subscribe(connection, now).await?;
    if let Some(hash) = &connection.hub {
        let shaken = |it: &mut HubConnection| {
            it.handshake_done = true;
            true
        };
        parts.sender.update_hub(hash, shaken).await?;
        parts.sender.flush(hash, &clock::random_alphanumeric(20)).await?;
    }
    Ok(())
}

/// A client takes up its connection on a new socket: we say which of our records comes first, then send again what it
/// has not acknowledged.
async fn resume_on_new_socket(
    parts: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    next: u64,
) -> Result<(), SocketError> {
    let Some(hash) = &connection.hub else { return Ok(()) };
    let Some(hub) = parts.table.hub_connection(hash).await? else {
        parts.sender.management.close(&connection.id).await;
        return Ok(());
    };
    if hub.connection.as_ref() != Some(&connection.id) || !hub.resuming {
        return Ok(());
    }
    // before anything else can be sent on the new socket: the client ignores all that comes earlier
    if parts.sender.post_to_connection(&connection.id, &[hub_protocol::sequence(hub.acked + 1)]).await
        != SendOutcome::Accepted
    {
        // without it the client ignores all that follows; on another socket it tries again
        parts.sender.management.close(&connection.id).await;
        return Ok(());
    }
    let resume = |it: &mut HubConnection| {
        let ours = it.connection.as_ref() == Some(&connection.id) && it.resuming;
        if ours {
            it.resume(next);
        }
        ours
    };
    parts.sender.update_hub(hash, resume).await?;
    parts.table.subscribe(connection, now).await?;
    parts.sender.flush(hash, &clock::random_alphanumeric(20)).await?;
    Ok(())
}

async fn ping(parts: &Context, now: OffsetDateTime, connection: &Connection) -> Result<(), SocketError> {
    parts.sender.post_to_connection(&connection.id, &[hub_protocol::ping()]).await;
    if let Some(hash) = &connection.hub {
        parts.sender.flush(hash, &clock::random_alphanumeric(20)).await?; // what a sender that died has left
    }
    let age = millis(now) - connection.since;
    if u128::try_from(age).is_ok_and(|it| it > HEADS_INTERVAL.as_millis())
        && parts.heads_sent.get(&connection.id).is_none()
    {
        parts.heads_sent.put(connection.id.clone(), (), HEADS_INTERVAL);
        let heads = Frame::pong(actions::heads(parts, connection).await?, now);
        send(parts, now, connection, &heads.texts(Protocol::SignalR)).await?;
    }
    match connection.reconnect_after(millis(now)) {
        // a stateful client takes up its connection when the socket is just closed; a close record would end it
        Some(0) if connection.hub.is_some() => parts.sender.management.close(&connection.id).await,
        Some(0) => return close_with(parts, connection, &hub_protocol::close_allow_reconnect()).await,
        _ => {}
    }
    Ok(())
}

/// Tells a client something that counts, for a connection that counts.
async fn send(
    parts: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    texts: &[String],
) -> Result<SendOutcome, SocketError> {
    Ok(parts.sender.tell(&connection.subscriber(), texts, &clock::random_alphanumeric(20), now).await?)
}

/// Says a last word and closes.
async fn close_with(parts: &Context, connection: &Connection, last: &str) -> Result<(), SocketError> {
    parts.sender.post_to_connection(&connection.id, &[last.to_owned()]).await;
    parts.sender.management.close(&connection.id).await;
    Ok(parts.sender.unregister(connection).await?)
}

/// Calls a method of the hub.
async fn invoke(
    parts: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    target: &str,
    arguments: &[Value],
) -> Result<Result<Value, String>, SocketError> {
    let text = |at: usize| arguments.get(at).and_then(Value::as_str);
    match target.to_ascii_lowercase().as_str() {
        "subscribe" | "resume" => {
            let cursors: Cursors = match arguments.first().cloned().map(serde_json::from_value).transpose() {
                Ok(it) => it.unwrap_or_default(),
                Err(_) => return Ok(Err("the first argument is a cursor, a list of cursors, or null".to_owned())),
            };
            let places = match actions::resume_positions(parts, connection, &cursors, text(1)).await? {
                Ok(it) => it,
                Err(wrong) => return Ok(Err(wrong.why.to_string())),
            };
            let tell = async |frame: Frame| send(parts, now, connection, &frame.texts(Protocol::SignalR)).await;
            let resumed = actions::resume(parts, now, connection, places, tell).await?;
            Ok(Ok(json!(resumed)))
        }
        "markread" => {
            let ids: Vec<String> = match arguments.first() {
                Some(Value::String(id)) => vec![id.clone()],
                Some(Value::Array(all)) => all.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect(),
                _ => Vec::new(),
            };
            Ok(actions::mark(parts, connection, InboxAction::Read, &ids, None).await?.map(|it| json!(it)))
        }
        "mark" => {
            let change = arguments.first().cloned().map(serde_json::from_value).and_then(Result::ok);
            let Some(change) = change else {
                return Ok(Err("the first argument is seen, read, unread, archive, unarchive or delete".to_owned()));
            };
            let ids: Vec<String> = match arguments.get(1) {
                Some(Value::Array(all)) => all.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect(),
                _ => Vec::new(),
            };
            Ok(actions::mark(parts, connection, change, &ids, text(2)).await?.map(|it| json!(it)))
        }
        "ack" => {
            let Some(cursor) = text(0) else { return Ok(Err("the first argument is a cursor".to_owned())) };
            Ok(actions::ack(parts, now, connection, cursor, text(1).unwrap_or(DEFAULT_DEVICE))
                .await?
                .map(|()| Value::Null))
        }
        _ => Ok(Err(format!("Unknown hub method '{}'", target.chars().take(60).collect::<String>()))),
    }
}
