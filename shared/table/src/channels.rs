//! Channels.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::channel::Channel;
use domain::{AppId, ChannelId};
use time::OffsetDateTime;

use crate::{Attributes, COUNTED, Put, Row, Table, TableError};

impl Table {
    pub async fn put_channel(&self, channel: &Channel) -> Result<Put, TableError> {
        self.put_new(&Row::Channel(channel.app, channel.id), channel, &channel.id.to_string(), Attributes::new()).await
    }

    pub async fn channel(&self, app: AppId, id: ChannelId) -> Result<Option<Channel>, TableError> {
        self.get(&Row::Channel(app, id)).await
    }

    /// All channels of an application, by id.
    pub async fn channels(&self, app: AppId) -> Result<Vec<Channel>, TableError> {
        self.all_of(app, "CHANNEL", "channel").await
    }

    pub async fn delete_channel(&self, app: AppId, id: ChannelId) -> Result<bool, TableError> {
        self.delete(&Row::Channel(app, id)).await
    }

    /// Switches a channel off and says why; `false` if it was off already or is gone.
    pub async fn disable_channel(
        &self,
        app: AppId,
        id: ChannelId,
        why: &str,
        now: OffsetDateTime,
    ) -> Result<bool, TableError> {
        let row = Row::Channel(app, id);
        let (pk, sk) = row.key();
        let update = self.client.update_item().table_name(&self.name).return_consumed_capacity(COUNTED);
        let update = update.key("PK", AttributeValue::S(pk)).key("SK", AttributeValue::S(sk));
        let update = update
            .update_expression("SET active = :off, disabled_reason = :why, updated_at = :now")
            .condition_expression("active = :on")
            .expression_attribute_values(":off", AttributeValue::Bool(false))
            .expression_attribute_values(":on", AttributeValue::Bool(true))
            .expression_attribute_values(":why", AttributeValue::S(why.to_owned()))
            .expression_attribute_values(":now", AttributeValue::S(domain::rfc3339(now)));
        match update.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(it) if it.is_conditional_check_failed_exception() => Ok(false),
            Err(source) => Err(TableError::write(&row, source)),
        }
    }
}
