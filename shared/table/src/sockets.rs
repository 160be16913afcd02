//! Sockets: connections, who receives on a channel, tickets, and SignalR connections that outlive their sockets.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::AppId;
use domain::notification::Place;
use domain::socket::{Connection, Hub, LIFETIME_MS, Member, Receiver};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::{Attributes, COUNTED, Put, Range, Row, Table, TableError, codec, keys};

/// Rows of sockets are kept a little longer than a socket can live, in seconds.
const KEPT: i64 = LIFETIME_MS / 1_000 + 600;
/// A ticket opens one socket within this time (AWS, 2.6).
pub const TICKET_KEPT: Duration = Duration::seconds(60);
/// How long an application counts as one with sockets after the last of them connected, and from when on that is said anew.
const PRESENT_MS: i64 = LIFETIME_MS + 1_800_000;
const PRESENT_LEAST_MS: i64 = LIFETIME_MS + 600_000;
/// How long a device's place is kept: as long as what it points into.
const ACKED_KEPT: i64 = 30 * 86_400;

#[derive(Serialize, Deserialize)]
struct Presence {
    until: i64,
}

#[derive(Serialize, Deserialize)]
struct Ticket {
    #[serde(flatten)]
    member: Member,
    until: i64,
}

#[derive(Serialize, Deserialize)]
struct Record {
    number: u64,
    text: String,
}

impl Table {
    /// Stores a socket.
    pub async fn put_connection(&self, it: &Connection) -> Result<(), TableError> {
        self.put(&Row::Socket(it.id.clone()), it, codec::ttl(it.since / 1_000 + KEPT)).await
    }

    pub async fn connection(&self, id: &str) -> Result<Option<Connection>, TableError> {
        self.get(&Row::Socket(id.to_owned())).await
    }

    pub async fn delete_connection(&self, id: &str) -> Result<(), TableError> {
        self.delete(&Row::Socket(id.to_owned())).await.map(drop)
    }

    /// From now on a connection receives on its channels, and its application has sockets.
    pub async fn put_receiver(&self, it: &Connection, now: OffsetDateTime) -> Result<(), TableError> {
        let receiver = it.receiver();
        for channel in it.channels() {
            let row = Row::Receiver(it.member.app, channel, receiver.key().to_owned());
            self.put(&row, &receiver, codec::ttl(it.since / 1_000 + KEPT)).await?;
        }
        let (row, now) = (Row::Presence(it.member.app), domain::millis(now));
        let there: Option<Presence> = self.get(&row).await?;
        if there.is_none_or(|it| it.until < now + PRESENT_LEAST_MS) {
            let until = now + PRESENT_MS;
            self.put(&row, &Presence { until }, codec::ttl(until / 1_000)).await?;
        }
        Ok(())
    }

