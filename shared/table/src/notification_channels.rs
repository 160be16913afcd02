//! Notification channels (NC): their rows, what waits in them, and the rows that find them by the key in their URLs.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, TransactWriteItem};
use domain::AppId;
use domain::notification_channel::{NotificationChannel, NotificationChannelId};
use serde::{Deserialize, Serialize};

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::streams::{MAX_ATTEMPTS, back_off};
use crate::table::{IF_ABSENT, Table, condition_held, revision_before};

/// How long rows stay after their channel has expired, in seconds: expiry is compared at each read (DynamoDB deletes late).
const TTL_SLACK: i64 = 86_400;

#[derive(Deserialize)]
struct CounterRow {
    last: u64,
}

/// A correlator and the request that used it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrelatorRow {
    /// SHA-256 of the request, brought into one form.
    pub request: String,
    /// What it made.
    pub number: u64,
}

/// The use of a `clientCorrelator` (REST_NetAPI_Common).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelatorUse {
    /// Within which it is unique.
    pub scope: String,
    /// SHA-256 of the correlator.
    pub key: String,
    /// As in [`CorrelatorRow`].
    pub request: String,
}

impl Table {
    /// The next number of a user's channels.
    pub async fn next_notification_channel(&self, app: AppId, user: &str) -> Result<u64, TableError> {
        self.count_up(&Row::NotificationChannelCounter(app, user.to_owned())).await
    }

