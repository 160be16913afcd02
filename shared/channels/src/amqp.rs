//! RabbitMQ: publisher confirms, `mandatory`, persistent messages (realtime, section 5.2; channel API, section 9.6).
//!
//! Messages go to the durable topic exchange `image-render.notifications` under `task.completed.<queue>`, which the
//! channel's queue is bound by: whoever else binds `task.completed.#` sees them all. An exchange or queue that is not
//! there is made. The connection is kept while the environment is warm.

mod link;

use std::collections::HashMap;
use std::sync::Arc;

use domain::address::{Allowed, judge_broker};
use domain::delivery::Outcome;
use guard::WireError;
use link::{Link, Lost};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::message::{Message, Sent};

/// The published exchange.
pub const EXCHANGE: &str = "image-render.notifications";
/// What the published routing key begins with.
pub const ROUTING_KEY: &str = "task.completed";

/// Connections that are kept.
const MOST_LINKS: usize = 50;

/// Publishes to brokers.
pub struct Brokers {
    allowed: Allowed,
    links: Mutex<HashMap<String, Arc<Link>>>,
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
        Self { allowed, links: Mutex::default() }
    }

    /// One attempt. A connection that has died meanwhile is made anew, once.
    pub async fn send(&self, to: &Receiver, message: &Message, sent_at: OffsetDateTime) -> Sent {
        let whole = async {
            let (link, kept) = match self.link(to).await {
                Ok(it) => it,
                Err(outcome) => return outcome,
            };
            match link.publish(to, message, sent_at).await {
                Ok(outcome) => outcome,
                Err(lost) => {
                    self.forget(to).await;
                    if !(kept && lost.connection) {
                        return lost.outcome();
                    }
                    match self.link(to).await {
                        Err(outcome) => outcome,
                        Ok((link, _)) => match link.publish(to, message, sent_at).await {
                            Ok(outcome) => outcome,
                            Err(lost) => {
                                self.forget(to).await;
                                lost.outcome()
                            }
                        },
                    }
                }
            }
        };
        match tokio::time::timeout(guard::TOTAL, whole).await {
            Ok(outcome) => outcome.into(),
            Err(_) => {
                self.forget(to).await; // whatever it waits for, nobody waits for it any more
                let why = format!("no confirm within {} seconds", guard::TOTAL.as_secs());
                Outcome::Unreachable { why }.into()
            }
        }
    }

    /// The connection to a broker, and whether it was there before.
    async fn link(&self, to: &Receiver) -> Result<(Arc<Link>, bool), Outcome> {
        // the address is judged before each use: networks that are allowed can change, and names can move
        let broker = judge_broker(&to.url, &self.allowed).map_err(|it| Outcome::Forbidden { why: it.to_string() })?;
        let mut links = self.links.lock().await;
        if let Some(link) = links.get(&name(to)).filter(|it| it.is_open()) {
            return Ok((link.clone(), true));
        }
        let link = Link::open(&broker, to, &self.allowed).await.map_err(|it| it.outcome())?;
        if links.len() >= MOST_LINKS {
            links.clear();
        }
        let link = Arc::new(link);
        links.insert(name(to), link.clone());
        Ok((link, false))
    }

    async fn forget(&self, to: &Receiver) {
        self.links.lock().await.remove(&name(to));
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
