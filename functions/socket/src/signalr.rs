//! SignalR's hub protocol (realtime, section 8): one message may hold many records.

use std::time::Duration;

use domain::inbox::Change;
use domain::millis;
use domain::socket::{Connection, Hub, Protocol};
use entry::clock;
use inbox::frame::Frame;
use inbox::hub::{self, Record};
use inbox::sending::{Sent, moment};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::actions::{self, Cursors};
use crate::handler::{Parts, Trouble};
use crate::native::DEVICE;

/// A ping says where the streams stand once in this time: a client pings every 15 seconds, and a look costs.
const LOOK: Duration = Duration::from_secs(300);
/// Records of one message: a client sends a few.
const MOST_RECORDS: usize = 100;
/// How long a message on a new socket waits for the Sequence record before it.
const LOOKS: u32 = 60;

pub(crate) async fn take(
    parts: &Parts,
    now: OffsetDateTime,
    connection: &Connection,
    text: &str,
) -> Result<(), Trouble> {
    let records = match hub::read(text) {
        Ok(it) if it.len() <= MOST_RECORDS => it,
        Ok(_) => return end(parts, connection, &hub::close("too many records in one message")).await,
        Err(why) => return end(parts, connection, &hub::close(&why.to_string())).await,
    };
    let digests: Vec<u64> = records.iter().filter(|it| it.counts()).map(Record::digest).collect();
    let Some(hash) = connection.hub.as_deref().filter(|_| !digests.is_empty()) else {
        return all(parts, now, connection, records).await;
    };
    if !records.iter().any(|it| matches!(it, Record::Sequence(_))) {
        resumed(parts, hash, connection).await?;
    }
    let mut up_to = None;
    let handled = |it: &mut Hub| {
        let ours = it.is_on(&connection.id);
        up_to = it.done(&digests);
        ours
    };
    let done = async {
        let mut new = Vec::new();
        let received = |it: &mut Hub| {
            let ours = it.is_on(&connection.id);
            new = it.take(&digests);
            ours
        };
        let known = parts.lines.change(hash, received).await?.is_some();
        if known {
            let mut new = new.into_iter();
            let fresh = records.into_iter().filter(|it| !it.counts() || new.next() == Some(true)).collect();
            all(parts, now, connection, fresh).await?;
        }
        Ok::<bool, Trouble>(known && parts.lines.change(hash, handled).await?.is_some())
    };
    let done = done.await;
    match (&done, up_to) {
        (Ok(true), Some(number)) => drop(parts.lines.post(&connection.id, &[hub::ack(number)]).await),
        (Ok(true), None) => {} // an earlier one is still under way, and acknowledges this one too
        // not acknowledged: on its next socket, where it may be already, the client sends them again
        _ => parts.lines.posts.close(&connection.id).await,
    }
    done.map(drop)
}

async fn all(parts: &Parts, now: OffsetDateTime, connection: &Connection, records: Vec<Record>) -> Result<(), Trouble> {
    let mut pinged = false;
    for record in records {
        // one answer is as good as many, and each is to be paid for
        if !matches!(record, Record::Ping) || !std::mem::replace(&mut pinged, true) {
            one(parts, now, connection, record).await?;
        }
    }
    Ok(())
}