    pub(crate) async fn count_up(&self, row: &Row) -> Result<u64, TableError> {
        let update = self
            .update_item(row)
            .update_expression("SET kind = :kind ADD #last :one")
            .expression_attribute_names("#last", "last")
            .expression_attribute_values(":kind", AttributeValue::S(row.kind().to_owned()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values(ReturnValue::UpdatedNew);
        let updated = update.send().await.map_err(|it| TableError::write(row, it))?.attributes.unwrap_or_default();
        codec::decode::<CounterRow>(row.kind(), updated).map(|it| it.last)
    }

    /// Stores a new channel, how its key finds it, and the use of its correlator; what the correlator was used for, if it was.
    pub async fn create_notification_channel(
        &self,
        channel: &NotificationChannel,
        correlator: Option<&CorrelatorUse>,
    ) -> Result<Option<CorrelatorRow>, TableError> {
        let (row, ttl) = (channel_row(&channel.id), ttl(channel));
        let finder = Row::NotificationChannelKey(channel.key.clone());
        let mut puts = vec![
            self.transaction_put(&row, channel, ttl.clone(), IF_ABSENT)?,
            self.transaction_put(&finder, &channel.id, Attributes::new(), IF_ABSENT)?,
        ];
        let used = correlator.map(|it| Row::Correlator(channel.id.app, it.scope.clone(), it.key.clone()));
        if let (Some(row), Some(correlator)) = (&used, correlator) {
            let made = CorrelatorRow { request: correlator.request.clone(), number: channel.id.number };
            puts.push(self.transaction_put(row, &made, ttl, IF_ABSENT)?);
        }
        let writes = puts.into_iter().map(|it| TransactWriteItem::builder().put(it).build()).collect();
        // repeated by the SDK, it is done once (DynamoDB, idempotency of transactions)
        match self
            .transaction(writes)
            .client_request_token(&channel.key)
            .send()
            .await
            .map_err(|it| it.into_service_error())
        {
            Ok(_) => Ok(None),
            Err(error) if error.is_transaction_canceled_exception() => {
                let earlier = match &used {
                    Some(row) => self.get::<CorrelatorRow>(row).await?,
                    None => None,
                };
                // another creation with the same correlator may be under way
                earlier.map(Some).ok_or_else(|| TableError::conflict(&row))
            }
            Err(error) => Err(TableError::write(&row, error)),
        }
    }

    /// A channel that has not expired.
    pub async fn notification_channel(
        &self,
        id: &NotificationChannelId,
        now_ms: i64,
    ) -> Result<Option<NotificationChannel>, TableError> {
        Ok(self.get::<NotificationChannel>(&channel_row(id)).await?.filter(|it| !it.has_expired(now_ms)))
    }

    /// A channel as it may have been a moment ago (eventually consistent: half the price).
    pub async fn glance_at_notification_channel(
        &self,
        id: &NotificationChannelId,
        now_ms: i64,
    ) -> Result<Option<NotificationChannel>, TableError> {
        let glance = self.get_eventual::<NotificationChannel>(&channel_row(id)).await?;
        match glance.filter(|it| !it.has_expired(now_ms)) {
            // it may be new, or its lifetime have begun anew
            None => self.notification_channel(id, now_ms).await,
            found => Ok(found),
        }
    }

    /// The channel that a key names.
    pub async fn find_notification_channel(&self, key: &str) -> Result<Option<NotificationChannelId>, TableError> {
        let row = Row::NotificationChannelKey(key.to_owned());
        match self.get_eventual(&row).await? {
            None => self.get(&row).await, // it may be new
            found => Ok(found),
        }
    }

    /// A user's channels that have not expired, oldest first.
    pub async fn notification_channels(
        &self,
        app: AppId,
        user: &str,
        now_ms: i64,
    ) -> Result<Vec<NotificationChannel>, TableError> {
        let partition = keys::notification_channels(app, user);
        // the numbers, and not the counter
        let mut all: Vec<NotificationChannel> = self.query_all(&partition, "0".to_owned(), "9~", "nc-channel").await?;
        all.retain(|it| !it.has_expired(now_ms));
        Ok(all)
    }

    /// Stores a changed channel, whose `revision` is one higher than the stored one's. What polls and enablers count stays.
    /// `false` if it was changed, or deleted, meanwhile.
    pub async fn replace_notification_channel(&self, channel: &NotificationChannel) -> Result<bool, TableError> {
        let row = channel_row(&channel.id);
        let optional = |it: Option<AttributeValue>| it.unwrap_or(AttributeValue::Null(true));
        let sender = channel.sender.as_ref().map(|(holder, until)| {
            AttributeValue::L(vec![AttributeValue::S(holder.clone()), AttributeValue::N(until.to_string())])
        });
        let offered = channel.offered_lifetime.map(|it| AttributeValue::N(it.to_string()));
        let update = self
            .update_item(&row)
            .update_expression(
                "SET granted = :granted, expires_at = :expires, #connection = :connection, sender = :sender, \
                 next_check = :next_check, offered_lifetime = :offered, revision = :revision, #ttl = :ttl",
            )
            .condition_expression("revision = :before")
            .expression_attribute_names("#connection", "connection")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":granted", AttributeValue::N(channel.granted.to_string()))
            .expression_attribute_values(":expires", AttributeValue::N(channel.expires_at.to_string()))
            .expression_attribute_values(":connection", optional(channel.connection.clone().map(AttributeValue::S)))
            .expression_attribute_values(":sender", optional(sender))
            .expression_attribute_values(":next_check", AttributeValue::N(channel.next_check.to_string()))
            .expression_attribute_values(":offered", optional(offered))
            .expression_attribute_values(":revision", AttributeValue::N(channel.revision.to_string()))
            .expression_attribute_values(":ttl", AttributeValue::N(ttl_seconds(channel).to_string()))
            .expression_attribute_values(":before", revision_before(channel.revision));
        match update.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(true),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(false),
            // a poll takes what waits just then
            Err(error) if error.is_transaction_conflict_exception() => Ok(false),
            Err(error) => Err(TableError::write(&row, error)),
        }
    }

    /// Changes a channel, again if other writers were faster. `None` if it does not exist any more.
    ///
    /// # Errors
    /// `Conflict` if others were faster in every try.
    pub async fn change_notification_channel(
        &self,
        id: &NotificationChannelId,
        now_ms: i64,
        mut change: impl FnMut(&mut NotificationChannel),
    ) -> Result<Option<NotificationChannel>, TableError> {
        for attempt in 0..MAX_ATTEMPTS {
            let Some(mut channel) = self.notification_channel(id, now_ms).await? else { return Ok(None) };
            change(&mut channel);
            channel.revision += 1;
            if self.replace_notification_channel(&channel).await? {
                return Ok(Some(channel));
            }
            back_off(attempt).await;
        }
        Err(TableError::conflict(&channel_row(id)))
    }

