//! RabbitMQ: publisher confirms, `mandatory`, persistent messages (realtime, section 5.2; channel API, section 9.6).
//!
//! Messages go to the durable topic exchange `image-render.notifications` with the routing key
//! `task.completed.<queue>`, by which the channel's queue is bound; a queue that is bound by `task.completed.#` gets
//! all of them. If the name of a queue is too long, or has a word that topic exchanges take for a pattern (`*`, `#`),
//! the SHA-256 of the name takes its place. A connection declares the exchange and the queue if they do not exist. A
//! user without the permissions for that (RabbitMQ's access control: `configure` on the queue, `write` on it and `read`
//! on the exchange) can still publish: `mandatory` and the confirm show whether the message was routed and accepted.
//! Connections are reused while the environment is warm.

mod connection;
mod receiver;

use domain::amqp_uri::parse_amqp_uri;
use domain::delivery::DeliveryOutcome;
use domain::ssrf::AllowedNetworks;
use time::OffsetDateTime;

use crate::amqp::connection::BrokerConnection;
use crate::message::{AttemptOutcome, Message};
use crate::pool::{ConnectionPool, Slot};

pub use crate::amqp::receiver::{EXCHANGE, ROUTING_KEY, Receiver};

/// Publishes to brokers, over pooled connections.
pub struct BrokerClient {
    allowed: AllowedNetworks,
    connections: ConnectionPool<BrokerConnection>,
}

impl BrokerClient {
    pub fn new(allowed: AllowedNetworks) -> Self {
        Self { allowed, connections: ConnectionPool::default() }
    }

    /// One attempt. If the pooled connection turns out to be dead, a new one is opened, once.
    pub async fn send(&self, to: &Receiver, message: &Message, sent_at: OffsetDateTime) -> AttemptOutcome {
        let call = async |slot: &mut Slot<BrokerConnection>| -> AttemptOutcome {
            if let Some(mut connection) = slot.connection.take().filter(BrokerConnection::is_open) {
                match connection.publish(to, message, sent_at).await {
                    Ok(outcome) => {
                        slot.connection = Some(connection);
                        return outcome.into();
                    }
                    Err(error) if !error.connection_lost => return error.outcome().into(),
                    Err(_) => {}
                }
            }
            // checked before each use: the allowed networks and the address behind a name can change
            let uri = match parse_amqp_uri(&to.url, &self.allowed) {
                Ok(uri) => uri,
                Err(error) => return DeliveryOutcome::Forbidden { why: error.to_string() }.into(),
            };
            let mut connection = match BrokerConnection::open(&uri, to, &self.allowed).await {
                Ok(connection) => connection,
                Err(error) => return error.outcome().into(),
            };
            match connection.publish(to, message, sent_at).await {
                Ok(outcome) => {
                    slot.connection = Some(connection);
                    outcome.into()
                }
                Err(error) => error.outcome().into(),
            }
        };
        self.connections.call(pool_key(to), "confirm", call).await
    }
}

/// A connection is shared by the deliveries to one broker with one login.
fn pool_key(to: &Receiver) -> String {
    domain::id::sha256_hex(format!("{}\n{}\n{}", to.url, to.username, to.password).as_bytes())
}
