//! What the paths of the seed's dialect have in common: bare JSON, and errors as `{"detail": …}`.

use axum::Json;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::answer::FaultResponse;
use crate::request::OmaRequest;
use crate::route::Route;
use crate::seed_body::SeedRefusal;

/// Why a request is refused: a status and its `detail`.
pub(crate) struct Detail(StatusCode, String, Option<FaultResponse>);

impl From<FaultResponse> for Detail {
    fn from(refusal: FaultResponse) -> Self {
        let status = StatusCode::from_u16(refusal.fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reason = status.canonical_reason().unwrap_or_default().to_owned();
        Self(status, reason, Some(refusal))
    }
}

impl IntoResponse for Detail {
    fn into_response(self) -> Response {
        let mut response = (self.0, Json(SeedRefusal { detail: self.1 })).into_response();
        response.headers_mut().extend(self.2.map(|it| *it.headers).unwrap_or_default());
        response
    }
}

/// A body that is too large.
pub(crate) fn too_large() -> Response {
    Detail(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large".to_owned(), None).into_response()
}

/// The answer to a method that the resource does not have.
pub(crate) fn refused_method(route: &Route, method: &Method) -> Option<Response> {
    if route.allows(method) {
        return None;
    }
    let allow = [(header::ALLOW, route.allowed())];
    let refusal = SeedRefusal { detail: "Method Not Allowed".to_owned() };
    Some((StatusCode::METHOD_NOT_ALLOWED, allow, Json(refusal)).into_response())
}

/// A member of a body in either of its spellings; null if it has none.
pub(crate) fn member<'a>(body: &'a Value, names: [&str; 2]) -> &'a Value {
    names.iter().map(|it| &body[*it]).find(|it| !it.is_null()).unwrap_or(&Value::Null)
}

/// The JSON object of a body.
pub(crate) fn body(asked: &OmaRequest<'_>) -> Result<Value, Detail> {
    let body: Value = serde_json::from_slice(&asked.body).map_err(|it| invalid(&it.to_string()))?;
    if body.is_object() { Ok(body) } else { Err(invalid("the body is a JSON object")) }
}

pub(crate) fn invalid(why: &str) -> Detail {
    Detail(StatusCode::UNPROCESSABLE_ENTITY, why.to_owned(), None)
}
