//! An SQS queue in an application's own AWS account, read with the application's access key.

use std::net::IpAddr;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use domain::ssrf::{AllowedNetworks, check_url};

use crate::meter::Meter;

/// A queue in an AWS account of a customer.
pub struct ExternalQueue {
    client: Client,
    url: String,
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    pub receipt_handle: String,
    pub body: String,
}

/// SQS did not answer, or refused the request.
#[derive(Debug, thiserror::Error)]
#[error("the queue could not be {0}")]
pub struct ExternalQueueError(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>);

impl ExternalQueue {
    /// The queue at a URL in a region.
    ///
    /// # Errors
    /// Why the URL is refused: it must be in SQS of that region, or in an allowed network.
    pub fn open(
        url: &str,
        region: &str,
        key: &str,
        secret: &str,
        allowed: &AllowedNetworks,
        meter: &Meter,
    ) -> Result<Self, String> {
        let parsed = check_url(url, allowed).map_err(|error| format!("sqs_queue_url is refused: {error}"))?;
        let host = parsed.host_str().unwrap_or_default().to_owned();
        let inside = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => allowed.contains(address.to_canonical()),
            Err(_) => host == "localhost", // judged above: it is in an allowed network
        };
        let aws = [format!("sqs.{region}.amazonaws.com"), format!("sqs.{region}.amazonaws.com.cn")].contains(&host);
        if !aws && !inside {
            return Err(format!("sqs_queue_url is not in the SQS of {region}"));
        }
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(parsed.origin().ascii_serialization())
            .region(Region::new(region.to_owned()))
            .credentials_provider(Credentials::new(key, secret, None, None, "application"))
            .interceptor(meter.counter("external_sqs"))
            .http_client(guard::aws::client(allowed));
        Ok(Self { client: Client::from_conf(config.build()), url: url.to_owned() })
    }

    /// Receives up to ten messages, without long polling.
    pub async fn receive(&self) -> Result<Vec<ReceivedMessage>, ExternalQueueError> {
        let request =
            self.client.receive_message().queue_url(&self.url).max_number_of_messages(10).wait_time_seconds(0);
        let response = request.send().await.map_err(|it| ExternalQueueError("read", it.into()))?;
        let messages = response.messages.unwrap_or_default().into_iter();
        Ok(messages
            .filter_map(|it| Some(ReceivedMessage { receipt_handle: it.receipt_handle?, body: it.body? }))
            .collect())
    }

    /// Deletes up to ten messages by their receipt handles.
    pub async fn delete(&self, handles: &[String]) -> Result<(), ExternalQueueError> {
        let entries: Result<Vec<DeleteMessageBatchRequestEntry>, _> = handles
            .iter()
            .enumerate()
            .map(|(index, handle)| {
                DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(handle).build()
            })
            .collect();
        let entries = entries.map_err(|it| ExternalQueueError("emptied", it.into()))?;
        let request = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let response = request.send().await.map_err(|it| ExternalQueueError("emptied", it.into()))?;
        match response.failed.first() {
            None => Ok(()),
            Some(it) => Err(ExternalQueueError("emptied", it.code.clone().into())),
        }
    }
}
