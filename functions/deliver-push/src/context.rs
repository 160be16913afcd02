//! What the handler works with.

use entry::Queue;
use inbox::connection_sender::ConnectionSender;
use table::Table;

/// Clients that live as long as the execution environment.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) sender: ConnectionSender,
    /// The function's own queue, for further pages and retries.
    pub(crate) queue: Queue,
}
