//! An event of a socket: somebody wants in, says something, or is gone.

use std::sync::Arc;

use domain::millis;
use domain::socket::{Connection, Protocol};
use entry::http::{Callers, Listed, Unknown};
use entry::queue::NotQueued;
use entry::socket::{Door, Happened};
use entry::{Queue, Remembered};
use inbox::sending::Lines;
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::{connect, native, signalr};

/// What the handler works with.
pub(crate) struct Parts {
    pub(crate) table: Table,
    pub(crate) callers: Callers,
    /// Pages that may open sockets.
    pub(crate) pages: Arc<Listed>,
    pub(crate) lines: Lines,
    pub(crate) pushes: Queue,
    /// Connections that were told a while ago where their streams stand.
    pub(crate) looked: Remembered<String, ()>,
    /// Whether the seed's sockets need no credentials (`INBOX_AUTH=open`).
    pub(crate) open: bool,
}

/// Our own failure. What a client does wrong, it is told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Queue(#[from] NotQueued),
    #[error(transparent)]
    Credentials(#[from] Unknown),
}

pub(crate) async fn handle(
    parts: &Parts,
    now: OffsetDateTime,
    id: String,
    happened: Happened,
) -> Result<Door, Trouble> {
    match happened {
        Happened::Connect { headers, query } => return connect::connect(parts, now, id, &headers, &query).await,
        Happened::Message(text) => {
            let Some(connection) = parts.table.connection(&id).await? else {
                // its rows have expired, or it was taken for dead
                parts.lines.posts.close(&id).await;
                return Ok(Door::Open(None));
            };
            match connection.protocol {
                Protocol::Native => native::take(parts, now, &connection, &text).await?,
                Protocol::SignalR => signalr::take(parts, now, &connection, &text).await?,
                Protocol::Seed => {} // its clients only listen
            }
        }
        Happened::Disconnect => {
            if let Some(connection) = parts.table.connection(&id).await? {
                left(parts, now, &connection).await?;
            }
        }
    }
    Ok(Door::Open(None))
}

/// A socket is closed. A SignalR connection that its client may take up again stays for that time.
async fn left(parts: &Parts, now: OffsetDateTime, connection: &Connection) -> Result<(), Trouble> {
    let Some(hash) = &connection.hub else { return Ok(parts.lines.forget(connection).await?) };
    let carried = |it: &mut domain::socket::Hub| {
        let ours = it.connection.as_ref() == Some(&connection.id);
        if ours {
            it.detach(millis(now));
        }
        ours
    };
    parts.lines.change(hash, carried).await?;
    Ok(parts.table.delete_connection(&connection.id).await?)
}
