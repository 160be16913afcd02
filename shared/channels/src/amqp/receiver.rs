//! What a message is published to.

/// The exchange of the published API.
pub const EXCHANGE: &str = "image-render.notifications";
/// The beginning of every routing key; the queue's name follows.
pub const ROUTING_KEY: &str = "task.completed";

/// A queue, and how to reach its broker.
pub struct Receiver {
    /// An AMQP URI.
    pub url: String,
    pub username: String,
    pub password: String,
    pub queue: String,
}
