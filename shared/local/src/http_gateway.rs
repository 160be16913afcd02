//! The HTTP API and the WebSocket API on one port, with API Gateway's limits.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode};

use crate::function::Function;
use crate::gateway_error::error_response;
use crate::http_event::{match_route, request_event, response_from_reply};
use crate::process::InvocationOutcome;
use crate::random::random_id;
use crate::template::Route;
use crate::websocket_gateway::WebSocketGateway;

/// A request may have 10 MB and take 30 seconds (Amazon API Gateway, quotas for HTTP APIs).
const MAX_REQUEST_BYTES: usize = 10 << 20;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A function's response may have 6 MB (AWS Lambda, quotas).
const MAX_RESPONSE_BYTES: usize = 6 << 20;

struct HttpGateway {
    routes: Vec<(Route, Arc<Function>)>,
    host: String,
    sockets: Arc<WebSocketGateway>,
}

pub(crate) fn router(routes: Vec<(Route, Arc<Function>)>, host: String, sockets: Arc<WebSocketGateway>) -> Router {
    Router::new().fallback(handle).with_state(Arc::new(HttpGateway { routes, host, sockets }))
}

async fn handle(State(gateway): State<Arc<HttpGateway>>, request: Request) -> Response<Body> {
    let mut response = route_request(&gateway, request).await;
    if let Ok(id) = HeaderValue::from_str(&random_id()) {
        response.headers_mut().insert("apigw-requestid", id);
    }
    response
}

async fn route_request(gateway: &HttpGateway, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Some(path) = gateway.sockets.match_upgrade(&parts) {
        return gateway.sockets.connect(parts, path).await;
    }
    let Some(body) = read_body(body).await else {
        return error_response(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    if let Some(connection) = gateway.sockets.managed_connection(&parts) {
        return gateway.sockets.manage_connection(&parts.method, &connection, &body);
    }
    let Some((route, function, variables)) = match_route(&gateway.routes, &parts.method, parts.uri.path()) else {
        return error_response(StatusCode::NOT_FOUND, "Not Found");
    };
    let payload = request_event(&parts, &body, route, variables, &gateway.host).to_json();
    let failed = || error_response(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    match tokio::time::timeout(REQUEST_TIMEOUT, function.invoke_or_throttle(payload)).await {
        Err(_) | Ok(InvocationOutcome::Throttled) => {
            error_response(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
        Ok(InvocationOutcome::Succeeded(body)) if body.len() <= MAX_RESPONSE_BYTES => {
            response_from_reply(&body, &parts.method).unwrap_or_else(failed)
        }
        Ok(_) => failed(),
    }
}

/// Reads a body up to the limit; `None` beyond it, or if the client disconnects. A body of one part is not copied.
async fn read_body(body: Body) -> Option<Bytes> {
    axum::body::to_bytes(body, MAX_REQUEST_BYTES).await.ok()
}
