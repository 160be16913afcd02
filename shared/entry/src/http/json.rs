//! JSON bodies: a wrong one is a problem that names the field.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::Problem;

/// The largest JSON body.
const MOST: usize = 256 * 1024;

/// A parsed body. An unknown field, a missing one or a wrong type is answered with 422, broken JSON with 400.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let media_type = kind.split(';').next().unwrap_or_default().trim().to_lowercase();
        if media_type != "application/json" {
            let title = "send the body as application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", title));
        }
        let too_large =
            || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("a body has at most {MOST} bytes"));
        let bytes = Bytes::from_request(request, state).await.map_err(|_| too_large())?;
        if bytes.len() > MOST {
            return Err(too_large());
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let status = if error.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
            let code = if error.is_data() { "invalid" } else { "not-json" };
            Problem::new(status, code, error.to_string())
        })
    }
}
