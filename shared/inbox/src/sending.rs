//! Telling a socket: at once, or, for a SignalR connection that outlives its sockets, in order and kept until it is
//! acknowledged (realtime, section 8.7).

use std::time::Duration;

use channels::socket::{Posted, Posts};
use domain::millis;
use domain::socket::{Connection, Hub, Protocol, RESUMABLE_MS, Receiver};
use table::{Table, TableError};
use time::OffsetDateTime;

/// Whoever sends the records of a connection holds it for so long, in milliseconds: a little more than a post may take.
const HELD_MS: i64 = 15_000;
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
        let Some(hub) = &receiver.hub else { return Ok(self.post(&receiver.connection, texts).await) };
        for (index, text) in texts.iter().enumerate() {
            self.table.append_record(hub, text, &format!("{write_id}.{index}"), now).await?;
        }
        self.pump(hub, write_id, now).await
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
    /// stay in order; who does looks again at the end for what came meanwhile.
    pub async fn pump(&self, hash: &str, who: &str, now: OffsetDateTime) -> Result<Sent, TableError> {
        let now = millis(now);
        for _ in 0..ROUNDS {
            let Some(mut hub) = self.table.hub(hash).await? else { return Ok(Sent::Gone) };
            let Some(socket) = hub.connection.clone().filter(|_| hub.shaken && !hub.resuming) else {
                let lost = hub.connection.is_none() && now - hub.at > RESUMABLE_MS;
                return Ok(if lost { Sent::Gone } else { Sent::Done });
            };
            let records = self.table.records(hash, hub.sent).await?;
            if records.is_empty() {
                return Ok(Sent::Done);
            }
            match &hub.sending {
                Some((other, until)) if other != who && *until > now => return Ok(Sent::Done),
                _ => {}
            }
            hub.sending = Some((who.to_owned(), now + HELD_MS));
            if !self.put(hash, &mut hub).await? {
                continue;
            }
            let (mut sent, mut outcome) = (hub.sent, Sent::Done);
            for (number, text) in records {
                outcome = self.post(&socket, &[text]).await;
                if outcome != Sent::Done {
                    break;
                }
                sent = number;
            }
            self.let_go(hash, &socket, who, sent, outcome == Sent::Gone, now).await?;
            match outcome {
                Sent::Done => {}
                Sent::Gone => return Ok(Sent::Done), // kept for the next socket
                busy @ Sent::Busy(_) => return Ok(busy),
            }
        }
        Ok(Sent::Busy("a connection changes too fast".to_owned()))
    }

    async fn let_go(
        &self,
        hash: &str,
        socket: &str,
        who: &str,
        sent: u64,
        gone: bool,
        now: i64,
    ) -> Result<(), TableError> {
        self.change(hash, |hub| {
            let ours = hub.sending.as_ref().is_some_and(|it| it.0 == who);
            if !ours || hub.connection.as_deref() != Some(socket) {
                return false; // a new socket begins anew
            }
            (hub.sending, hub.sent) = (None, hub.sent.max(sent));
            if gone {
                hub.detach(now);
            }
            true
        })
        .await
        .map(drop)
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
