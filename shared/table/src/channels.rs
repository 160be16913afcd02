//! Channels, and the health of their receivers.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use domain::channel::Channel;
use domain::circuit_breaker::ChannelHealth;
use domain::notification::NewNotification;
use domain::{AppId, ChannelId};
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::commit::CommitOutcome;
use crate::error::TableError;
use crate::keys::Row;
use crate::table::{IF_REVISION, PutOutcome, Table, condition_held, revision_before};

impl Table {
    /// Stores a new channel.
    pub async fn put_channel(&self, channel: &Channel) -> Result<PutOutcome, TableError> {
        self.put_new(&Row::Channel(channel.app, channel.id), channel, &channel.id.to_string(), Attributes::new()).await
    }

    /// A channel by its id.
    pub async fn channel(&self, app: AppId, id: ChannelId) -> Result<Option<Channel>, TableError> {
        self.get(&Row::Channel(app, id)).await
    }

    /// All channels of an application, by id.
    pub async fn channels(&self, app: AppId) -> Result<Vec<Channel>, TableError> {
        self.query_by_prefix(app, "CHANNEL", "channel").await
    }

    /// Deletes a channel; `false` if it did not exist.
    pub async fn delete_channel(&self, app: AppId, id: ChannelId) -> Result<bool, TableError> {
        self.delete(&Row::Channel(app, id)).await
    }

    /// Replaces a channel; `false` if it was deleted.
    pub async fn replace_channel(&self, channel: &Channel) -> Result<bool, TableError> {
        self.replace(&Row::Channel(channel.app, channel.id), channel, Attributes::new()).await
    }

    /// The health of a channel's receiver. A healthy one has no row. Eventually consistent.
    pub async fn health(&self, app: AppId, id: ChannelId) -> Result<ChannelHealth, TableError> {
        Ok(self.get_eventual(&Row::Health(app, id)).await?.unwrap_or_default())
    }

    /// Stores the next revision of a receiver's health; `false` if another revision was stored meanwhile.
    pub async fn put_health(&self, app: AppId, id: ChannelId, health: &ChannelHealth) -> Result<bool, TableError> {
        let row = Row::Health(app, id);
        let put = self
            .put_item()
            .set_item(Some(codec::encode(&row, health, Attributes::new())?))
            .condition_expression(IF_REVISION)
            .expression_attribute_values(":before", revision_before(health.revision));
        condition_held(&row, put.send().await)
    }

    /// Deletes what is stored of a receiver's health: it counts as healthy again.
    pub async fn delete_health(&self, app: AppId, id: ChannelId) -> Result<(), TableError> {
        self.delete(&Row::Health(app, id)).await.map(drop)
    }

    /// Marks a channel as confirmed: its receiver has answered the challenge. `false` if the channel was deleted, or has
    /// another URL by now.
    pub async fn confirm_channel(&self, channel: &Channel) -> Result<bool, TableError> {
        let row = Row::Channel(channel.app, channel.id);
        // the sealed text tells apart two URLs that differ only in their secret query: each sealing has a nonce of its own
        let sealed = channel.target.sealed_url();
        let update = self
            .update_item(&row)
            .update_expression("SET unconfirmed = :no")
            .condition_expression(match sealed {
                Some(_) => "attribute_exists(PK) AND #target.#url = :url AND #target.sealed_url = :sealed",
                None => "attribute_exists(PK) AND #target.#url = :url AND attribute_not_exists(#target.sealed_url)",
            })
            .set_expression_attribute_values(
                sealed.map(|it| HashMap::from([(":sealed".to_owned(), AttributeValue::S(it.0.clone()))])),
            )
            .expression_attribute_names("#target", "target")
            .expression_attribute_names("#url", "url")
            .expression_attribute_values(":url", AttributeValue::S(channel.target.url().to_owned()))
            .expression_attribute_values(":no", AttributeValue::Bool(false));
        condition_held(&row, update.send().await)
    }

    /// Disables a channel and publishes a notification of it, in one transaction; `false` if it was not active, or does
    /// not exist.
    pub async fn disable_channel(
        &self,
        app: AppId,
        id: ChannelId,
        reason: &str,
        notification: &NewNotification,
        now: OffsetDateTime,
    ) -> Result<bool, TableError> {
        let row = Row::Channel(app, id);
        let (pk, sk) = row.key();
        let update = Update::builder()
            .table_name(self.name())
            .key("PK", AttributeValue::S(pk))
            .key("SK", AttributeValue::S(sk))
            .update_expression("SET active = :off, disabled_reason = :reason, updated_at = :now")
            .condition_expression("active = :on")
            .expression_attribute_values(":off", AttributeValue::Bool(false))
            .expression_attribute_values(":on", AttributeValue::Bool(true))
            .expression_attribute_values(":reason", AttributeValue::S(reason.to_owned()))
            .expression_attribute_values(":now", AttributeValue::S(domain::rfc3339(now)));
        let update = update.build().map_err(|it| TableError::write(&row, it))?;
        let writes = vec![TransactWriteItem::builder().update(update).build()];
        let outcome = self.write_and_publish(&row, app, writes, std::slice::from_ref(notification), now).await?;
        Ok(outcome == CommitOutcome::Committed)
    }
}
