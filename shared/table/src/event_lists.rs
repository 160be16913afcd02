//! The event lists that wait for a subscription's `notifyURL`, if that is another server's (NMS 6.19), and who posts them.

use domain::message_store::BoxId;
use time::OffsetDateTime;

use crate::channel_queue::QueuedNotification;
use crate::codec;
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{RangeQuery, Table};

impl Table {
    /// The oldest list that waits for a subscription's `notifyURL`; its `sequence` is the list's index.
    pub async fn oldest_event_list(
        &self,
        in_box: &BoxId,
        subscription: u64,
    ) -> Result<Option<QueuedNotification>, TableError> {
        let partition = keys::event_lists(in_box, subscription);
        let range = RangeQuery { partition: &partition, from: "0", to: "~", forward: true, consistent: true, limit: 1 };
        let found = self.query_range(range).await?.into_iter().next();
        found.map(|it| codec::decode("nms-list", it)).transpose()
    }

    /// Deletes a list that was posted.
    pub async fn delete_event_list(&self, in_box: &BoxId, subscription: u64, index: u64) -> Result<(), TableError> {
        self.delete(&Row::EventList(in_box.clone(), subscription, index)).await.map(drop)
    }

    /// Makes a holder the only one who posts the lists of a subscription until `until`, or gives it more time; `false` if
    /// another one is it.
    pub async fn hold_event_lists(
        &self,
        in_box: &BoxId,
        subscription: u64,
        holder: &str,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<bool, TableError> {
        self.claim(&Row::EventListHolder(in_box.clone(), subscription), holder, now, until).await
    }

    /// Ends the hold of [`Table::hold_event_lists`].
    pub async fn release_event_lists(&self, in_box: &BoxId, subscription: u64, holder: &str) -> Result<(), TableError> {
        self.release(&Row::EventListHolder(in_box.clone(), subscription), holder).await
    }
}
