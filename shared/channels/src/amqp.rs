//! RabbitMQ: publisher confirms, `mandatory`, persistent messages (realtime, section 5.2; channel API, section 9.6).
//!
//! Messages go to the durable topic exchange `image-render.notifications` under `task.completed.<queue>`, which the
//! channel's queue is bound by: whoever else binds `task.completed.#` sees them all. A queue whose name has a word that
//! topic exchanges take for a pattern (`*`, `#`) is bound by the SHA-256 of its name instead, as is one whose name is too
//! long. An exchange or queue that is not there when a connection first needs it is made. A user who may not make or bind
//! (RabbitMQ's access control: `configure` on the queue, `write` on it and `read` on the exchange) publishes all the same:
//! whether it was routed and taken, `mandatory` and the confirm tell. The connection is kept while the environment is warm.

mod connection;

use connection::{BrokerConnection, PublishError};
use domain::amqp_uri::parse_amqp_uri;
use domain::delivery::DeliveryOutcome;
use domain::ssrf::AllowedNetworks;
use guard::ConnectError;
use time::OffsetDateTime;

use crate::message::{AttemptOutcome, Message};
use crate::pool::{ConnectionPool, Slot};

/// The published exchange.
pub const EXCHANGE: &str = "image-render.notifications";
/// What the published routing key begins with.
pub const ROUTING_KEY: &str = "task.completed";

/// Publishes to brokers.
pub struct BrokerClient {
    allowed: AllowedNetworks,
    connections: ConnectionPool<BrokerConnection>,
}

/// A queue, and how to get to it.
pub struct Receiver {
    pub url: String,
    pub username: String,
    pub password: String,
    pub queue: String,
}

impl BrokerClient {
    pub fn new(allowed: AllowedNetworks) -> Self {
        Self { allowed, connections: ConnectionPool::default() }
    }

    /// One attempt. A connection that has died meanwhile is made anew, once.
    pub async fn send(&self, to: &Receiver, message: &Message, sent_at: OffsetDateTime) -> AttemptOutcome {
        let call = async |slot: &mut Slot<BrokerConnection>| -> AttemptOutcome {
            if let Some(mut link) = slot.connection.take().filter(BrokerConnection::is_open) {
                match link.publish(to, message, sent_at).await {
                    Ok(outcome) => {
                        slot.connection = Some(link);
                        return outcome.into();
                    }
                    Err(lost) if !lost.connection_lost => return lost.outcome().into(),
                    Err(_) => {}
                }
            }
            // the address is judged before each use: networks that are allowed can change, and names can move
            let broker = match parse_amqp_uri(&to.url, &self.allowed) {
                Ok(broker) => broker,
                Err(why) => return DeliveryOutcome::Forbidden { why: why.to_string() }.into(),
            };
            let mut link = match BrokerConnection::open(&broker, to, &self.allowed).await {
                Ok(link) => link,
                Err(lost) => return lost.outcome().into(),
            };
            match link.publish(to, message, sent_at).await {
                Ok(outcome) => {
                    slot.connection = Some(link);
                    outcome.into()
                }
                Err(lost) => lost.outcome().into(),
            }
        };
        self.connections.call(pool_key(to), "confirm", call).await
    }
}

/// One connection per broker and login.
fn pool_key(to: &Receiver) -> String {
    domain::id::sha256_hex(format!("{}\n{}\n{}", to.url, to.username, to.password).as_bytes())
}

impl PublishError {
    fn outcome(self) -> DeliveryOutcome {
        match self.cause {
            connection::PublishErrorCause::Wire(ConnectError::Forbidden(it)) => {
                DeliveryOutcome::Forbidden { why: it.to_string() }
            }
            connection::PublishErrorCause::Wire(it) => DeliveryOutcome::Unreachable { why: it.to_string() },
            connection::PublishErrorCause::Broker(why) => DeliveryOutcome::Rejected { why },
            connection::PublishErrorCause::Connection(why) => DeliveryOutcome::Unreachable { why },
        }
    }
}
