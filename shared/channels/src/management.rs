//! Messages to open sockets, through API Gateway's `@connections`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::error::{DisplayErrorContext, SdkError};
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError as PostError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use tokio::time::Instant;

/// Posts of one invocation: 500 a second, so that fourteen of them leave 3,000 of the account's 10,000 to others (AWS,
/// 2.6).
const PERMIT_INTERVAL: Duration = Duration::from_millis(2);
/// Posts that may go at once after a pause.
const BURST: u32 = 50;

/// Posts to sockets.
#[derive(Clone)]
pub struct ManagementClient {
    client: Client,
    bucket: Arc<TokenBucket>,
}

/// Takes turns: a bucket that fills with time.
struct TokenBucket(Mutex<Instant>);

impl TokenBucket {
    /// Waits for its turn.
    async fn acquire(&self) {
        let now = Instant::now();
        let at = self.reserve(now);
        if at > now {
            tokio::time::sleep_until(at).await;
        }
    }

    /// When the turn comes of whoever asks `now`; at once if that is past.
    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (*next).max(now.checked_sub(PERMIT_INTERVAL * BURST).unwrap_or(now));
        *next = at + PERMIT_INTERVAL;
        at
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostOutcome {
    Posted,
    /// The socket is closed, or not open yet.
    Gone,
    /// It was not taken now: the socket is slow, or too much is sent at once.
    RetryLater(String),
    /// It can never be sent.
    Rejected(String),
}

impl ManagementClient {
    pub fn new(client: Client) -> Self {
        Self { client, bucket: Arc::new(TokenBucket(Mutex::new(Instant::now()))) }
    }

    /// Sends one message, at most 128 KB of text, when it is its turn.
    pub async fn post(&self, connection: &str, text: &str) -> PostOutcome {
        self.bucket.acquire().await;
        let sent = self.client.post_to_connection().connection_id(connection).data(Blob::new(text)).send().await;
        match sent {
            Ok(_) => PostOutcome::Posted,
            Err(SdkError::ServiceError(it)) => match it.err() {
                PostError::GoneException(_) => PostOutcome::Gone,
                PostError::PayloadTooLargeException(_) | PostError::ForbiddenException(_) => {
                    PostOutcome::Rejected(DisplayErrorContext(it.err()).to_string())
                }
                other => PostOutcome::RetryLater(DisplayErrorContext(other).to_string()),
            },
            // also an HTTP/2 GOAWAY, which the SDK takes for a failure
            Err(other) => PostOutcome::RetryLater(DisplayErrorContext(&other).to_string()),
        }
    }

    /// Closes a socket; one that is closed already is no error.
    pub async fn close(&self, connection: &str) {
        if let Err(error) = self.client.delete_connection().connection_id(connection).send().await {
            tracing::debug!(error = %DisplayErrorContext(&error), "a socket was not closed");
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
