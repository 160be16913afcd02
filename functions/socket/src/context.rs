//! What the handler works with.

use std::sync::Arc;

use entry::http::{Authenticator, OriginAllowlist};
use entry::{Queue, TtlCache};
use inbox::connection_sender::ConnectionSender;
use notification_channel::{ChannelSender, ChannelUrls};
use table::Table;

/// Clients and caches that live as long as the execution environment.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) authenticator: Authenticator,
    /// Origins of web pages that may open sockets, by application.
    pub(crate) allowed_origins: Arc<OriginAllowlist>,
    pub(crate) sender: ConnectionSender,
    pub(crate) push_queue: Queue,
    /// The URLs of notification channels, and what waits in them.
    pub(crate) channel_urls: ChannelUrls,
    pub(crate) channel_sender: ChannelSender,
    /// SignalR connections that were sent the heads of their streams within the last interval.
    pub(crate) heads_sent: TtlCache<String, ()>,
    /// Whether legacy sockets need no credentials (`INBOX_AUTH=open`).
    pub(crate) open_inbox: bool,
}
