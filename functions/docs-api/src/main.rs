//! `docs-api`: describes every route that there is, and shows the description. It may touch nothing.

use axum::Json;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};

/// What all routes have in common.
#[derive(OpenApi)]
#[openapi(info(title = "Notifications API", description = "New media is found, analysed and announced."))]
struct Api;

fn document() -> utoipa::openapi::OpenApi {
    let mut api = Api::openapi();
    api.merge(media_api::openapi());
    api.merge(channels_api::openapi());
    api.merge(iconik_webhook::openapi());
    api.merge(inbox_api::openapi());
    let components = api.components.get_or_insert_default();
    // one scheme stands for the pair: `x-api-secret` goes beside it
    let key = ApiKey::Header(ApiKeyValue::with_description("x-api-key", "with x-api-secret beside it"));
    components.add_security_scheme("keys", SecurityScheme::ApiKey(key));
    let secret = ApiKey::Header(ApiKeyValue::new("x-api-secret"));
    components.add_security_scheme("secret", SecurityScheme::ApiKey(secret));
    api
}

/// The description of the sockets, AsyncAPI 3.
const SOCKETS: &str = include_str!("asyncapi.json");

/// The viewer's files, out of the binary.
async fn viewer(Path(path): Path<String>) -> Response {
    let config = std::sync::Arc::new(utoipa_swagger_ui::Config::from("/docs/openapi.json"));
    match utoipa_swagger_ui::serve(&path, config) {
        Ok(Some(file)) => ([(header::CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), entry::Error> {
    let document = document();
    let router = axum::Router::new()
        .route("/docs", get(async || Redirect::permanent("/docs/index.html")))
        .route("/docs/openapi.json", get(async move || Json(document.clone())))
        .route("/docs/asyncapi.json", get(async || ([(header::CONTENT_TYPE, "application/json")], SOCKETS)))
        .route("/docs/{*path}", get(viewer));
    entry::start().await.http(router).await
}
