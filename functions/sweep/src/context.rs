//! What every step of the sweep works with.

use entry::{DeliveryQueues, ProcessQueues, Queue, QueueDepths};
use table::Table;

/// The table, and the queues that the sweep sends to.
pub(crate) struct Context {
    pub(crate) table: Table,
    /// Scans: `scan`.
    pub(crate) scans: Queue,
    /// Work on asset managers: `iconik-ingest`.
    pub(crate) asset_managers: Queue,
    /// Looks at subscriptions: `billing-sync`.
    pub(crate) billing: Queue,
    /// Processing, by processor: `process`.
    pub(crate) processing: ProcessQueues,
    /// Deliveries, by kind of channel.
    pub(crate) delivery_queues: DeliveryQueues,
    /// Pushes, among them the expiry of notifications: `deliver-push`.
    pub(crate) pushes: Queue,
    /// All queues of work.
    pub(crate) work_queues: QueueDepths,
    /// All queues of dead letters.
    pub(crate) dead_letter_queues: QueueDepths,
    /// What this environment of the function is called among those that run at the same time.
    pub(crate) name: String,
}
