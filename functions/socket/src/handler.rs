//! Events of a WebSocket API: connect, message, disconnect.

use domain::millis;
use domain::socket::{Connection, HubConnection, Protocol};
use entry::websocket::{ConnectOutcome, WebSocketEvent};
use time::OffsetDateTime;

use crate::context::Context;
use crate::error::SocketError;
use crate::{connect, native, oma, signalr};

/// Handles an event of the connection `id`. The outcome matters to `$connect` alone.
pub(crate) async fn handle(
    context: &Context,
    now: OffsetDateTime,
    id: String,
    event: WebSocketEvent,
) -> Result<ConnectOutcome, SocketError> {
    match event {
        WebSocketEvent::Connect { headers, query } => {
            return connect::connect(context, now, id, &headers, &query).await;
        }
        WebSocketEvent::Message(text) => {
            let Some(connection) = context.table.connection(&id).await? else {
                // its rows have expired, or a send has found the connection gone
                context.sender.management.close(&id).await;
                return Ok(ConnectOutcome::Accepted(None));
            };
            match connection.protocol {
                Protocol::Native => native::receive(context, now, &connection, &text).await?,
                Protocol::SignalR => signalr::receive(context, now, &connection, &text).await?,
                Protocol::Oma => oma::receive(context, &connection, &text).await?,
                Protocol::Legacy => {} // legacy clients only receive
            }
        }
        WebSocketEvent::Disconnect => {
            if let Some(connection) = context.table.connection(&id).await? {
                disconnect(context, now, &connection).await?;
            }
        }
    }
    Ok(ConnectOutcome::Accepted(None))
}

/// Deletes a closed connection. A SignalR connection with stateful reconnect stays for the time in which its client may
/// resume it.
async fn disconnect(context: &Context, now: OffsetDateTime, connection: &Connection) -> Result<(), SocketError> {
    if connection.protocol == Protocol::Oma {
        return oma::disconnect(context, connection).await;
    }
    let Some(hash) = &connection.hub else { return Ok(context.sender.unregister(connection).await?) };
    let detach = |hub: &mut HubConnection| {
        let is_carrier = hub.connection.as_ref() == Some(&connection.id);
        if is_carrier {
            hub.detach(millis(now));
        }
        is_carrier
    };
    context.sender.update_hub(hash, detach).await?;
    Ok(context.table.delete_connection(&connection.id).await?)
}
