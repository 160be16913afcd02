//! Sends messages to connections: at once, or, for a SignalR connection with stateful reconnect, in order and stored until
//! the client acknowledges them (realtime, section 8.7).

use std::time::Duration;

use channels::management::{ManagementClient, PostOutcome};
use domain::millis;
use domain::socket::{Connection, HubConnection, Protocol, RESUMABLE_MS, Subscriber};
use entry::{Start, clock};
use table::{Table, TableError};
use time::OffsetDateTime;

/// How long one sender holds the lease of a SignalR connection, in milliseconds.
const SEND_LEASE_MS: i64 = 15_000;
/// When a sender stops, in milliseconds after its start: before its lease ends, so that a slow socket does not hold up an
/// invocation.
const SEND_DEADLINE_MS: i64 = 8_000;
/// How long a socket that resumes a SignalR connection may wait for the client's Sequence message, in milliseconds.
const SEQUENCE_TIMEOUT_MS: i64 = 15_000;
/// Rounds of sending messages that were stored meanwhile, and attempts of a write against other writers.
const MAX_ROUNDS: usize = 20;

/// The outcome of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Sent, or stored for a SignalR connection that can resume.
    Accepted,
    /// The connection is closed.
    Gone,
    /// The connection is slow, or API Gateway throttles. The reason is for the log.
    Busy(String),
}

/// Sends to connections of every protocol.
#[derive(Clone)]
pub struct ConnectionSender {
    pub table: Table,
    pub management: ManagementClient,
}

impl ConnectionSender {
    /// The sender of a function that has the setting `SOCKET_ENDPOINT`.
    pub fn new(start: &mut Start, table: Table) -> Self {
        Self { table, management: ManagementClient::new(start.management_client()) }
    }

    /// Sends messages to a subscriber, in order. `write_id` makes a repeated send store its messages once.
    ///
    /// # Errors
    /// If the table cannot be read or written.
    pub async fn send(
        &self,
        subscriber: &Subscriber,
        texts: &[String],
        write_id: &str,
        now: OffsetDateTime,
    ) -> Result<SendOutcome, TableError> {
        let Some(hash) = &subscriber.hub else {
            return Ok(self.post_to_connection(&subscriber.connection, texts).await);
        };
        let Some(hub) = self.table.hub_connection(hash).await? else { return Ok(SendOutcome::Gone) };
        for (index, text) in texts.iter().enumerate() {
            // stored messages expire, and their numbers go on
            self.table.append_hub_message(hash, text, hub.sent, &format!("{write_id}.{index}"), now).await?;
        }
        self.flush(hash, write_id).await
    }

    /// Posts messages to a socket through `@connections`, in order.
    pub async fn post_to_connection(&self, connection: &str, texts: &[String]) -> SendOutcome {
        for text in texts {
            match self.management.post(connection, text).await {
                PostOutcome::Posted => {}
                PostOutcome::Gone => return SendOutcome::Gone,
                PostOutcome::RetryLater(reason) => return SendOutcome::Busy(reason),
                PostOutcome::Rejected(reason) => {
                    tracing::error!(error = reason, "a message to a socket was rejected: {reason}");
                }
            }
        }
        SendOutcome::Accepted
    }

