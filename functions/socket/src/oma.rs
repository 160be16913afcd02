//! The sockets of OMA's notification channels (NC 5.3.16 to 5.3.18, App. I).

use axum::http::HeaderMap;
use domain::millis;
use domain::notification_channel::{ChannelType, NotificationChannel, NotificationChannelId};
use domain::socket::{Connection, ConnectionUser, Protocol};
use entry::clock;
use entry::websocket::ConnectOutcome;
use inbox::connection_sender::SendOutcome;
use notification_channel::{Purpose, WEBSOCKET_SUBPROTOCOL};
use oma::{ConnAck, Document, Format};
use time::OffsetDateTime;

use crate::context::Context;
use crate::credentials::offered_subprotocols;
use crate::error::SocketError;

/// Opens the socket of a channel: by the token of its `channelURL`, and with the subprotocol, which a client must offer. The
/// newest socket is the channel's only one.
pub(crate) async fn connect(
    context: &Context,
    now: OffsetDateTime,
    connection: String,
    headers: &HeaderMap,
    token: &str,
) -> Result<ConnectOutcome, SocketError> {
    if !offered_subprotocols(headers).any(|it| it == WEBSOCKET_SUBPROTOCOL) {
        return Ok(ConnectOutcome::Rejected(400));
    }
    let now = millis(now);
    let table = &context.table;
    let Some(id) = context.channel_urls.verify(table, token, Purpose::Channel).await? else {
        return Ok(ConnectOutcome::Rejected(404));
    };
    let found = table.notification_channel(&id, now).await?;
    if found.is_none_or(|it| it.channel_type != ChannelType::WebSockets) {
        return Ok(ConnectOutcome::Rejected(404));
    }
    let member = ConnectionUser::new(id.app, id.user.clone(), Vec::new());
    let (protocol, channel) = (Protocol::Oma, Some(id.number));
    let stored = Connection { id: connection.clone(), member, protocol, since: now, hub: None, channel };
    table.put_connection(&stored).await?;
    let mut replaced = None;
    let attach = |it: &mut NotificationChannel| {
        replaced = it.connection.replace(connection.clone());
        it.sender = None;
        it.refresh(it.granted, now);
    };
    if table.change_notification_channel(&id, now, attach).await?.is_none() {
        table.delete_connection(&connection).await?;
        return Ok(ConnectOutcome::Rejected(404));
    }
    if let Some(old) = replaced {
        context.sender.management.close(&old).await;
        table.delete_connection(&old).await?;
    }
    // read after the socket is attached: whoever puts something on the channel from now on sees the socket
    if table.notification_channel(&id, now).await?.is_some_and(|it| it.queued > 0) {
        // the socket is open once this is answered
        context.channel_sender.flush_later(&id, 1).await?;
    }
    Ok(ConnectOutcome::Accepted(Some(WEBSOCKET_SUBPROTOCOL.to_owned())))
}

/// Takes a message of a client: a check of the connection is answered and refreshes the channel (NC 5.3.16), and so does the
/// answer to a check of ours (NC 5.3.17). Anything else says nothing.
pub(crate) async fn receive(context: &Context, connection: &Connection, text: &str) -> Result<(), SocketError> {
    let Some(id) = channel_of(connection) else { return Ok(()) };
    let now = millis(clock::now());
    let Some(channel) = context.table.notification_channel(&id, now).await? else {
        context.sender.management.close(&connection.id).await; // its lifetime is over
        return Ok(());
    };
    let format = if text.trim_start().starts_with('<') { Format::Xml } else { Format::Json };
    let roots = &["connCheck", "connAck"];
    let read = match format {
        Format::Xml => oma::read_xml(text.as_bytes(), roots),
        Format::Json => oma::read_json(text.as_bytes(), roots),
    };
    let is_current = channel.connection.as_ref() == Some(&connection.id);
    let lifetime = match read.as_ref().map(|it| it.root.as_str()) {
        Ok("connCheck") => answer_check(context, connection, channel.granted, format).await.then_some(channel.granted),
        Ok("connAck") => channel.offered_lifetime,
        _ => None,
    };
    if let Some(lifetime) = lifetime.filter(|_| is_current) {
        let refresh = |it: &mut NotificationChannel| {
            it.refresh(lifetime, now);
            it.offered_lifetime = None;
        };
        context.table.change_notification_channel(&id, now, refresh).await?;
    }
    Ok(context.channel_sender.flush_or_retry(&id, 0).await?)
}

/// Answers a check of a client; `false` if the answer could not be sent.
async fn answer_check(context: &Context, connection: &Connection, lifetime: u64, format: Format) -> bool {
    let Ok(answer) = Document::new("connAck", &ConnAck { channel_lifetime: Some(lifetime) }) else { return false };
    let sent = context.sender.post_to_connection(&connection.id, &[oma::write(&answer, format)]).await;
    sent == SendOutcome::Accepted
}

/// Forgets a closed socket. The channel, and what waits in it, stays.
pub(crate) async fn disconnect(context: &Context, connection: &Connection) -> Result<(), SocketError> {
    context.table.delete_connection(&connection.id).await?;
    let Some(id) = channel_of(connection) else { return Ok(()) };
    let now = millis(clock::now());
    let current = context.table.notification_channel(&id, now).await?.and_then(|it| it.connection);
    if current.as_ref() != Some(&connection.id) {
        return Ok(());
    }
    let detach = |it: &mut NotificationChannel| {
        if it.connection.as_ref() == Some(&connection.id) {
            it.connection = None;
        }
    };
    context.table.change_notification_channel(&id, now, detach).await?;
    Ok(())
}

fn channel_of(connection: &Connection) -> Option<NotificationChannelId> {
    let (app, user) = (connection.member.app, connection.member.user.clone());
    connection.channel.map(|number| NotificationChannelId { app, user, number })
}
