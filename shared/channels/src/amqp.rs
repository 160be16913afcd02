//! RabbitMQ: publisher confirms, `mandatory`, persistent messages (realtime, section 5.2; channel API, section 9.6).
//!
//! Messages go to the durable topic exchange `image-render.notifications` under `task.completed.<queue>`, which the
//! channel's queue is bound by: whoever else binds `task.completed.#` sees them all. A queue whose name has a word that
//! topic exchanges take for a pattern (`*`, `#`) is bound by the SHA-256 of its name instead, as is one whose name is too
//! long. An exchange or queue that is not there when a connection first needs it is made. A user who may not make or bind
//! (RabbitMQ's access control: `configure` on the queue, `write` on it and `read` on the exchange) publishes all the same:
//! whether it was routed and taken, `mandatory` and the confirm tell. The connection is kept while the environment is warm.

mod link;

use domain::address::Allowed;
use domain::broker::judge_broker;
use domain::delivery::Outcome;
use guard::WireError;
use link::{Link, Lost};
use time::OffsetDateTime;

use crate::kept::{Kept, Slot};
use crate::message::{Message, Sent};

/// The published exchange.
pub const EXCHANGE: &str = "image-render.notifications";
/// What the published routing key begins with.
pub const ROUTING_KEY: &str = "task.completed";

/// Publishes to brokers.
pub struct Brokers {
    allowed: Allowed,
    links: Kept<Link>,
}

/// A queue, and how to get to it.
pub struct Receiver {
    pub url: String,
    pub username: String,
    pub password: String,
    pub queue: String,
}

impl Brokers {
    pub fn new(allowed: Allowed) -> Self {
        Self { allowed, links: Kept::default() }
    }

    /// One attempt. A connection that has died meanwhile is made anew, once.
    pub async fn send(&self, to: &Receiver, message: &Message, sent_at: OffsetDateTime) -> Sent {
        let call = async |slot: &mut Slot<Link>| -> Sent {
            if let Some(mut link) = slot.link.take().filter(Link::is_open) {
                match link.publish(to, message, sent_at).await {
                    Ok(outcome) => {
                        slot.link = Some(link);
                        return outcome.into();
                    }
                    Err(lost) if !lost.connection => return lost.outcome().into(),
                    Err(_) => {}
                }
            }
            // the address is judged before each use: networks that are allowed can change, and names can move
            let broker = match judge_broker(&to.url, &self.allowed) {
                Ok(broker) => broker,
                Err(why) => return Outcome::Forbidden { why: why.to_string() }.into(),
            };
            let mut link = match Link::open(&broker, to, &self.allowed).await {
                Ok(link) => link,
                Err(lost) => return lost.outcome().into(),
            };
            match link.publish(to, message, sent_at).await {
                Ok(outcome) => {
                    slot.link = Some(link);
                    outcome.into()
                }
                Err(lost) => lost.outcome().into(),
            }
        };
        self.links.call(name(to), "confirm", call).await
    }
}

/// One connection per broker and login.
fn name(to: &Receiver) -> String {
    domain::id::sha256_hex(format!("{}\n{}\n{}", to.url, to.username, to.password).as_bytes())
}

impl Lost {
    fn outcome(self) -> Outcome {
        match self.why {
            link::Why::Wire(WireError::Forbidden(it)) => Outcome::Forbidden { why: it.to_string() },
            link::Why::Wire(it) => Outcome::Unreachable { why: it.to_string() },
            link::Why::Broker(why) => Outcome::Rejected { why },
            link::Why::Connection(why) => Outcome::Unreachable { why },
        }
    }
}
