//! Telling a socket: at once, or, for a SignalR connection that outlives its sockets, in order and kept until it is
//! acknowledged (realtime, section 8.7).

use std::time::Duration;

use channels::socket::{Posted, Posts};
use domain::millis;
use domain::socket::{Connection, Hub, Protocol, RESUMABLE_MS, Receiver};
use entry::clock;
use table::{Table, TableError};
use time::OffsetDateTime;

/// Whoever sends the records of a connection holds it for so long, in milliseconds, and stops in time, in all its rounds:
/// a slow socket must not hold up an invocation.
const HELD_MS: i64 = 15_000;
const STOP_MS: i64 = 8_000;
/// How long a socket that takes up a connection may wait for its client's Sequence record, in milliseconds.
const SILENT_MS: i64 = 15_000;
/// Rounds of sending what came meanwhile.
const ROUNDS: usize = 20;

/// What became of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Sent, or kept for a connection that will take it up.
    Done,
    /// Nobody is there any more.
    Gone,
    /// Not now.
    Busy(String),
}

/// Sends to sockets.
#[derive(Clone)]
pub struct Lines {
    pub table: Table,
    pub posts: Posts,
}

impl Lines {
    /// Tells a receiver; the messages arrive in order.
    pub async fn tell(
        &self,
        receiver: &Receiver,
        texts: &[String],
        write_id: &str,
        now: OffsetDateTime,
    ) -> Result<Sent, TableError> {
        let Some(hash) = &receiver.hub else { return Ok(self.post(&receiver.connection, texts).await) };
        let Some(hub) = self.table.hub(hash).await? else { return Ok(Sent::Gone) };
        for (index, text) in texts.iter().enumerate() {
            // records expire, and their numbers go on
            self.table.append_record(hash, text, hub.sent, &format!("{write_id}.{index}"), now).await?;
        }
        self.pump(hash, write_id).await
    }

    /// Posts messages to a socket, in order.
    pub async fn post(&self, connection: &str, texts: &[String]) -> Sent {
        for text in texts {
            match self.posts.post(connection, text).await {
                Posted::Done => {}
                Posted::Gone => return Sent::Gone,
                Posted::Busy(why) => return Sent::Busy(why),
                Posted::Refused(why) => tracing::error!(error = why, "a message to a socket was refused: {why}"),
            }
        }
        Sent::Done
    }

    /// Sends the records of a SignalR connection that were not sent on its socket yet. One at a time does, so that they
    /// stay in order; who does looks again at the end for what came meanwhile. Where it is not sure what has arrived, it
    /// closes the socket: the client counts what it gets, and says on the next one how far it is.
    pub async fn pump(&self, hash: &str, who: &str) -> Result<Sent, TableError> {
        let until = millis(clock::now()) + STOP_MS;
        for _ in 0..ROUNDS {
            let now = millis(clock::now());
            if now > until {
                break;
            }
            let Some(mut hub) = self.table.hub(hash).await? else { return Ok(Sent::Gone) };
            if let Some(idle) = hub.connection.as_ref().filter(|_| hub.resuming && now - hub.at > SILENT_MS) {
                // its client opened it, and never said where it stands: it has given it up (realtime, 8.7)
                self.renew(hash, idle).await?;
                continue;
            }
            let Some(socket) = hub.connection.clone().filter(|_| hub.shaken && !hub.resuming) else {
                let lost = hub.connection.is_none() && now - hub.at > RESUMABLE_MS;
                return Ok(if lost { Sent::Gone } else { Sent::Done });
            };
            let records = self.table.records(hash, hub.sent).await?;
            if records.is_empty() {
                return Ok(Sent::Done);
            }
            if let Some((_, held)) = hub.sending {
                if held <= now {
                    self.renew(hash, &socket).await?; // whoever sent has died, nobody knows how far it came
                }
                return Ok(Sent::Done);
            }
            hub.sending = Some((who.to_owned(), now + HELD_MS));
            if !self.put(hash, &mut hub).await? {
                continue;
            }
            let (mut sent, mut outcome) = (hub.sent, Sent::Done);
            for (number, text) in records {
                if millis(clock::now()) > until {
                    break;
                }
                outcome = self.post(&socket, &[text]).await;
                if outcome != Sent::Done {
                    break;
                }
                sent = number;
            }
            if outcome != Sent::Done {
                self.renew(hash, &socket).await?; // all is kept for the next socket
                return Ok(Sent::Done);
            }
            self.let_go(hash, &socket, who, sent).await?;
        }
        Ok(Sent::Done) // what is left goes out with the next record, or with the next ping
    }

    /// Ends a socket, so that the client takes up its connection on another.
    async fn renew(&self, hash: &str, socket: &str) -> Result<(), TableError> {
        let now = millis(clock::now());
        let ours = |hub: &mut Hub| {
            let ours = hub.connection.as_deref() == Some(socket);
            if ours {
                hub.detach(now);
            }
            ours
        };
        self.change(hash, ours).await?;
        self.posts.close(socket).await;
        Ok(())
    }

    async fn let_go(&self, hash: &str, socket: &str, who: &str, sent: u64) -> Result<(), TableError> {
        let ours = |hub: &mut Hub| {
            let ours = hub.sending.as_ref().is_some_and(|it| it.0 == who);
            if !ours || hub.connection.as_deref() != Some(socket) {
                return false; // a new socket begins anew
            }
            (hub.sending, hub.sent) = (None, hub.sent.max(sent));
            true
        };
        self.change(hash, ours).await.map(drop)
    }

    /// Changes a SignalR connection, again if others were faster; `None` if it is not there, or `change` refused.
    pub async fn change(
        &self,
        hash: &str,
        mut change: impl FnMut(&mut Hub) -> bool,
    ) -> Result<Option<Hub>, TableError> {
        for attempt in 0_u64..ROUNDS as u64 {
            let Some(mut hub) = self.table.hub(hash).await? else { return Ok(None) };
            if !change(&mut hub) {
                return Ok(None);
            }
            if self.put(hash, &mut hub).await? {
                return Ok(Some(hub));
            }
            moment(Duration::from_millis(attempt * 5 + 2)).await;
        }
        Ok(None)
    }

    async fn put(&self, hash: &str, hub: &mut Hub) -> Result<bool, TableError> {
        hub.revision += 1;
        hub.writer = clock::word(8);
        self.table.put_hub(hash, hub).await
    }

    /// Forgets a receiver that is gone, on all its channels.
    pub async fn forget(&self, connection: &Connection) -> Result<(), TableError> {
        self.table.delete_receiver(connection).await?;
        if let Some(hub) = &connection.hub {
            self.table.delete_hub(hub).await?;
        }
        self.table.delete_connection(&connection.id).await
    }

    /// The connection that a receiver stands for.
    pub async fn connection_of(&self, it: &Receiver) -> Result<Option<Connection>, TableError> {
        match &it.hub {
            None => self.table.connection(&it.connection).await,
            Some(hash) => {
                let (id, since, protocol) = (it.connection.clone(), it.since, Protocol::SignalR);
                let hub = self.table.hub(hash).await?;
                Ok(hub.map(|hub| Connection { id, member: hub.member, protocol, since, hub: Some(hash.clone()) }))
            }
        }
    }
}

/// A pause between two looks at what another invocation changes.
#[expect(clippy::disallowed_methods, reason = "no condition tells when another invocation has written")]
pub async fn moment(time: Duration) {
    tokio::time::sleep(time).await;
}
