//! An event of a socket: somebody wants in, says something, or is gone.

use std::sync::Arc;

use domain::millis;
use domain::socket::{Connection, Protocol};
use entry::http::{AuthError, Authenticator, OriginAllowlist};
use entry::queue::QueueError;
use entry::websocket::{ConnectOutcome, WebSocketEvent};
use entry::{Queue, TtlCache};
use inbox::connection_sender::ConnectionSender;
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::{connect, native, signalr};

/// What the handler works with.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) callers: Authenticator,
    /// Pages that may open sockets.
    pub(crate) pages: Arc<OriginAllowlist>,
    pub(crate) sender: ConnectionSender,
    pub(crate) push_queue: Queue,
    /// Connections that were told a while ago where their streams stand.
    pub(crate) heads_sent: TtlCache<String, ()>,
    /// Whether the seed's sockets need no credentials (`INBOX_AUTH=open`).
    pub(crate) open_inbox: bool,
}

/// Our own failure. What a client does wrong, it is told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Credentials(#[from] AuthError),
}

pub(crate) async fn handle(
    parts: &Context,
    now: OffsetDateTime,
    id: String,
    happened: WebSocketEvent,
) -> Result<ConnectOutcome, SocketError> {
    match happened {
        WebSocketEvent::Connect { headers, query } => return connect::connect(parts, now, id, &headers, &query).await,
        WebSocketEvent::Message(text) => {
            let Some(connection) = parts.table.connection(&id).await? else {
                // its rows have expired, or it was taken for dead
                parts.sender.management.close(&id).await;
                return Ok(ConnectOutcome::Accepted(None));
            };
            match connection.protocol {
                Protocol::Native => native::receive(parts, now, &connection, &text).await?,
                Protocol::SignalR => signalr::receive(parts, now, &connection, &text).await?,
                Protocol::Seed => {} // its clients only listen
            }
        }
        WebSocketEvent::Disconnect => {
            if let Some(connection) = parts.table.connection(&id).await? {
                disconnected(parts, now, &connection).await?;
            }
        }
    }
    Ok(ConnectOutcome::Accepted(None))
}

/// A socket is closed. A SignalR connection that its client may take up again stays for that time.
async fn disconnected(parts: &Context, now: OffsetDateTime, connection: &Connection) -> Result<(), SocketError> {
    let Some(hash) = &connection.hub else { return Ok(parts.sender.unregister(connection).await?) };
    let carried = |it: &mut domain::socket::HubConnection| {
        let ours = it.connection.as_ref() == Some(&connection.id);
        if ours {
            it.detach(millis(now));
        }
        ours
    };
    parts.sender.update_hub(hash, carried).await?;
    Ok(parts.table.delete_connection(&connection.id).await?)
}
