//! Telling a socket: at once, or, for a SignalR connection that outlives its sockets, in order and kept until it is
//! acknowledged (realtime, section 8.7).

use std::time::Duration;

use channels::management::{ManagementClient, PostOutcome};
use domain::millis;
use domain::socket::{Connection, HubConnection, Protocol, RESUMABLE_MS, Subscriber};
use entry::clock;
use table::{Table, TableError};
use time::OffsetDateTime;

/// Whoever sends the records of a connection holds it for so long, in milliseconds, and stops in time, in all its rounds:
/// a slow socket must not hold up an invocation.
const SEND_LEASE_MS: i64 = 15_000;
const SEND_DEADLINE_MS: i64 = 8_000;
/// How long a socket that takes up a connection may wait for its client's Sequence record, in milliseconds.
const SEQUENCE_TIMEOUT_MS: i64 = 15_000;
/// Rounds of sending what came meanwhile.
const MAX_ROUNDS: usize = 20;

/// What became of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Sent, or kept for a connection that will take it up.
    Accepted,
    /// Nobody is there any more.
    Gone,
    /// Not now.
    Busy(String),
}

/// Sends to sockets.
#[derive(Clone)]
pub struct ConnectionSender {
    pub table: Table,
    pub management: ManagementClient,
}

impl ConnectionSender {
    /// Tells a receiver; the messages arrive in order.
    pub async fn tell(
        &self,
        receiver: &Subscriber,
        texts: &[String],
        write_id: &str,
        now: OffsetDateTime,
    ) -> Result<SendOutcome, TableError> {
        let Some(hash) = &receiver.hub else { return Ok(self.post_to_connection(&receiver.connection, texts).await) };
        let Some(hub) = self.table.hub_connection(hash).await? else { return Ok(SendOutcome::Gone) };
        for (index, text) in texts.iter().enumerate() {
            // records expire, and their numbers go on
            self.table.append_hub_message(hash, text, hub.sent, &format!("{write_id}.{index}"), now).await?;
        }
        self.flush(hash, write_id).await
    }

    /// Posts messages to a socket, in order.
    pub async fn post_to_connection(&self, connection: &str, texts: &[String]) -> SendOutcome {
        for text in texts {
            match self.management.post(connection, text).await {
                PostOutcome::Posted => {}
                PostOutcome::Gone => return SendOutcome::Gone,
                PostOutcome::RetryLater(why) => return SendOutcome::Busy(why),
                PostOutcome::Rejected(why) => tracing::error!(error = why, "a message to a socket was refused: {why}"),
            }
        }
        SendOutcome::Accepted
    }

    /// Sends the records of a SignalR connection that were not sent on its socket yet. One at a time does, so that they
    /// stay in order; who does looks again at the end for what came meanwhile. Where it is not sure what has arrived, it
    /// closes the socket: the client counts what it gets, and says on the next one how far it is.
    pub async fn flush(&self, hash: &str, holder: &str) -> Result<SendOutcome, TableError> {
        let until = millis(clock::now()) + SEND_DEADLINE_MS;
        for _ in 0..MAX_ROUNDS {
            let now = millis(clock::now());
            if now > until {
                break;
            }
            let Some(mut hub) = self.table.hub_connection(hash).await? else { return Ok(SendOutcome::Gone) };
            if let Some(idle) = hub.connection.as_ref().filter(|_| hub.resuming && now - hub.at > SEQUENCE_TIMEOUT_MS) {
                // its client opened it, and never said where it stands: it has given it up (realtime, 8.7)
                self.force_reconnect(hash, idle).await?;
                continue;
            }
            let Some(socket) = hub.connection.clone().filter(|_| hub.handshake_done && !hub.resuming) else {
                let lost = hub.connection.is_none() && now - hub.at > RESUMABLE_MS;
                return Ok(if lost { SendOutcome::Gone } else { SendOutcome::Accepted });
            };
            let records = self.table.hub_messages(hash, hub.sent).await?;
            if records.is_empty() {
                return Ok(SendOutcome::Accepted);
            }
            if let Some((_, held)) = hub.sending {
                if held <= now {
                    self.force_reconnect(hash, &socket).await?; // whoever sent has died, nobody knows how far it came
                }
                return Ok(SendOutcome::Accepted);
            }
            hub.sending = Some((holder.to_owned(), now + SEND_LEASE_MS));
            if !self.put_hub(hash, &mut hub).await? {
                continue;
            }
            let (mut sent, mut outcome) = (hub.sent, SendOutcome::Accepted);
            for (number, text) in records {
                if millis(clock::now()) > until {
                    break;
                }
                outcome = self.post_to_connection(&socket, &[text]).await;
                if outcome != SendOutcome::Accepted {
                    break;
                }
                sent = number;
            }
            if outcome != SendOutcome::Accepted {
                self.force_reconnect(hash, &socket).await?; // all is kept for the next socket
                return Ok(SendOutcome::Accepted);
            }
            self.release(hash, &socket, holder, sent).await?;
        }
        Ok(SendOutcome::Accepted) // what is left goes out with the next record, or with the next ping
    }

