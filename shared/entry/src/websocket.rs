//! Sockets: the three events of a WebSocket API, and posting to its connections.

use std::collections::HashMap;
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest as Request;
use axum::http::HeaderMap;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{Chain, Error, Start, clock};

/// How long a post may take, repeats included: one slow socket holds nobody up.
const POST_TIMEOUT: Duration = Duration::from_secs(5);

/// What happened on a socket.
#[derive(Debug)]
pub enum WebSocketEvent {
    /// Somebody wants in.
    Connect {
        headers: HeaderMap,
        query: HashMap<String, String>,
    },
    Message(String),
    /// It is closed. Best effort: this may never be told.
    Disconnect,
}

/// The answer to somebody who wants in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectOutcome {
    /// Open, with the subprotocol that was chosen of those that were offered.
    Accepted(Option<String>),
    /// Shut, with a status.
    Rejected(u16),
}

impl Start {
    /// A client that posts to the sockets of the API whose callback address the setting `SOCKET_ENDPOINT` holds.
    pub fn management_client(&mut self) -> aws_sdk_apigatewaymanagement::Client {
        let timeouts = aws_smithy_types::timeout::TimeoutConfig::builder().operation_timeout(POST_TIMEOUT).build();
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(&self.aws)
            .endpoint_url(self.text("SOCKET_ENDPOINT"))
            .timeout_config(timeouts)
            .interceptor(self.meter.counter("sockets"));
        aws_sdk_apigatewaymanagement::Client::from_conf(config.build())
    }

    /// Handles the events of sockets. An error on a message is logged, and the client hears that something went wrong.
    pub async fn websocket<E: std::error::Error + 'static>(
        mut self,
        handle: impl AsyncFn(OffsetDateTime, String, WebSocketEvent) -> Result<ConnectOutcome, E>,
    ) -> Result<(), Error> {
        self.check_settings()?;
        let (meter, handle) = (&self.meter, &handle);
        lambda_runtime::run(service_fn(async |event: LambdaEvent<Request>| {
            let (id, happened) = decode(event.payload);
            let door = meter.measure_invocation(handle(clock::now(), id, happened)).await;
            Ok::<_, Error>(response(door))
        }))
        .await
    }
}

fn decode(it: Request) -> (String, WebSocketEvent) {
    let id = it.request_context.connection_id.unwrap_or_default();
    let happened = match it.request_context.event_type.as_deref() {
        Some("CONNECT") => {
            let query = it.query_string_parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            WebSocketEvent::Connect { headers: it.headers, query: query.collect() }
        }
        Some("DISCONNECT") => WebSocketEvent::Disconnect,
        _ => WebSocketEvent::Message(it.body.unwrap_or_default()),
    };
    (id, happened)
}

fn response<E: std::error::Error + 'static>(door: Result<ConnectOutcome, E>) -> Value {
    match door {
        Ok(ConnectOutcome::Accepted(None)) => json!({ "statusCode": 200 }),
        Ok(ConnectOutcome::Accepted(Some(protocol))) => {
            json!({ "statusCode": 200, "headers": { "Sec-WebSocket-Protocol": protocol } })
        }
        Ok(ConnectOutcome::Rejected(status)) => json!({ "statusCode": status }),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "a socket's event failed: {}", Chain(&error));
            json!({ "statusCode": 500 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        let event = |text: &str| decode(serde_json::from_str(text).unwrap());
        let (id, happened) = event(include_str!("../../../events/socket.connect.json"));
        let WebSocketEvent::Connect { headers, query } = happened else { panic!("{happened:?}") };
        assert_eq!((id.as_str(), headers["sec-websocket-version"].to_str().unwrap()), ("TjZ1neeXAAMCJZw=", "13"));
        assert_eq!(query["path"], "/notifications/ws/123");
        let (_, happened) = event(include_str!("../../../events/socket.message.json"));
        assert!(matches!(happened, WebSocketEvent::Message(it) if it == r#"{"action":"ping"}"#));
        let (_, happened) = event(include_str!("../../../events/socket.disconnect.json"));
        assert!(matches!(happened, WebSocketEvent::Disconnect));
    }
}
