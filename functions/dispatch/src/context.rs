//! What every step of `dispatch` works with.

use entry::{DeliveryQueues, ProcessQueues, Queue};
use inbox::presence::Presence;
use table::Table;

/// The table, the queues and the cache of one execution environment.
pub(crate) struct Context {
    pub(crate) table: Table,
    /// Processing, by processor: `process`.
    pub(crate) processing: ProcessQueues,
    /// Deliveries, by kind of channel.
    pub(crate) delivery_queues: DeliveryQueues,
    /// Pushes to WebSocket connections: `deliver-push`.
    pub(crate) pushes: Queue,
    /// Image tasks: `render-image`.
    pub(crate) renders: Queue,
    /// Which applications have connections.
    pub(crate) presence: Presence,
    /// The dead letters of this function.
    pub(crate) dead_letters: Queue,
}