    /// Deletes a channel and its key; the channel as it was at last, `None` if there was none. What waits in it expires.
    pub async fn delete_notification_channel(
        &self,
        channel: &NotificationChannel,
    ) -> Result<Option<NotificationChannel>, TableError> {
        let row = channel_row(&channel.id);
        let deleted = self.delete_item(&row).return_values(ReturnValue::AllOld).send().await;
        let deleted = deleted.map_err(|it| TableError::write(&row, it))?.attributes.filter(|it| !it.is_empty());
        self.delete(&Row::NotificationChannelKey(channel.key.clone())).await?;
        deleted.map(|it| codec::decode(row.kind(), it)).transpose()
    }

    /// Begins a long poll, and the channel's lifetime anew: the channel, whose `poll` is this poll's number; earlier ones are
    /// superseded. `None` if the channel does not exist any more.
    pub async fn begin_poll(
        &self,
        channel: &NotificationChannel,
        now_ms: i64,
    ) -> Result<Option<NotificationChannel>, TableError> {
        let mut refreshed = channel.clone();
        refreshed.refresh(channel.granted, now_ms);
        let row = channel_row(&channel.id);
        self.update_channel(&row, || {
            self.update_item(&row)
                .update_expression("ADD poll :one SET expires_at = :expires, #ttl = :ttl")
                .condition_expression("attribute_exists(PK)")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                .expression_attribute_values(":expires", AttributeValue::N(refreshed.expires_at.to_string()))
                .expression_attribute_values(":ttl", AttributeValue::N(ttl_seconds(&refreshed).to_string()))
                .return_values(ReturnValue::AllNew)
        })
        .await
    }

    /// Updates a channel's row, again where a transaction has it just then; `None` if there is none.
    pub(crate) async fn update_channel<T: serde::de::DeserializeOwned>(
        &self,
        row: &Row,
        update: impl Fn() -> UpdateItemFluentBuilder,
    ) -> Result<Option<T>, TableError> {
        for attempt in 0..MAX_ATTEMPTS {
            match update().send().await.map_err(|it| it.into_service_error()) {
                Ok(updated) => {
                    return codec::decode(row.kind(), updated.attributes.unwrap_or_default()).map(Some);
                }
                Err(error) if error.is_conditional_check_failed_exception() => return Ok(None),
                Err(error) if error.is_transaction_conflict_exception() => back_off(attempt).await,
                Err(error) => return Err(TableError::write(row, error)),
            }
        }
        Err(TableError::conflict(row))
    }

    /// What a correlator was used for.
    pub async fn correlator(&self, app: AppId, used: &CorrelatorUse) -> Result<Option<CorrelatorRow>, TableError> {
        self.get(&Row::Correlator(app, used.scope.clone(), used.key.clone())).await
    }

    /// Forgets what a correlator was used for, unless it was used again meanwhile.
    pub async fn forget_correlator(
        &self,
        app: AppId,
        used: &CorrelatorUse,
        earlier: &CorrelatorRow,
    ) -> Result<(), TableError> {
        let row = Row::Correlator(app, used.scope.clone(), used.key.clone());
        let delete = self
            .delete_item(&row)
            .condition_expression("attribute_not_exists(PK) OR #number = :number")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":number", AttributeValue::N(earlier.number.to_string()));
        condition_held(&row, delete.send().await).map(drop)
    }
}

pub(crate) fn channel_row(id: &NotificationChannelId) -> Row {
    Row::NotificationChannel(id.app, id.user.clone(), id.number)
}

fn ttl_seconds(channel: &NotificationChannel) -> i64 {
    channel.expires_at / 1_000 + TTL_SLACK
}

fn ttl(channel: &NotificationChannel) -> Attributes {
    codec::ttl(ttl_seconds(channel))
}
