//! The emulator's routes, behind its rate limit, its authentication and its faults.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::emulator::{APP_ID, IconikEmulator, SERVICE_USER};
use super::faults::{Faults, one_in};
use super::response::error;
use super::{assets, files, jobs, metadata, search, segments, webhooks};
use crate::clock::{now_ms, pause};

/// All routes of the emulator.
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

/// `POST /faults`: replaces the faults.
async fn replace_faults(State(iconik): State<IconikEmulator>, Json(faults): Json<Faults>) -> StatusCode {
    let requests = iconik.faults().requests;
    *iconik.faults() = Faults { requests, ..faults };
    StatusCode::NO_CONTENT
}

fn is_authenticated(iconik: &IconikEmulator, headers: &HeaderMap) -> bool {
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    header("app-id") == Some(APP_ID) && header("auth-token") == Some(iconik.token())
}

/// Counts a request, and refuses it as its credentials, the rate limit or the faults demand.
async fn check_request(State(iconik): State<IconikEmulator>, request: Request, next: Next) -> Response<Body> {
    let authenticated = is_authenticated(&iconik, request.headers());
    let (remaining, faults, count) = {
        let mut faults = iconik.faults();
        faults.requests += 1;
        (faults.acquire(now_ms()), faults.clone(), faults.requests)
    };
    if faults.slow_ms > 0 {
        pause(std::time::Duration::from_millis(faults.slow_ms)).await;
    }
    if !authenticated || faults.refused_until > now_ms() {
        return error(StatusCode::UNAUTHORIZED, "Token is invalid").into_response();
    }
    let Some(remaining) = remaining.filter(|_| !one_in(faults.busy_every, count)) else {
        let mut response = error(StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded").into_response();
        response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
        return response;
    };
    let failing = one_in(faults.error_every, count);
    // every second failure comes after the request was carried out
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