    /// Ends a socket, so that the client takes up its connection on another.
    async fn force_reconnect(&self, hash: &str, socket: &str) -> Result<(), TableError> {
        let now = millis(clock::now());
        let ours = |hub: &mut HubConnection| {
            let ours = hub.connection.as_deref() == Some(socket);
            if ours {
                hub.detach(now);
            }
            ours
        };
        self.update_hub(hash, ours).await?;
        self.management.close(socket).await;
        Ok(())
    }

    async fn release(&self, hash: &str, socket: &str, holder: &str, sent: u64) -> Result<(), TableError> {
        let ours = |hub: &mut HubConnection| {
            let ours = hub.sending.as_ref().is_some_and(|it| it.0 == holder);
            if !ours || hub.connection.as_deref() != Some(socket) {
                return false; // a new socket begins anew
            }
            (hub.sending, hub.sent) = (None, hub.sent.max(sent));
            true
        };
        self.update_hub(hash, ours).await.map(drop)
    }

    /// Changes a SignalR connection, again if others were faster; `None` if it is not there, or `change` refused.
    pub async fn update_hub(
        &self,
        hash: &str,
        mut change: impl FnMut(&mut HubConnection) -> bool,
    ) -> Result<Option<HubConnection>, TableError> {
        for attempt in 0_u64..MAX_ROUNDS as u64 {
            let Some(mut hub) = self.table.hub_connection(hash).await? else { return Ok(None) };
            if !change(&mut hub) {
                return Ok(None);
            }
            if self.put_hub(hash, &mut hub).await? {
                return Ok(Some(hub));
            }
            pause(Duration::from_millis(attempt * 5 + 2)).await;
        }
        Ok(None)
    }

    async fn put_hub(&self, hash: &str, hub: &mut HubConnection) -> Result<bool, TableError> {
        hub.revision += 1;
        hub.writer = clock::random_alphanumeric(8);
        self.table.put_hub_connection(hash, hub).await
    }

    /// Forgets a receiver that is gone, on all its channels.
    pub async fn unregister(&self, connection: &Connection) -> Result<(), TableError> {
        self.table.unsubscribe(connection).await?;
        if let Some(hub) = &connection.hub {
            self.table.delete_hub_connection(hub).await?;
        }
        self.table.delete_connection(&connection.id).await
    }

    /// The connection that a receiver stands for.
    pub async fn connection_of(&self, it: &Subscriber) -> Result<Option<Connection>, TableError> {
        match &it.hub {
            None => self.table.connection(&it.connection).await,
            Some(hash) => {
                let (id, since, protocol) = (it.connection.clone(), it.since, Protocol::SignalR);
                let hub = self.table.hub_connection(hash).await?;
                Ok(hub.map(|hub| Connection { id, member: hub.member, protocol, since, hub: Some(hash.clone()) }))
            }
        }
    }
}

/// A pause between two looks at what another invocation changes.
#[expect(clippy::disallowed_methods, reason = "no condition tells when another invocation has written")]
pub async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
