//! Channels.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use domain::channel::Channel;
use domain::circuit_breaker::ChannelHealth;
use domain::notification::NewNotification;
use domain::{AppId, ChannelId};
use time::OffsetDateTime;

use crate::{Attributes, CAPACITY, CommitOutcome, PutOutcome, Row, Table, TableError, codec};

impl Table {
    pub async fn put_channel(&self, channel: &Channel) -> Result<PutOutcome, TableError> {
        self.put_new(&Row::Channel(channel.app, channel.id), channel, &channel.id.to_string(), Attributes::new()).await
    }

    pub async fn channel(&self, app: AppId, id: ChannelId) -> Result<Option<Channel>, TableError> {
        self.get(&Row::Channel(app, id)).await
    }

    /// All channels of an application, by id.
    pub async fn channels(&self, app: AppId) -> Result<Vec<Channel>, TableError> {
        self.query_by_prefix(app, "CHANNEL", "channel").await
    }

    pub async fn delete_channel(&self, app: AppId, id: ChannelId) -> Result<bool, TableError> {
        self.delete(&Row::Channel(app, id)).await
    }

    /// Replaces a channel; `false` if it is gone.
    pub async fn replace_channel(&self, channel: &Channel) -> Result<bool, TableError> {
        self.replace(&Row::Channel(channel.app, channel.id), channel, Attributes::new()).await
    }

    /// What is known of a channel's receiver; a healthy one has no row.
    pub async fn health(&self, app: AppId, id: ChannelId) -> Result<ChannelHealth, TableError> {
        Ok(self.get_eventual(&Row::Health(app, id)).await?.unwrap_or_default())
    }

    /// Stores what is known of a receiver, if it is still what it was made from; `false` if it is not.
    pub async fn put_health(&self, app: AppId, id: ChannelId, health: &ChannelHealth) -> Result<bool, TableError> {
        let row = Row::Health(app, id);
        let put = self.client.put_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let put = put
            .set_item(Some(codec::encode(&row, health, Attributes::new())?))
            .condition_expression("attribute_not_exists(PK) OR revision = :before")
            .expression_attribute_values(":before", AttributeValue::N(health.revision.saturating_sub(1).to_string()));
        match put.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(it) if it.is_conditional_check_failed_exception() => Ok(false),
            Err(source) => Err(TableError::write(&row, source)),
        }
    }

    /// Forgets what was known of a receiver.
    pub async fn delete_health(&self, app: AppId, id: ChannelId) -> Result<(), TableError> {
        self.delete(&Row::Health(app, id)).await.map(drop)
    }

    /// A receiver has answered its challenge; `false` if the channel is gone, or leads elsewhere by now.
    pub async fn confirm_channel(&self, channel: &Channel) -> Result<bool, TableError> {
        let row = Row::Channel(channel.app, channel.id);
        let (pk, sk) = row.key();
        let update = self.client.update_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let update = update
            .key("PK", AttributeValue::S(pk))
            .key("SK", AttributeValue::S(sk))
            .update_expression("SET unconfirmed = :no")
            .condition_expression(match channel.target.sealed_url() {
                Some(_) => "attribute_exists(PK) AND #target.#url = :url AND #target.sealed_url = :sealed",
                None => "attribute_exists(PK) AND #target.#url = :url AND attribute_not_exists(#target.sealed_url)",
            })
            .set_expression_attribute_values(channel.target.sealed_url().map(|it| {
                // sealed anew it is another text: of two addresses that look alike, one was asked
                std::collections::HashMap::from([(":sealed".to_owned(), AttributeValue::S(it.0.clone()))])
            }))
            .expression_attribute_names("#target", "target")
            .expression_attribute_names("#url", "url")
            .expression_attribute_values(":url", AttributeValue::S(channel.target.url().to_owned()))
            .expression_attribute_values(":no", AttributeValue::Bool(false));
        match update.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(it) if it.is_conditional_check_failed_exception() => Ok(false),
            Err(source) => Err(TableError::write(&row, source)),
        }
    }

    /// Switches a channel off, says why, and tells that, together; `false` if it was off already or is gone.
    pub async fn disable_channel(
        &self,
        app: AppId,
        id: ChannelId,
        why: &str,
        news: &NewNotification,
        now: OffsetDateTime,
    ) -> Result<bool, TableError> {
        let row = Row::Channel(app, id);
        let (pk, sk) = row.key();
        let update = Update::builder()
            .table_name(&self.name)
            .key("PK", AttributeValue::S(pk))
            .key("SK", AttributeValue::S(sk))
            .update_expression("SET active = :off, disabled_reason = :why, updated_at = :now")
            .condition_expression("active = :on")
            .expression_attribute_values(":off", AttributeValue::Bool(false))
            .expression_attribute_values(":on", AttributeValue::Bool(true))
            .expression_attribute_values(":why", AttributeValue::S(why.to_owned()))
            .expression_attribute_values(":now", AttributeValue::S(domain::rfc3339(now)));
        let update = update.build().map_err(|it| TableError::write(&row, it))?;
        let write = TransactWriteItem::builder().update(update).build();
        Ok(self.write_and_publish(&row, app, vec![write], std::slice::from_ref(news), now).await?
            == CommitOutcome::Committed)
    }
}
