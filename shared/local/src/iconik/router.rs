//! The stand-in's routes, behind its limits, its credentials and its failures.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::faults::{Faults, one_in};
use super::{APP_ID, IconikEmulator, SERVICE_USER, assets, files, jobs, metadata, search, segments, webhooks};
use crate::now_ms;

/// What an endpoint answers.
pub(super) type ApiResult = Result<(StatusCode, Json<Value>), ApiError>;

/// An error: its status and its body.
pub(super) struct ApiError(pub(super) StatusCode, pub(super) Value);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        (self.0, Json(self.1)).into_response()
    }
}

/// An answer with 200.
pub(super) fn ok(body: Value) -> ApiResult {
    Ok((StatusCode::OK, Json(body)))
}

/// An answer with 201.
pub(super) fn created(body: Value) -> ApiResult {
    Ok((StatusCode::CREATED, Json(body)))
}

/// An error, in the first of Iconik's two shapes.
pub(super) fn error(status: StatusCode, text: &str) -> ApiError {
    ApiError(status, json!({ "errors": [text] }))
}

/// A page of a list that is paged by `page` and `per_page`.
pub(super) fn page(objects: Vec<Value>, query: &[(String, String)], max_per_page: usize) -> Value {
    let number = |name: &str, default: usize| {
        query.iter().find(|it| it.0 == name).and_then(|it| it.1.parse::<usize>().ok()).unwrap_or(default)
    };
    let (per_page, page) = (number("per_page", 10).clamp(1, max_per_page), number("page", 1).max(1));
    let total = objects.len();
    let objects: Vec<Value> = objects.into_iter().skip((page - 1) * per_page).take(per_page).collect();
    json!({ "objects": objects, "page": page, "pages": total.div_ceil(per_page), "per_page": per_page, "total": total })
}

pub(super) fn router(iconik: IconikEmulator) -> Router {
    let api = Router::new()
        .route("/API/auth/v1/auth/token/", get(async || Json(json!({ "status": "valid" }))))
        .route(
            "/API/users/v1/users/current/",
            get(async |State(iconik): State<IconikEmulator>| {
                Json(json!({ "id": SERVICE_USER, "system_domain_id": iconik.domain(), "email": "service@iconik.example" }))
            }),
        )
        .merge(assets::routes())
        .merge(files::routes())
        .merge(jobs::routes())
        .merge(metadata::routes())
        .merge(search::routes())
        .merge(segments::routes())
        .merge(webhooks::routes())
        .layer(from_fn_with_state(iconik.clone(), check_request));
    Router::new()
        .merge(api)
        .route("/media/{file}", get(files::media_bytes))
        .route("/faults", post(replace_faults))
        .fallback(async || error(StatusCode::NOT_FOUND, "not found"))
        .with_state(iconik)
}

/// `POST /faults`: how to fail from now on.
async fn replace_faults(State(iconik): State<IconikEmulator>, Json(faults): Json<Faults>) -> StatusCode {
    let answered = iconik.faults().requests;
    *iconik.faults() = Faults { requests: answered, ..faults };
    StatusCode::NO_CONTENT
}

fn is_authenticated(iconik: &IconikEmulator, headers: &HeaderMap) -> bool {
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    header("app-id") == Some(APP_ID) && header("auth-token") == Some(iconik.token())
}

async fn check_request(State(iconik): State<IconikEmulator>, request: Request, next: Next) -> Response<Body> {
    let known = is_authenticated(&iconik, request.headers());
    let (remaining, faults, count) = {
        let mut faults = iconik.faults();
        faults.requests += 1;
        (faults.acquire(now_ms()), faults.clone(), faults.requests)
    };
    if faults.slow_ms > 0 {
        crate::pause(std::time::Duration::from_millis(faults.slow_ms)).await;
    }
    if !known || faults.refused_until > now_ms() {
        return error(StatusCode::UNAUTHORIZED, "Token is invalid").into_response();
    }
    let Some(remaining) = remaining.filter(|_| !one_in(faults.busy_every, count)) else {
        let mut response = error(StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded").into_response();
        response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
        return response;
    };
    let failing = one_in(faults.error_every, count);
    // half of the failures come after the work was done
    if failing && count % 2 == 0 {
        return error(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong").into_response();
    }
    let mut response = next.run(request).await;
    if failing {
        response = error(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong").into_response();
    }
    response.headers_mut().insert("ratelimit-remaining", HeaderValue::from(remaining));
    response
}
