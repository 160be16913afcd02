//! The responses of Iconik's API.

use axum::Json;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde_json::{Value, json};

/// The response of an endpoint.
pub(super) type ApiResult = Result<(StatusCode, Json<Value>), ApiError>;

/// An error: its status and its body.
pub(super) struct ApiError(pub(super) StatusCode, pub(super) Value);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        (self.0, Json(self.1)).into_response()
    }
}

/// A response with 200.
pub(super) fn ok(body: Value) -> ApiResult {
    Ok((StatusCode::OK, Json(body)))
}

/// A response with 201.
pub(super) fn created(body: Value) -> ApiResult {
    Ok((StatusCode::CREATED, Json(body)))
}

/// An error in the first of Iconik's two shapes, a list of texts. The second has texts by field.
pub(super) fn error(status: StatusCode, text: &str) -> ApiError {
    ApiError(status, json!({ "errors": [text] }))
}
