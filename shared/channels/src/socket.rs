//! Messages to open sockets, through API Gateway's `@connections`.

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::error::{DisplayErrorContext, SdkError};
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError as PostError;
use aws_sdk_apigatewaymanagement::primitives::Blob;

/// Posts to sockets.
#[derive(Clone)]
pub struct Posts {
    client: Client,
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
        Self { client }
    }

    /// Sends one message, at most 128 KB of text.
    pub async fn post(&self, connection: &str, text: &str) -> Posted {
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