/// Waits until the client's Sequence record was handled, which is another message on the new socket.
async fn resumed(parts: &Parts, hash: &str, connection: &Connection) -> Result<(), Trouble> {
    for _ in 0..LOOKS {
        let hub = parts.table.hub(hash).await?;
        if !hub.is_some_and(|it| it.resuming && it.connection.as_ref() == Some(&connection.id)) {
            break;
        }
        moment(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn one(parts: &Parts, now: OffsetDateTime, connection: &Connection, record: Record) -> Result<(), Trouble> {
    match record {
        Record::Handshake { protocol, version } => shake(parts, now, connection, &protocol, version).await,
        Record::Ping => ping(parts, now, connection).await,
        Record::Invocation { id, target, arguments } => {
            let outcome = call(parts, now, connection, &target, &arguments).await?;
            if let Err(why) = &outcome {
                let target: String = target.chars().take(60).collect();
                tracing::info!(target, "a call was refused: {why}");
            }
            match id {
                Some(id) => tell(parts, now, connection, &[hub::completion(&id, &outcome)]).await.map(drop),
                None => Ok(()),
            }
        }
        Record::StreamInvocation { id } => {
            let refused = hub::completion(&id, &Err("Streaming is not supported.".to_owned()));
            tell(parts, now, connection, &[refused]).await.map(drop)
        }
        Record::Close => Ok(parts.lines.forget(connection).await?),
        Record::Ack(number) => {
            let Some(hash) = &connection.hub else { return Ok(()) };
            let ack = |it: &mut Hub| {
                it.ack(number);
                true
            };
            parts.lines.change(hash, ack).await?;
            Ok(())
        }
        Record::Sequence(next) => take_up(parts, now, connection, next).await,
        Record::Counted | Record::Unknown => Ok(()),
    }
}

async fn shake(
    parts: &Parts,
    now: OffsetDateTime,
    connection: &Connection,
    protocol: &str,
    version: u64,
) -> Result<(), Trouble> {
    let error = match (protocol, version) {
        // 2 comes with stateful reconnect; some clients say 0 and speak 1
        ("json", 0..=2) => None,
        ("json", _) => Some(format!("The server does not support version {version} of the 'json' protocol.")),
        _ => Some(format!("The protocol '{}' is not supported.", protocol.chars().take(40).collect::<String>())),
    };
    if let Some(error) = error {
        return end(parts, connection, &hub::handshake(Some(&error))).await;
    }
    // the answer goes first: before it the client takes nothing, so nobody may tell it anything yet
    parts.lines.post(&connection.id, &[hub::handshake(None)]).await;
    parts.table.put_receiver(connection, now).await?;
    if let Some(hash) = &connection.hub {
        let shaken = |it: &mut Hub| {
            it.shaken = true;
            true
        };
        parts.lines.change(hash, shaken).await?;
        parts.lines.pump(hash, &clock::word(20)).await?;
    }
    Ok(())
}

/// A client takes up its connection on a new socket: we say which of our records comes first, then send again what it
/// has not acknowledged.
async fn take_up(parts: &Parts, now: OffsetDateTime, connection: &Connection, next: u64) -> Result<(), Trouble> {
    let Some(hash) = &connection.hub else { return Ok(()) };
    let Some(hub) = parts.table.hub(hash).await? else {
        parts.lines.posts.close(&connection.id).await;
        return Ok(());
    };
    if hub.connection.as_ref() != Some(&connection.id) || !hub.resuming {
        return Ok(());
    }
    // before anything else can be sent on the new socket: the client ignores all that comes earlier
    if parts.lines.post(&connection.id, &[hub::sequence(hub.acked + 1)]).await != Sent::Done {
        // without it the client ignores all that follows; on another socket it tries again
        parts.lines.posts.close(&connection.id).await;
        return Ok(());
    }
    let resume = |it: &mut Hub| {
        let ours = it.connection.as_ref() == Some(&connection.id) && it.resuming;
        if ours {
            it.resume(next);
        }
        ours
    };
    parts.lines.change(hash, resume).await?;
    parts.table.put_receiver(connection, now).await?;
    parts.lines.pump(hash, &clock::word(20)).await?;
    Ok(())
}

async fn ping(parts: &Parts, now: OffsetDateTime, connection: &Connection) -> Result<(), Trouble> {
    parts.lines.post(&connection.id, &[hub::ping()]).await;
    if let Some(hash) = &connection.hub {
        parts.lines.pump(hash, &clock::word(20)).await?; // what a sender that died has left
    }
    let age = millis(now) - connection.since;
    if u128::try_from(age).is_ok_and(|it| it > LOOK.as_millis()) && parts.looked.get(&connection.id).is_none() {
        parts.looked.put(connection.id.clone(), (), LOOK);
        let heads = Frame::pong(actions::heads(parts, connection).await?, now);
        tell(parts, now, connection, &heads.texts(Protocol::SignalR)).await?;
    }
    match connection.reconnect_after(millis(now)) {
        // a stateful client takes up its connection when the socket is just closed; a close record would end it
        Some(0) if connection.hub.is_some() => parts.lines.posts.close(&connection.id).await,
        Some(0) => return end(parts, connection, &hub::close_for_now()).await,
        _ => {}
    }
    Ok(())
}

/// Tells a client something that counts, for a connection that counts.
async fn tell(parts: &Parts, now: OffsetDateTime, connection: &Connection, texts: &[String]) -> Result<Sent, Trouble> {
    Ok(parts.lines.tell(&connection.receiver(), texts, &clock::word(20), now).await?)
}

/// Says a last word and closes.
async fn end(parts: &Parts, connection: &Connection, last: &str) -> Result<(), Trouble> {
    parts.lines.post(&connection.id, &[last.to_owned()]).await;
    parts.lines.posts.close(&connection.id).await;
    Ok(parts.lines.forget(connection).await?)
}

/// Calls a method of the hub.
async fn call(
    parts: &Parts,
    now: OffsetDateTime,
    connection: &Connection,
    target: &str,
    arguments: &[Value],
) -> Result<Result<Value, String>, Trouble> {
    let text = |at: usize| arguments.get(at).and_then(Value::as_str);
    match target.to_ascii_lowercase().as_str() {
        "subscribe" | "resume" => {
            let cursors: Cursors = match arguments.first().cloned().map(serde_json::from_value).transpose() {
                Ok(it) => it.unwrap_or_default(),
                Err(_) => return Ok(Err("the first argument is a cursor, a list of cursors, or null".to_owned())),
            };
            let places = match actions::places(parts, connection, &cursors, text(1)).await? {
                Ok(it) => it,
                Err(wrong) => return Ok(Err(wrong.why.to_string())),
            };
            let tell = async |frame: Frame| tell(parts, now, connection, &frame.texts(Protocol::SignalR)).await;
            let resumed = actions::resume(parts, now, connection, places, tell).await?;
            Ok(Ok(json!(resumed)))
        }
        "markread" => {
            let ids: Vec<String> = match arguments.first() {
                Some(Value::String(id)) => vec![id.clone()],
                Some(Value::Array(all)) => all.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect(),
                _ => Vec::new(),
            };
            Ok(actions::mark(parts, connection, Change::Read, &ids, None).await?.map(|it| json!(it)))
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
            Ok(actions::ack(parts, now, connection, cursor, text(1).unwrap_or(DEVICE)).await?.map(|()| Value::Null))
        }
        _ => Ok(Err(format!("Unknown hub method '{}'", target.chars().take(60).collect::<String>()))),
    }
}
