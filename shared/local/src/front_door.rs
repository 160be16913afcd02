//! The front door: the HTTP API and the sockets on one port, with API Gateway's limits.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode};
use bytes::BytesMut;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::function::Function;
use crate::http_event::{answer, choose, event};
use crate::process::Outcome;
use crate::sockets::Sockets;
use crate::template::Route;

/// A request's body at most (API Gateway quota), and how long a request may take.
const MOST_BYTES: usize = 10 << 20;
const LONGEST: Duration = Duration::from_secs(30);
/// A function's answer at most (Lambda quota).
const MOST_ANSWER: usize = 6 << 20;

struct Door {
    routes: Vec<(Route, Arc<Function>)>,
    host: String,
    sockets: Arc<Sockets>,
}

pub(crate) fn router(routes: Vec<(Route, Arc<Function>)>, host: String, sockets: Arc<Sockets>) -> Router {
    Router::new().fallback(handle).with_state(Arc::new(Door { routes, host, sockets }))
}

async fn handle(State(door): State<Arc<Door>>, request: Request) -> Response<Body> {
    let mut response = respond(&door, request).await;
    if let Ok(id) = HeaderValue::from_str(&crate::sqs::random_id()) {
        response.headers_mut().insert("apigw-requestid", id);
    }
    response
}

async fn respond(door: &Door, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Some(path) = door.sockets.takes(&parts) {
        return door.sockets.connect(parts, path).await;
    }
    let Some(body) = read(body).await else {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    if let Some(connection) = door.sockets.managed(&parts) {
        return door.sockets.manage(&parts.method, &connection, &body);
    }
    let Some((route, function, variables)) = choose(&door.routes, &parts.method, parts.uri.path()) else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    let payload = event(&parts, &body, route, variables, &door.host).to_string();
    let failed = || message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    match tokio::time::timeout(LONGEST, function.invoke_now(Bytes::from(payload))).await {
        Err(_) | Ok(Outcome::Throttled) => message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        Ok(Outcome::Answered(body)) if body.len() <= MOST_ANSWER => answer(&body, &parts.method).unwrap_or_else(failed),
        Ok(_) => failed(),
    }
}

/// A body up to the limit; `None` beyond it, or if the client went away.
async fn read(mut body: Body) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let data = frame.ok()?.into_data().unwrap_or_default();
        if bytes.len() + data.len() > MOST_BYTES {
            return None;
        }
        bytes.extend_from_slice(&data);
    }
    Some(bytes.freeze())
}

/// A refusal of the gateway's own, with its `message`; and, beside it, what all others of our errors say (RFC 9457).
fn message(status: StatusCode, text: &str) -> Response<Body> {
    problem(status, json!({ "message": text }))
}

/// An error of the gateway's own members as a problem.
pub(crate) fn problem(status: StatusCode, mut body: Value) -> Response<Body> {
    (body["type"], body["status"]) = (json!("about:blank"), json!(status.as_u16()));
    body["title"] = json!(status.canonical_reason().unwrap_or("Error"));
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/problem+json"));
    response
}
