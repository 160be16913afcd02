//! What the handler works with.

use entry::Queue;
use inbox::connection_sender::ConnectionSender;
use message_store::Subscribers;
use notification_channel::ChannelSender;
use table::Table;

/// Clients that live as long as the execution environment.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) sender: ConnectionSender,
    pub(crate) channels: ChannelSender,
    pub(crate) subscribers: Subscribers,
    /// The function's own queue, for further pages and retries.
    pub(crate) queue: Queue,
}
