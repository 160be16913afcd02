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
const BETWEEN: Duration = Duration::from_millis(2);
/// Posts that may go at once after a pause.
const AT_ONCE: u32 = 50;

/// Posts to sockets.
#[derive(Clone)]
pub struct Posts {
    client: Client,
    pace: Arc<Pace>,
}

/// Takes turns: a bucket that fills with time.
struct Pace(Mutex<Instant>);

impl Pace {
    /// Waits for its turn.
    async fn turn(&self) {
        let now = Instant::now();
        let at = self.next(now);
        if at > now {
            tokio::time::sleep_until(at).await;
        }
    }

    /// When the turn comes of whoever asks `now`; at once if that is past.
    fn next(&self, now: Instant) -> Instant {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (*next).max(now.checked_sub(BETWEEN * AT_ONCE).unwrap_or(now));
        *next = at + BETWEEN;
        at
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    Done,
    /// The socket is closed, or not open yet.
    Gone,
    /// It was not taken now: the socket is slow, or too much is sent at once.
    Busy(String),
    /// It can never be sent.
    Refused(String),
}

impl Posts {
    pub fn new(client: Client) -> Self {
        Self { client, pace: Arc::new(Pace(Mutex::new(Instant::now()))) }
    }

    /// Sends one message, at most 128 KB of text, when it is its turn.
    pub async fn post(&self, connection: &str, text: &str) -> Posted {
        self.pace.turn().await;
        let sent = self.client.post_to_connection().connection_id(connection).data(Blob::new(text)).send().await;
        match sent {
            Ok(_) => Posted::Done,
            Err(SdkError::ServiceError(it)) => match it.err() {
                PostError::GoneException(_) => Posted::Gone,
                PostError::PayloadTooLargeException(_) | PostError::ForbiddenException(_) => {
                    Posted::Refused(DisplayErrorContext(it.err()).to_string())
                }
                other => Posted::Busy(DisplayErrorContext(other).to_string()),
            },
            // also an HTTP/2 GOAWAY, which the SDK takes for a failure
            Err(other) => Posted::Busy(DisplayErrorContext(&other).to_string()),
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
        let pace = Pace(Mutex::new(began));
        let last = |count: u32, now: Instant| (0..count).map(|_| pace.next(now)).last().unwrap();
        assert_eq!(last(1_000, began), began + BETWEEN * 999);
        let later = began + BETWEEN * 999 + Duration::from_secs(5);
        assert!(last(AT_ONCE + 1, later) <= later, "what was saved up in a pause");
        assert_eq!(last(500, later), later + Duration::from_secs(1));
    }
}
