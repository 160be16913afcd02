//! Sockets: connections, who receives on a channel, tickets, and SignalR connections that outlive their sockets.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::AppId;
use domain::notification::Position;
use domain::socket::{Connection, ConnectionUser, HubConnection, MAX_CONNECTION_MS, Subscriber};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::{Attributes, CAPACITY, PutOutcome, RangeQuery, Row, Table, TableError, codec, keys};

/// Rows of sockets are kept a little longer than a socket can live, in seconds.
const RETENTION_SECONDS: i64 = MAX_CONNECTION_MS / 1_000 + 600;
/// A ticket opens one socket within this time (AWS, 2.6).
pub const TICKET_LIFETIME: Duration = Duration::seconds(60);
/// How long an application counts as one with sockets after the last of them connected, and from when on that is said anew.
const PRESENCE_MS: i64 = MAX_CONNECTION_MS + 1_800_000;
const PRESENCE_RENEWAL_MS: i64 = MAX_CONNECTION_MS + 600_000;
/// How long a device's place is kept: as long as what it points into.
const DEVICE_POSITION_RETENTION_SECONDS: i64 = 30 * 86_400;

#[derive(Serialize, Deserialize)]
struct PresenceRow {
    until: i64,
}

#[derive(Serialize, Deserialize)]
struct TicketRow {
    #[serde(flatten)]
    member: ConnectionUser,
    until: i64,
}

#[derive(Serialize, Deserialize)]
struct HubMessageRow {
    number: u64,
    text: String,
}

impl Table {
    /// Stores a socket.
    pub async fn put_connection(&self, it: &Connection) -> Result<(), TableError> {
        self.put(&Row::Connection(it.id.clone()), it, codec::ttl(it.since / 1_000 + RETENTION_SECONDS)).await
    }

    pub async fn connection(&self, id: &str) -> Result<Option<Connection>, TableError> {
        self.get(&Row::Connection(id.to_owned())).await
    }

    pub async fn delete_connection(&self, id: &str) -> Result<(), TableError> {
        self.delete(&Row::Connection(id.to_owned())).await.map(drop)
    }

    /// From now on a connection receives on its channels, and its application has sockets.
    pub async fn subscribe(&self, it: &Connection, now: OffsetDateTime) -> Result<(), TableError> {
        let receiver = it.subscriber();
        for channel in it.topics() {
            let row = Row::Subscriber(it.member.app, channel, receiver.key().to_owned());
            self.put(&row, &receiver, codec::ttl(it.since / 1_000 + RETENTION_SECONDS)).await?;
        }
        let (row, now) = (Row::Presence(it.member.app), domain::millis(now));
        let there: Option<PresenceRow> = self.get(&row).await?;
        if there.is_none_or(|it| it.until < now + PRESENCE_RENEWAL_MS) {
            let until = now + PRESENCE_MS;
            self.put(&row, &PresenceRow { until }, codec::ttl(until / 1_000)).await?;
        }
        Ok(())
    }

    /// A connection receives no more.
    pub async fn unsubscribe(&self, it: &Connection) -> Result<(), TableError> {
        for channel in it.topics() {
            self.delete(&Row::Subscriber(it.member.app, channel, it.subscriber().key().to_owned())).await?;
        }
        Ok(())
    }

    /// Receivers of a channel behind `after`, at most `limit`. A read that may be a moment old: what it misses, the
    /// receiver sees by the sequence numbers.
    pub async fn receivers(
        &self,
        app: AppId,
        channel: &str,
        after: Option<&str>,
        limit: i32,
    ) -> Result<Vec<Subscriber>, TableError> {
        let partition = keys::subscribers(app, channel);
        // the smallest key behind another one is that one with the smallest character
        let from = after.map_or("!".to_owned(), |it| format!("{it}\u{1}"));
        let ask = RangeQuery { partition: &partition, from: &from, to: "~", forward: true, consistent: false, limit };
        self.query_range(ask).await?.into_iter().map(|it| codec::decode("receiver", it)).collect()
    }

    pub async fn subscriber(&self, app: AppId, channel: &str, key: &str) -> Result<Option<Subscriber>, TableError> {
        self.get(&Row::Subscriber(app, channel.to_owned(), key.to_owned())).await
    }

    pub async fn delete_subscriber(&self, app: AppId, channel: &str, key: &str) -> Result<(), TableError> {
        self.delete(&Row::Subscriber(app, channel.to_owned(), key.to_owned())).await.map(drop)
    }

    /// Until when an application has sockets, in milliseconds; 0 if it has none.
    pub async fn presence_until(&self, app: AppId) -> Result<i64, TableError> {
        let there: Option<PresenceRow> = self.get_eventual(&Row::Presence(app)).await?;
        Ok(there.map_or(0, |it| it.until))
    }

    /// Stores a ticket by its SHA-256.
    pub async fn put_ticket(&self, hash: &str, member: &ConnectionUser, now: OffsetDateTime) -> Result<(), TableError> {
        let until = now + TICKET_LIFETIME;
        let ticket = TicketRow { member: member.clone(), until: domain::millis(until) };
        self.put(&Row::Ticket(hash.to_owned()), &ticket, codec::ttl(until.unix_timestamp() + 1)).await
    }

