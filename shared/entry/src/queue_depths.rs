//! Counts of the messages in queues.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use domain::queue_watch::QueueDepth;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::start::Start;

/// Requests that are made concurrently.
const MAX_CONCURRENT: usize = 8;

/// Queues whose messages are counted.
pub struct QueueDepths {
    client: Client,
    /// The beginning of the URL of each queue of the account.
    root: String,
    names: Vec<String>,
}

/// SQS did not answer, or refused the request.
#[derive(Debug, thiserror::Error)]
#[error("the messages in {queue} could not be counted")]
pub struct QueueDepthError {
    queue: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Start {
    /// The queues whose names a setting lists, separated by commas. Their URLs begin like that of another queue, which the
    /// setting `of_account` holds.
    pub fn queue_depths(&mut self, names: &'static str, of_account: &'static str) -> QueueDepths {
        let (names, url) = (self.text(names), self.text(of_account));
        let root = url.rsplit_once('/').map_or("", |it| it.0).to_owned();
        let names = names.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect();
        QueueDepths { client: self.sqs_client(), root, names }
    }
}

impl QueueDepths {
    /// Counts the messages of each queue, by the queues' names.
    pub async fn read(&self) -> Result<BTreeMap<String, QueueDepth>, QueueDepthError> {
        let counts = stream::iter(self.names.iter().map(|it| self.depth(it)));
        counts.buffer_unordered(MAX_CONCURRENT).try_collect().await
    }

    async fn depth(&self, name: &str) -> Result<(String, QueueDepth), QueueDepthError> {
        use QueueAttributeName::{ApproximateNumberOfMessages as Due, ApproximateNumberOfMessagesNotVisible as Taken};
        let request = self.client.get_queue_attributes().queue_url(format!("{}/{name}", self.root));
        let response = request.attribute_names(Due).attribute_names(Taken).send().await;
        let response = response.map_err(|it| QueueDepthError { queue: name.to_owned(), source: it.into() })?;
        let counts = response.attributes.unwrap_or_default();
        let count = |it: QueueAttributeName| counts.get(&it).and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        Ok((name.to_owned(), QueueDepth { due: count(Due), taken: count(Taken) }))
    }
}