    /// A connection receives no more.
    pub async fn delete_receiver(&self, it: &Connection) -> Result<(), TableError> {
        for channel in it.channels() {
            self.delete(&Row::Receiver(it.member.app, channel, it.receiver().key().to_owned())).await?;
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
    ) -> Result<Vec<Receiver>, TableError> {
        let partition = keys::receivers(app, channel);
        // the smallest key behind another one is that one with the smallest character
        let from = after.map_or("!".to_owned(), |it| format!("{it}\u{1}"));
        let ask = Range { partition: &partition, from: &from, to: "~", forward: true, consistent: false, limit };
        self.range(ask).await?.into_iter().map(|it| codec::decode("receiver", it)).collect()
    }

    pub async fn receiver(&self, app: AppId, channel: &str, key: &str) -> Result<Option<Receiver>, TableError> {
        self.get(&Row::Receiver(app, channel.to_owned(), key.to_owned())).await
    }

    pub async fn drop_receiver(&self, app: AppId, channel: &str, key: &str) -> Result<(), TableError> {
        self.delete(&Row::Receiver(app, channel.to_owned(), key.to_owned())).await.map(drop)
    }

    /// Until when an application has sockets, in milliseconds; 0 if it has none.
    pub async fn sockets_until(&self, app: AppId) -> Result<i64, TableError> {
        let there: Option<Presence> = self.get_soon(&Row::Presence(app)).await?;
        Ok(there.map_or(0, |it| it.until))
    }

    /// Stores a ticket by its SHA-256.
    pub async fn put_ticket(&self, hash: &str, member: &Member, now: OffsetDateTime) -> Result<(), TableError> {
        let until = now + TICKET_KEPT;
        let ticket = Ticket { member: member.clone(), until: domain::millis(until) };
        self.put(&Row::Ticket(hash.to_owned()), &ticket, codec::ttl(until.unix_timestamp() + 1)).await
    }

    /// Takes a ticket: the first who asks gets it. A guess is a read, and no write.
    pub async fn take_ticket(&self, hash: &str, now: OffsetDateTime) -> Result<Option<Member>, TableError> {
        let row = Row::Ticket(hash.to_owned());
        if self.get::<Ticket>(&row).await?.is_none_or(|it| it.until <= domain::millis(now)) {
            return Ok(None);
        }
        let (pk, sk) = row.key();
        let delete = self.client.delete_item().table_name(&self.name).return_consumed_capacity(COUNTED);
        let delete = delete.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk));
        let answer =
            delete.return_values(ReturnValue::AllOld).send().await.map_err(|it| TableError::write(&row, it))?;
        let ticket: Option<Ticket> = answer.attributes.map(|it| codec::decode("ticket", it)).transpose()?;
        Ok(ticket.filter(|it| it.until > domain::millis(now)).map(|it| it.member))
    }

    /// A SignalR connection by the SHA-256 of its token.
    pub async fn hub(&self, hash: &str) -> Result<Option<Hub>, TableError> {
        self.get(&Row::Hub(hash.to_owned())).await
    }

    pub async fn put_new_hub(&self, hash: &str, hub: &Hub) -> Result<(), TableError> {
        self.put(&Row::Hub(hash.to_owned()), hub, codec::ttl(hub.at / 1_000 + KEPT)).await
    }

    /// Stores a SignalR connection that was made from the one of the revision before; `false` if others were faster.
    pub async fn put_hub(&self, hash: &str, hub: &Hub) -> Result<bool, TableError> {
        let row = Row::Hub(hash.to_owned());
        let put = self.client.put_item().table_name(&self.name).return_consumed_capacity(COUNTED);
        let put = put
            .set_item(Some(codec::encode(&row, hub, codec::ttl(hub.at / 1_000 + KEPT))?))
            .condition_expression("revision = :before")
            .expression_attribute_values(":before", AttributeValue::N((hub.revision - 1).to_string()));
        match put.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            // also on our own write, when its answer was lost and the SDK tried again
            Err(it) if it.is_conditional_check_failed_exception() => {
                Ok(self.hub(hash).await?.is_some_and(|there| there == *hub))
            }
            Err(source) => Err(TableError::write(&row, source)),
        }
    }

    pub async fn delete_hub(&self, hash: &str) -> Result<(), TableError> {
        self.delete(&Row::Hub(hash.to_owned())).await.map(drop)
    }

    /// Keeps a record for a SignalR client until it is acknowledged, under the next number behind `sent`.
    pub async fn append_record(
        &self,
        hash: &str,
        text: &str,
        sent: u64,
        write_id: &str,
        now: OffsetDateTime,
    ) -> Result<u64, TableError> {
        for attempt in 0..crate::streams::TRIES {
            let number = self.last_record(hash).await?.max(sent) + 1;
            let row = Row::HubRecord(hash.to_owned(), number);
            let record = Record { number, text: text.to_owned() };
            let ttl = codec::ttl(now.unix_timestamp() + KEPT);
            if self.put_new(&row, &record, write_id, ttl).await? == Put::Stored {
                return Ok(number);
            }
            crate::streams::yield_to_others(attempt).await;
        }
        Err(TableError::conflict(&Row::HubRecord(hash.to_owned(), 0)))
    }

    async fn last_record(&self, hash: &str) -> Result<u64, TableError> {
        let partition = keys::hub(hash);
        // digits sort before the letters of the connection's own row
        let ask = Range { partition: &partition, from: "0", to: "9~", forward: false, consistent: true, limit: 1 };
        let Some(row) = self.range(ask).await?.pop() else { return Ok(0) };
        codec::decode::<Record>("hub-record", row).map(|it| it.number)
    }

    /// Records for a SignalR client behind a number, oldest first, at most 100.
    pub async fn records(&self, hash: &str, after: u64) -> Result<Vec<(u64, String)>, TableError> {
        let (partition, from) = (keys::hub(hash), keys::number(after + 1));
        let ask = Range { partition: &partition, from: &from, to: "9~", forward: true, consistent: true, limit: 100 };
        let read = |it: Attributes| codec::decode::<Record>("hub-record", it).map(|it| (it.number, it.text));
        self.range(ask).await?.into_iter().map(read).collect()
    }

    /// How far a device of a user has come; `None` if it never said so.
    pub async fn acked(&self, app: AppId, user: &str, device: &str) -> Result<Option<Place>, TableError> {
        self.get(&Row::Acked(app, user.to_owned(), device.to_owned())).await
    }

    pub async fn put_acked(
        &self,
        app: AppId,
        user: &str,
        device: &str,
        place: Place,
        now: OffsetDateTime,
    ) -> Result<(), TableError> {
        let row = Row::Acked(app, user.to_owned(), device.to_owned());
        self.put(&row, &place, codec::ttl(now.unix_timestamp() + ACKED_KEPT)).await
    }
}