    /// Sends the stored messages of a SignalR connection that were not sent on its socket yet. One sender at a time holds a
    /// lease, so that they stay in order; at its end it looks for messages that were stored meanwhile. Where it is not
    /// known what has arrived, it closes the socket: the client counts what it receives, and sends the number on its next
    /// socket.
    ///
    /// # Errors
    /// If the table cannot be read or written.
    pub async fn flush(&self, hash: &str, holder: &str) -> Result<SendOutcome, TableError> {
        let deadline = millis(clock::now()) + SEND_DEADLINE_MS;
        for _ in 0..MAX_ROUNDS {
            let now = millis(clock::now());
            if now > deadline {
                break;
            }
            let Some(mut hub) = self.table.hub_connection(hash).await? else { return Ok(SendOutcome::Gone) };
            if let Some(idle) = hub.connection.as_ref().filter(|_| hub.resuming && now - hub.at > SEQUENCE_TIMEOUT_MS) {
                // the client opened the socket and sent no Sequence message: it has abandoned it (realtime, section 8.7)
                self.force_reconnect(hash, idle).await?;
                continue;
            }
            let Some(socket) = hub.connection.clone().filter(|_| hub.handshake_done && !hub.resuming) else {
                let lost = hub.connection.is_none() && now - hub.at > RESUMABLE_MS;
                return Ok(if lost { SendOutcome::Gone } else { SendOutcome::Accepted });
            };
            let messages = self.table.hub_messages(hash, hub.sent).await?;
            if messages.is_empty() {
                return Ok(SendOutcome::Accepted);
            }
            if let Some((_, lease_end)) = hub.sending {
                if lease_end <= now {
                    self.force_reconnect(hash, &socket).await?; // that sender failed; what has arrived is unknown
                }
                return Ok(SendOutcome::Accepted);
            }
            hub.sending = Some((holder.to_owned(), now + SEND_LEASE_MS));
            if !self.put_hub(hash, &mut hub).await? {
                continue;
            }
            let (mut sent, mut outcome) = (hub.sent, SendOutcome::Accepted);
            for (number, text) in messages {
                if millis(clock::now()) > deadline {
                    break;
                }
                outcome = self.post_to_connection(&socket, &[text]).await;
                if outcome != SendOutcome::Accepted {
                    break;
                }
                sent = number;
            }
            if outcome != SendOutcome::Accepted {
                self.force_reconnect(hash, &socket).await?; // the messages stay stored for the next socket
                return Ok(SendOutcome::Accepted);
            }
            self.release(hash, &socket, holder, sent).await?;
        }
        Ok(SendOutcome::Accepted) // the rest goes out with the next message, or at the next ping
    }

    /// Closes a socket, so that the client resumes its connection on a new one.
    async fn force_reconnect(&self, hash: &str, socket: &str) -> Result<(), TableError> {
        let now = millis(clock::now());
        let detach = |hub: &mut HubConnection| {
            let is_on_socket = hub.connection.as_deref() == Some(socket);
            if is_on_socket {
                hub.detach(now);
            }
            is_on_socket
        };
        self.update_hub(hash, detach).await?;
        self.management.close(socket).await;
        Ok(())
    }

    /// Ends the lease of `holder`, which has sent the messages up to `sent`.
    async fn release(&self, hash: &str, socket: &str, holder: &str, sent: u64) -> Result<(), TableError> {
        let release = |hub: &mut HubConnection| {
            let is_held = hub.sending.as_ref().is_some_and(|it| it.0 == holder);
            if !is_held || hub.connection.as_deref() != Some(socket) {
                return false; // a new socket starts over
            }
            (hub.sending, hub.sent) = (None, hub.sent.max(sent));
            true
        };
        self.update_hub(hash, release).await.map(drop)
    }

    /// Changes a SignalR connection, again if other writers were faster. `None` if there is none, or if `change` returned
    /// `false`.
    ///
    /// # Errors
    /// If the table cannot be read or written.
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
            clock::pause(Duration::from_millis(attempt * 5 + 2)).await;
        }
        Ok(None)
    }

    async fn put_hub(&self, hash: &str, hub: &mut HubConnection) -> Result<bool, TableError> {
        hub.revision += 1;
        hub.writer = clock::random_alphanumeric(8);
        self.table.put_hub_connection(hash, hub).await
    }

    /// Deletes a closed connection, its subscriptions and its SignalR connection.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub async fn unregister(&self, connection: &Connection) -> Result<(), TableError> {
        self.table.unsubscribe(connection).await?;
        if let Some(hub) = &connection.hub {
            self.table.delete_hub_connection(hub).await?;
        }
        self.table.delete_connection(&connection.id).await
    }

    /// The connection of a subscriber; `None` if it is gone.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn connection_of(&self, subscriber: &Subscriber) -> Result<Option<Connection>, TableError> {
        let Some(hash) = &subscriber.hub else { return self.table.connection(&subscriber.connection).await };
        let (id, since, protocol) = (subscriber.connection.clone(), subscriber.since, Protocol::SignalR);
        let hub = self.table.hub_connection(hash).await?;
        Ok(hub.map(|hub| Connection {
            id,
            member: hub.member,
            protocol,
            since,
            hub: Some(hash.clone()),
            channel: None,
        }))
    }
}
