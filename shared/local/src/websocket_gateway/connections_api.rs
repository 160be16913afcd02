//! The `@connections` commands of the WebSocket API: PostToConnection, GetConnection, DeleteConnection.

use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{MAX_MESSAGE_BYTES, Outbound, WebSocketGateway};
use crate::http_event::percent_decoded;
use crate::lock::lock;

const RELAXED: Ordering = Ordering::Relaxed;

impl WebSocketGateway {
    /// The id of the connection that a request to `@connections` names: the last part of the raw path, percent-decoded
    /// once.
    pub(crate) fn managed_connection(&self, parts: &Parts) -> Option<String> {
        let id = parts.uri.path().strip_prefix(&format!("/{}/@connections/", self.api.stage))?;
        Some(percent_decoded(id))
    }

    /// Answers a request to `@connections`: POST, GET or DELETE. 410 if the connection is gone.
    pub(crate) fn manage_connection(&self, method: &Method, id: &str, body: &Bytes) -> Response<Body> {
        let gone = || error(StatusCode::GONE, "GoneException");
        match *method {
            Method::POST if body.len() > MAX_MESSAGE_BYTES => {
                error(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException")
            }
            Method::POST if self.posts_to_throttle.fetch_update(RELAXED, RELAXED, |it| it.checked_sub(1)).is_ok() => {
                error(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException")
            }
            Method::POST => {
                if self.post_to_connection(id, String::from_utf8_lossy(body).into_owned()) {
                    Response::new(Body::empty())
                } else {
                    gone()
                }
            }
            Method::GET => match lock(&self.connections).get(id) {
                Some(connection) => json_response(
                    StatusCode::OK,
                    &json!({
                        "connectedAt": rfc3339(connection.info.connected_at),
                        "identity": { "sourceIp": "127.0.0.1", "userAgent": connection.info.user_agent },
                        "lastActiveAt": rfc3339(connection.last_active.load(Ordering::Relaxed)),
                    }),
                ),
                None => gone(),
            },
            Method::DELETE => match lock(&self.connections).get(id) {
                Some(connection) => {
                    if connection.outbound.try_send(Outbound::Close).is_err() {
                        connection.abort.send_replace(true);
                    }
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = StatusCode::NO_CONTENT;
                    response
                }
                None => gone(),
            },
            _ => error(StatusCode::METHOD_NOT_ALLOWED, "UnknownOperationException"),
        }
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn error(status: StatusCode, exception: &'static str) -> Response<Body> {
    let mut response = json_response(status, &json!({ "message": null }));
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(exception));
    response
}

fn rfc3339(ms: i64) -> Option<String> {
    chrono::DateTime::from_timestamp_millis(ms).map(|it| it.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}
