//! The receivers of a run that connect themselves: sockets of three protocols, a long poll, and a consumer of a RabbitMQ
//! queue. Each goes on behind what it has, whatever breaks.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use serde_json::{Value, json};

use super::super::api::{Api, MESSAGES};
use super::ledger::Ledger;
use super::plan::Receiver;
use super::state::State;
use crate::client::poll_delay;
use crate::error::CliError;
use crate::socket_client::{self, Protocol, Received, SocketClient};

/// Read notifications after which the client of the seed's protocol marks them: a new connection gets at most 1,000 unread
/// ones.
const MARK_AFTER: usize = 100;
/// The page of a long poll (publish, reading).
const PAGE: usize = 100;
/// Messages that the consumer has not acknowledged yet, at most.
const PREFETCH: u16 = 100;

/// What the consumers share.
#[derive(Clone)]
pub(super) struct Consumers {
    pub(super) api: Arc<Api>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) state: Arc<State>,
    /// Notifications that came again on a socket, and were ignored by their number.
    pub(super) repeated: Arc<[AtomicU64; 3]>,
    /// Somebody was told that something is missing.
    pub(super) gap: Arc<AtomicBool>,
}

/// The place of a protocol's count.
pub(super) fn index(protocol: Protocol) -> usize {
    protocol as usize
}

impl Consumers {
    /// Keeps a socket open until the run ends.
    pub(super) async fn socket(self, protocol: Protocol) {
        let receiver = Receiver::Socket(protocol);
        let mut client = SocketClient::new(protocol, self.state.positions(receiver.name()));
        let mut unread = Vec::new();
        loop {
            if let Ok(stream) = self.open(protocol).await {
                if protocol == Protocol::Seed {
                    self.state.set_ready(receiver.name());
                }
                let received = client.receive(stream, |client, it| match it {
                    Received::Resumed => {
                        self.state.set_positions(receiver.name(), &client.positions);
                        self.state.set_ready(receiver.name());
                        ControlFlow::Continue(())
                    }
                    Received::Notification { item, .. } => {
                        let id = item["id"].as_str().unwrap_or_default();
                        if let Some(number) = number_of(item)
                            && self.ledger.arrive(receiver, number, id).is_err()
                        {
                            return ControlFlow::Break(());
                        }
                        self.state.set_positions(receiver.name(), &client.positions);
                        if protocol == Protocol::Seed {
                            unread.push(id.to_owned());
                        }
                        // it stops to mark what it has as read, and connects again
                        if unread.len() >= MARK_AFTER { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                    }
                });
                drop(received.await); // it connects again, whatever has happened
                self.repeated[index(protocol)].store(client.repeated, Ordering::Relaxed);
                if client.positions.values().any(|it| it.cursor.is_some() && it.sequence.is_none()) {
                    self.gap.store(true, Ordering::Relaxed);
                }
                if !unread.is_empty() {
                    let body = json!({ "change": "read", "ids": unread });
                    let path = format!("/api/v1/Inbox/{}/Marks", receiver.name());
                    if self.api.call("POST", &path, &body).await.is_ok() {
                        unread.clear();
                    }
                }
            }
            poll_delay().await;
        }
    }

    async fn open(&self, protocol: Protocol) -> Result<socket_client::Stream, CliError> {
        let user = Receiver::Socket(protocol).name();
        let path = format!("/api/v1/Inbox/{user}/Tickets");
        let body = json!({ "messages": protocol != Protocol::Seed });
        let ticket = self.api.call("POST", &path, &body).await?;
        let ticket = ticket["ticket"].as_str().unwrap_or_default();
        let url = self.api.url.replacen("http", "ws", 1);
        socket_client::open(&format!("{url}{}?ticket={ticket}", protocol.path(user)?)).await
    }

    /// Reads the application's stream by long polls until the run ends.
    pub(super) async fn long_poll(self) {
        let name = Receiver::LongPoll.name();
        let mut cursor = self.state.cursor();
        loop {
            let path = match &cursor {
                Some(cursor) => format!("{}?limit={PAGE}&wait=20&after={cursor}", MESSAGES),
                None => format!("{}?limit=1", MESSAGES),
            };
            let Ok(page) = self.api.call("GET", &path, &Value::Null).await else {
                poll_delay().await;
                continue;
            };
            if page["recovered"] == false {
                self.gap.store(true, Ordering::Relaxed);
            }
            if cursor.is_some() {
                let items = page["items"].as_array();
                let written = items.into_iter().flatten().try_for_each(|item| match number_of(item) {
                    Some(number) => {
                        self.ledger.arrive(Receiver::LongPoll, number, item["id"].as_str().unwrap_or_default())
                    }
                    None => Ok(()),
                });
                if written.is_err() {
                    continue;
                }
            }
            if let Some(next) = page["cursor"].as_str() {
                self.state.set_cursor(next);
                cursor = Some(next.to_owned());
                self.state.set_ready(name);
            }
        }
    }

    /// Consumes a queue of RabbitMQ until the run ends.
    pub(super) async fn queue(self, url: String) {
        loop {
            if let Err(error) = self.consume(&url).await {
                drop(error); // the broker is killed now and then
            }
            poll_delay().await;
        }
    }

    async fn consume(&self, url: &str) -> Result<(), lapin::Error> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let name = Receiver::Queue.name();
        let options = BasicConsumeOptions::default();
        let mut consumer = channel.basic_consume(name.into(), "proof".into(), options, FieldTable::default()).await?;
        while let Some(delivery) = consumer.next().await {
            let delivery = delivery?;
            let body: Value = serde_json::from_slice(&delivery.data).unwrap_or_default();
            let id = delivery.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default();
            if let Some(number) = number_of(&body)
                && self.ledger.arrive(Receiver::Queue, number, &id).is_err()
            {
                continue;
            }
            delivery.ack(BasicAckOptions::default()).await?;
        }
        Ok(())
    }
}

/// The number of an event, in its data; that of a notification to a user, in its title.
fn number_of(item: &Value) -> Option<u32> {
    let in_title = || item["title"].as_str().and_then(|it| it.parse().ok());
    item["data"]["n"].as_u64().and_then(|it| u32::try_from(it).ok()).or_else(in_title)
}
