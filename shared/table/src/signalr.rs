//! SignalR connections, which outlive their sockets, and the hub messages that their clients have not acknowledged
//! (SignalR, stateful reconnect).

use aws_sdk_dynamodb::types::AttributeValue;
use domain::socket::HubConnection;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::connections::RETENTION_SECONDS;
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::streams::{MAX_ATTEMPTS, back_off};
use crate::table::{PutOutcome, RangeQuery, Table, condition_held};

#[derive(Serialize, Deserialize)]
struct HubMessageRow {
    number: u64,
    text: String,
}

impl Table {
    /// A SignalR connection by the SHA-256 of its token.
    pub async fn hub_connection(&self, hash: &str) -> Result<Option<HubConnection>, TableError> {
        self.get(&Row::HubConnection(hash.to_owned())).await
    }

    /// Stores a new SignalR connection.
    pub async fn create_hub_connection(&self, hash: &str, connection: &HubConnection) -> Result<(), TableError> {
        self.put(
            &Row::HubConnection(hash.to_owned()),
            connection,
            codec::ttl(connection.at / 1_000 + RETENTION_SECONDS),
        )
        .await
    }

    /// Stores the next revision of a SignalR connection; `false` if another revision was stored meanwhile.
    pub async fn put_hub_connection(&self, hash: &str, connection: &HubConnection) -> Result<bool, TableError> {
        let row = Row::HubConnection(hash.to_owned());
        let ttl = codec::ttl(connection.at / 1_000 + RETENTION_SECONDS);
        let put = self
            .put_item()
            .set_item(Some(codec::encode(&row, connection, ttl)?))
            .condition_expression("revision = :before")
            .expression_attribute_values(":before", AttributeValue::N((connection.revision - 1).to_string()));
        // the condition also fails on our own write, when its answer was lost and the SDK tried again
        Ok(condition_held(&row, put.send().await)? || self.hub_connection(hash).await?.as_ref() == Some(connection))
    }

    /// Deletes a SignalR connection.
    pub async fn delete_hub_connection(&self, hash: &str) -> Result<(), TableError> {
        self.delete(&Row::HubConnection(hash.to_owned())).await.map(drop)
    }

    /// Stores a hub message until its client acknowledges it, and returns its number: the next one, above `sent`.
    ///
    /// # Errors
    /// `Conflict` if other writers were faster in every try.
    pub async fn append_hub_message(
        &self,
        hash: &str,
        text: &str,
        sent: u64,
        write_id: &str,
        now: OffsetDateTime,
    ) -> Result<u64, TableError> {
        for attempt in 0..MAX_ATTEMPTS {
            let number = self.last_hub_message(hash).await?.max(sent) + 1;
            let row = Row::HubMessage(hash.to_owned(), number);
            let message = HubMessageRow { number, text: text.to_owned() };
            let ttl = codec::ttl(now.unix_timestamp() + RETENTION_SECONDS);
            if self.put_new(&row, &message, write_id, ttl).await? == PutOutcome::Stored {
                return Ok(number);
            }
            back_off(attempt).await;
        }
        Err(TableError::conflict(&Row::HubMessage(hash.to_owned(), 0)))
    }

    /// The number of the newest stored message; 0 if there is none.
    async fn last_hub_message(&self, hash: &str) -> Result<u64, TableError> {
        let partition = keys::hub_connection(hash);
        // digits sort before the letters of the connection's own row
        let range =
            RangeQuery { partition: &partition, from: "0", to: "9~", forward: false, consistent: true, limit: 1 };
        let Some(row) = self.query_range(range).await?.pop() else { return Ok(0) };
        codec::decode::<HubMessageRow>("hub-record", row).map(|it| it.number)
    }

    /// Hub messages with numbers above `after`, as pairs of number and text, oldest first, at most 100.
    pub async fn hub_messages(&self, hash: &str, after: u64) -> Result<Vec<(u64, String)>, TableError> {
        let (partition, from) = (keys::hub_connection(hash), keys::sequence_key(after + 1));
        let range =
            RangeQuery { partition: &partition, from: &from, to: "9~", forward: true, consistent: true, limit: 100 };
        let decode = |row: Attributes| codec::decode::<HubMessageRow>("hub-record", row).map(|it| (it.number, it.text));
        self.query_range(range).await?.into_iter().map(decode).collect()
    }
}
