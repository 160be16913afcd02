//! Functions behind a WebSocket API of API Gateway: its three events, and the client of its `@connections` API.

use std::collections::HashMap;
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest as Request;
use axum::http::HeaderMap;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::chain::Chain;
use crate::start::{Error, Start};
use crate::{client_address, clock};

/// How long a post to a connection may take, retries included, so that a slow connection does not delay the others.
const POST_TIMEOUT: Duration = Duration::from_secs(5);

/// An event of a connection.
#[derive(Debug)]
pub enum WebSocketEvent {
    /// `$connect`: a client opens a connection.
    Connect { headers: HeaderMap, query: HashMap<String, String> },
    /// `$default`: a client has sent a text.
    Message(String),
    /// `$disconnect`: the connection is closed. API Gateway sends it with best effort only.
    Disconnect,
}

/// The response to `$connect`. For the other events only its status counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectOutcome {
    /// The connection opens, with the chosen one of the subprotocols that the client offered.
    Accepted(Option<String>),
    /// The connection is refused with an HTTP status.
    Rejected(u16),
}

impl Start {
    /// A client of the `@connections` API at the callback URL in the setting `SOCKET_ENDPOINT`.
    pub fn management_client(&mut self) -> aws_sdk_apigatewaymanagement::Client {
        let timeouts = aws_smithy_types::timeout::TimeoutConfig::builder().operation_timeout(POST_TIMEOUT).build();
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(&self.aws)
            .endpoint_url(self.text("SOCKET_ENDPOINT"))
            .timeout_config(timeouts)
            .interceptor(self.meter.counter("sockets"));
        aws_sdk_apigatewaymanagement::Client::from_conf(config.build())
    }

    /// Handles the events of connections; the handler gets the connection's id. An error is logged and answered with status
    /// 500.
    pub async fn websocket<E: std::error::Error + 'static>(
        mut self,
        handle: impl AsyncFn(OffsetDateTime, String, WebSocketEvent) -> Result<ConnectOutcome, E>,
    ) -> Result<(), Error> {
        self.check_settings()?;
        let (meter, handle, edge_token) = (&self.meter, &handle, &self.edge_token());
        lambda_runtime::run(service_fn(async |event: LambdaEvent<Request>| {
            let (id, event) = decode(event.payload, edge_token);
            let outcome = meter.measure_invocation(handle(clock::now(), id, event)).await;
            Ok::<_, Error>(response(outcome))
        }))
        .await
    }
}

/// Decodes an event. `edge_token` is CloudFront's, empty where none is in front.
fn decode(mut request: Request, edge_token: &str) -> (String, WebSocketEvent) {
    let id = request.request_context.connection_id.unwrap_or_default();
    let event = match request.request_context.event_type.as_deref() {
        Some("CONNECT") => {
            let parameters = request.query_string_parameters.iter();
            let query = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let source = request.request_context.identity.source_ip.take().unwrap_or_default();
            client_address::mark(&mut request.headers, &source, edge_token);
            WebSocketEvent::Connect { headers: request.headers, query }
        }
        Some("DISCONNECT") => WebSocketEvent::Disconnect,
        _ => WebSocketEvent::Message(request.body.unwrap_or_default()),
    };
    (id, event)
}

fn response<E: std::error::Error + 'static>(outcome: Result<ConnectOutcome, E>) -> Value {
    match outcome {
        Ok(ConnectOutcome::Accepted(None)) => json!({ "statusCode": 200 }),
        Ok(ConnectOutcome::Accepted(Some(protocol))) => {
            json!({ "statusCode": 200, "headers": { "Sec-WebSocket-Protocol": protocol } })
        }
        Ok(ConnectOutcome::Rejected(status)) => json!({ "statusCode": status }),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "a WebSocket event failed: {}", Chain(&error));
            json!({ "statusCode": 500 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        let read = |text: &str| decode(serde_json::from_str(text).unwrap(), "");
        let (id, event) = read(include_str!("../../../events/socket.connect.json"));
        let WebSocketEvent::Connect { headers, query } = event else { panic!("{event:?}") };
        assert_eq!((id.as_str(), headers["sec-websocket-version"].to_str().unwrap()), ("TjZ1neeXAAMCJZw=", "13"));
        assert_eq!(query["path"], "/notifications/ws/123");
        assert!(!client_address::of(&headers).is_empty());
        let (_, event) = read(include_str!("../../../events/socket.message.json"));
        assert!(matches!(event, WebSocketEvent::Message(it) if it == r#"{"action":"ping"}"#));
        let (_, event) = read(include_str!("../../../events/socket.disconnect.json"));
        assert!(matches!(event, WebSocketEvent::Disconnect));
    }
}
