//! Bodies of requests and responses.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use entry::http::{Problem, ProblemType};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The largest body that is read.
const MAX_BODY_BYTES: usize = 1 << 20;

/// What became of a webhook or a custom action.
#[derive(Serialize, ToSchema)]
#[schema(as = Taken)]
pub(crate) struct Receipt {
    /// `queued` or `ignored`
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Receipt {
    pub(crate) fn queued() -> Json<Self> {
        Json(Self { status: "queued", reason: None })
    }

    /// With status 200 as well: Iconik counts any other answer as a failure, and disables the webhook in the end.
    pub(crate) fn ignored(reason: impl Into<String>) -> Json<Self> {
        Json(Self { status: "ignored", reason: Some(reason.into()) })
    }
}

/// A body of at most [`MAX_BODY_BYTES`] of JSON, whatever its content type says.
pub(crate) struct Payload(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let too_large = || Problem::new(ProblemType::TooLarge, "a body has at most 1 MB");
        let bytes = Bytes::from_request(request, state).await.map_err(|_| too_large())?;
        if bytes.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        let not_json = |_| Problem::new(ProblemType::NotJson, "the body is no JSON");
        serde_json::from_slice(&bytes).map(Self).map_err(not_json)
    }
}
