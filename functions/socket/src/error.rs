//! Failures of the function itself. What a client does wrong, it gets as a message.

use entry::http::AuthError;
use entry::queue::QueueError;
use notification_channel::{ChannelError, TokenError};
use table::TableError;

/// Why an event of a socket could not be handled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Auth(#[from] AuthError),
}