    /// Takes a ticket: the first who asks gets it. A guess is a read, and no write.
    pub async fn redeem_ticket(&self, hash: &str, now: OffsetDateTime) -> Result<Option<ConnectionUser>, TableError> {
        let row = Row::Ticket(hash.to_owned());
        if self.get::<TicketRow>(&row).await?.is_none_or(|it| it.until <= domain::millis(now)) {
            return Ok(None);
        }
        let (pk, sk) = row.key();
        let delete = self.client.delete_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let delete = delete.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk));
        let answer =
            delete.return_values(ReturnValue::AllOld).send().await.map_err(|it| TableError::write(&row, it))?;
        let ticket: Option<TicketRow> = answer.attributes.map(|it| codec::decode("ticket", it)).transpose()?;
        Ok(ticket.filter(|it| it.until > domain::millis(now)).map(|it| it.member))
    }

    /// A SignalR connection by the SHA-256 of its token.
    pub async fn hub_connection(&self, hash: &str) -> Result<Option<HubConnection>, TableError> {
        self.get(&Row::HubConnection(hash.to_owned())).await
    }

    pub async fn create_hub_connection(&self, hash: &str, hub: &HubConnection) -> Result<(), TableError> {
        self.put(&Row::HubConnection(hash.to_owned()), hub, codec::ttl(hub.at / 1_000 + RETENTION_SECONDS)).await
    }

    /// Stores a SignalR connection that was made from the one of the revision before; `false` if others were faster.
    pub async fn put_hub_connection(&self, hash: &str, hub: &HubConnection) -> Result<bool, TableError> {
        let row = Row::HubConnection(hash.to_owned());
        let put = self.client.put_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let put = put
            .set_item(Some(codec::encode(&row, hub, codec::ttl(hub.at / 1_000 + RETENTION_SECONDS))?))
            .condition_expression("revision = :before")
            .expression_attribute_values(":before", AttributeValue::N((hub.revision - 1).to_string()));
        match put.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            // also on our own write, when its answer was lost and the SDK tried again
            Err(it) if it.is_conditional_check_failed_exception() => {
                Ok(self.hub_connection(hash).await?.is_some_and(|there| there == *hub))
            }
            Err(source) => Err(TableError::write(&row, source)),
        }
    }

    pub async fn delete_hub_connection(&self, hash: &str) -> Result<(), TableError> {
        self.delete(&Row::HubConnection(hash.to_owned())).await.map(drop)
    }

    /// Keeps a record for a SignalR client until it is acknowledged, under the next number behind `sent`.
    pub async fn append_hub_message(
        &self,
        hash: &str,
        text: &str,
        sent: u64,
        write_id: &str,
        now: OffsetDateTime,
    ) -> Result<u64, TableError> {
        for attempt in 0..crate::streams::MAX_ATTEMPTS {
            let number = self.last_hub_message(hash).await?.max(sent) + 1;
            let row = Row::HubMessage(hash.to_owned(), number);
            let record = HubMessageRow { number, text: text.to_owned() };
            let ttl = codec::ttl(now.unix_timestamp() + RETENTION_SECONDS);
            if self.put_new(&row, &record, write_id, ttl).await? == PutOutcome::Stored {
                return Ok(number);
            }
            crate::streams::back_off(attempt).await;
        }
        Err(TableError::conflict(&Row::HubMessage(hash.to_owned(), 0)))
    }

    async fn last_hub_message(&self, hash: &str) -> Result<u64, TableError> {
        let partition = keys::hub_connection(hash);
        // digits sort before the letters of the connection's own row
        let ask = RangeQuery { partition: &partition, from: "0", to: "9~", forward: false, consistent: true, limit: 1 };
        let Some(row) = self.query_range(ask).await?.pop() else { return Ok(0) };
        codec::decode::<HubMessageRow>("hub-record", row).map(|it| it.number)
    }

    /// Records for a SignalR client behind a number, oldest first, at most 100.
    pub async fn hub_messages(&self, hash: &str, after: u64) -> Result<Vec<(u64, String)>, TableError> {
        let (partition, from) = (keys::hub_connection(hash), keys::sequence_key(after + 1));
        let ask =
            RangeQuery { partition: &partition, from: &from, to: "9~", forward: true, consistent: true, limit: 100 };
        let read = |it: Attributes| codec::decode::<HubMessageRow>("hub-record", it).map(|it| (it.number, it.text));
        self.query_range(ask).await?.into_iter().map(read).collect()
    }

    /// How far a device of a user has come; `None` if it never said so.
    pub async fn device_position(&self, app: AppId, user: &str, device: &str) -> Result<Option<Position>, TableError> {
        self.get(&Row::DevicePosition(app, user.to_owned(), device.to_owned())).await
    }

    pub async fn put_device_position(
        &self,
        app: AppId,
        user: &str,
        device: &str,
        place: Position,
        now: OffsetDateTime,
    ) -> Result<(), TableError> {
        let row = Row::DevicePosition(app, user.to_owned(), device.to_owned());
        self.put(&row, &place, codec::ttl(now.unix_timestamp() + DEVICE_POSITION_RETENTION_SECONDS)).await
    }
}
