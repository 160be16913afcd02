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
        let at = {
            let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(now.checked_sub(BETWEEN * AT_ONCE).unwrap_or(now));
            *next = at + BETWEEN;
            at
        };
        if at > now {
            tokio::time::sleep_until(at).await;
        }
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

    #[tokio::test(start_paused = true)]
    async fn posts_go_at_five_hundred_a_second_after_a_few_at_once() {
        let (began, pace) = (Instant::now(), Pace(Mutex::new(Instant::now())));
        let turns = async |count: u32| futures_util::future::join_all((0..count).map(|_| pace.turn())).await;
        turns(1_000).await;
        assert_eq!(began.elapsed(), BETWEEN * 999);
        tokio::time::advance(Duration::from_secs(5)).await;
        let again = Instant::now();
        turns(AT_ONCE + 1).await;
        assert_eq!(again.elapsed(), Duration::ZERO, "what was saved up in a pause");
        turns(500).await;
        assert_eq!(again.elapsed(), Duration::from_secs(1));
    }
}
