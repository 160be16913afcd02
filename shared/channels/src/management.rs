//! Messages to open WebSocket connections, through API Gateway's `@connections`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::error::{DisplayErrorContext, SdkError};
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError as PostError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use tokio::time::Instant;

/// The time between two permits: 500 posts a second per environment. Fourteen environments leave 3,000 of the account's
/// 10,000 requests a second to others (aws, section 2.6).
const PERMIT_INTERVAL: Duration = Duration::from_millis(2);
/// Permits that can be saved up in a pause.
const BURST: u32 = 50;

/// Posts messages to connections, limited to one per `PERMIT_INTERVAL`.
#[derive(Clone)]
pub struct ManagementClient {
    client: Client,
    bucket: Arc<TokenBucket>,
}

/// Permits that are issued over time; holds the time of the next one.
struct TokenBucket(Mutex<Instant>);

impl TokenBucket {
    /// Waits for a permit.
    async fn acquire(&self) {
        let now = Instant::now();
        let at = self.reserve(now);
        if at > now {
            tokio::time::sleep_until(at).await;
        }
    }

    /// Takes the next permit, and says from when it is valid; a time before `now` means at once.
    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (*next).max(now.checked_sub(PERMIT_INTERVAL * BURST).unwrap_or(now));
        *next = at + PERMIT_INTERVAL;
        at
    }
}

/// What became of a posted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostOutcome {
    Posted,
    /// The connection is closed, or not open yet.
    Gone,
    /// Not accepted now: the connection is slow, or a request limit is exceeded.
    RetryLater(String),
    /// It can never be sent: too large, or forbidden.
    Rejected(String),
}

impl ManagementClient {
    pub fn new(client: Client) -> Self {
        Self { client, bucket: Arc::new(TokenBucket(Mutex::new(Instant::now()))) }
    }

    /// Waits for a permit, then posts a text of at most 128 KB (API Gateway's limit).
    pub async fn post(&self, connection: &str, text: &str) -> PostOutcome {
        self.bucket.acquire().await;
        let result = self.client.post_to_connection().connection_id(connection).data(Blob::new(text)).send().await;
        match result {
            Ok(_) => PostOutcome::Posted,
            Err(SdkError::ServiceError(error)) => match error.err() {
                PostError::GoneException(_) => PostOutcome::Gone,
                PostError::PayloadTooLargeException(_) | PostError::ForbiddenException(_) => {
                    PostOutcome::Rejected(DisplayErrorContext(error.err()).to_string())
                }
                other => PostOutcome::RetryLater(DisplayErrorContext(other).to_string()),
            },
            // an HTTP/2 GOAWAY is among these
            Err(other) => PostOutcome::RetryLater(DisplayErrorContext(&other).to_string()),
        }
    }

    /// Closes a connection; it is no error if it is closed already.
    pub async fn close(&self, connection: &str) {
        if let Err(error) = self.client.delete_connection().connection_id(connection).send().await {
            tracing::debug!(error = %DisplayErrorContext(&error), "a connection was not closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_go_at_five_hundred_a_second_after_a_few_at_once() {
        let began = Instant::now();
        let pace = TokenBucket(Mutex::new(began));
        let last = |count: u32, now: Instant| (0..count).map(|_| pace.reserve(now)).last().unwrap();
        assert_eq!(last(1_000, began), began + PERMIT_INTERVAL * 999);
        let later = began + PERMIT_INTERVAL * 999 + Duration::from_secs(5);
        assert!(last(BURST + 1, later) <= later, "what was saved up in a pause");
        assert_eq!(last(500, later), later + Duration::from_secs(1));
    }
}
