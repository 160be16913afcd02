//! WebSocket connections: their subscriptions to topics, the tickets that open them, and the positions of devices.

use aws_sdk_dynamodb::types::ReturnValue;
use domain::AppId;
use domain::notification::Position;
use domain::socket::{Connection, ConnectionUser, MAX_CONNECTION_MS, Subscriber};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{RangeQuery, Table};

/// Rows of connections are kept ten minutes longer than a connection can live.
pub(crate) const RETENTION_SECONDS: i64 = MAX_CONNECTION_MS / 1_000 + 600;
/// A ticket opens one connection within this time (aws, section 2.6).
pub const TICKET_LIFETIME: Duration = Duration::seconds(60);
/// How long an application counts as one with connections after the last of them has subscribed.
const PRESENCE_MS: i64 = MAX_CONNECTION_MS + 1_800_000;
/// The presence is stored again once less than this is left of it.
const PRESENCE_RENEWAL_MS: i64 = MAX_CONNECTION_MS + 600_000;
/// How long a device's position is kept: as long as notifications, 30 days.
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

impl Table {
    /// Stores a connection.
    pub async fn put_connection(&self, connection: &Connection) -> Result<(), TableError> {
        self.put(&Row::Connection(connection.id.clone()), connection, ttl(connection)).await
    }

    /// A connection by its id (API Gateway's).
    pub async fn connection(&self, id: &str) -> Result<Option<Connection>, TableError> {
        self.get(&Row::Connection(id.to_owned())).await
    }

    /// Deletes a connection.
    pub async fn delete_connection(&self, id: &str) -> Result<(), TableError> {
        self.delete(&Row::Connection(id.to_owned())).await.map(drop)
    }

    /// Subscribes a connection to its topics, and stores that its application has connections.
    pub async fn subscribe(&self, connection: &Connection, now: OffsetDateTime) -> Result<(), TableError> {
        let (app, subscriber) = (connection.member.app, connection.subscriber());
        for topic in connection.topics() {
            let row = Row::Subscriber(app, topic, subscriber.key().to_owned());
            self.put(&row, &subscriber, ttl(connection)).await?;
        }
        let (row, now) = (Row::Presence(app), domain::millis(now));
        let presence: Option<PresenceRow> = self.get(&row).await?;
        if presence.is_none_or(|it| it.until < now + PRESENCE_RENEWAL_MS) {
            let until = now + PRESENCE_MS;
            self.put(&row, &PresenceRow { until }, codec::ttl(until / 1_000)).await?;
        }
        Ok(())
    }

    /// Ends all subscriptions of a connection.
    pub async fn unsubscribe(&self, connection: &Connection) -> Result<(), TableError> {
        for topic in connection.topics() {
            self.delete_subscriber(connection.member.app, &topic, connection.subscriber().key()).await?;
        }
        Ok(())
    }

    /// Subscribers of a topic with keys above `after`, at most `limit`. Eventually consistent: a client that misses
    /// something sees it by the sequence numbers.
    pub async fn subscribers(
        &self,
        app: AppId,
        topic: &str,
        after: Option<&str>,
        limit: i32,
    ) -> Result<Vec<Subscriber>, TableError> {
        let partition = keys::subscribers(app, topic);
        let from = after.map_or("!".to_owned(), |it| format!("{it}\u{1}")); // the next possible key
        let range = RangeQuery { partition: &partition, from: &from, to: "~", forward: true, consistent: false, limit };
        self.query_range(range).await?.into_iter().map(|it| codec::decode("receiver", it)).collect()
    }

    /// A subscriber of a topic by its key.
    pub async fn subscriber(&self, app: AppId, topic: &str, key: &str) -> Result<Option<Subscriber>, TableError> {
        self.get(&Row::Subscriber(app, topic.to_owned(), key.to_owned())).await
    }

    /// Ends one subscription.
    pub async fn delete_subscriber(&self, app: AppId, topic: &str, key: &str) -> Result<(), TableError> {
        self.delete(&Row::Subscriber(app, topic.to_owned(), key.to_owned())).await.map(drop)
    }

    /// Until when an application may have connections, in milliseconds since 1970; 0 if it has none.
    pub async fn presence_until(&self, app: AppId) -> Result<i64, TableError> {
        let presence: Option<PresenceRow> = self.get_eventual(&Row::Presence(app)).await?;
        Ok(presence.map_or(0, |it| it.until))
    }

    /// Stores a ticket for a user, by the ticket's SHA-256.
    pub async fn put_ticket(&self, hash: &str, member: &ConnectionUser, now: OffsetDateTime) -> Result<(), TableError> {
        let until = now + TICKET_LIFETIME;
        let ticket = TicketRow { member: member.clone(), until: domain::millis(until) };
        self.put(&Row::Ticket(hash.to_owned()), &ticket, codec::ttl(until.unix_timestamp() + 1)).await
    }

    /// Redeems a ticket: the first caller gets its user, every other one `None`. A guess costs a read and no write.
    pub async fn redeem_ticket(&self, hash: &str, now: OffsetDateTime) -> Result<Option<ConnectionUser>, TableError> {
        let row = Row::Ticket(hash.to_owned());
        if self.get::<TicketRow>(&row).await?.is_none_or(|it| it.until <= domain::millis(now)) {
            return Ok(None);
        }
        let delete = self.delete_item(&row).return_values(ReturnValue::AllOld);
        let response = delete.send().await.map_err(|it| TableError::write(&row, it))?;
        let ticket: Option<TicketRow> = response.attributes.map(|it| codec::decode("ticket", it)).transpose()?;
        Ok(ticket.filter(|it| it.until > domain::millis(now)).map(|it| it.member))
    }

    /// The position that a user's device has acknowledged; `None` if it never did.
    pub async fn device_position(&self, app: AppId, user: &str, device: &str) -> Result<Option<Position>, TableError> {
        self.get(&Row::DevicePosition(app, user.to_owned(), device.to_owned())).await
    }

    /// Stores the position that a user's device has acknowledged.
    pub async fn put_device_position(
        &self,
        app: AppId,
        user: &str,
        device: &str,
        position: Position,
        now: OffsetDateTime,
    ) -> Result<(), TableError> {
        let row = Row::DevicePosition(app, user.to_owned(), device.to_owned());
        self.put(&row, &position, codec::ttl(now.unix_timestamp() + DEVICE_POSITION_RETENTION_SECONDS)).await
    }
}

fn ttl(connection: &Connection) -> Attributes {
    codec::ttl(connection.since / 1_000 + RETENTION_SECONDS)
}
