//! `docs-api`: describes every route that there is, shows the description, and the guide. It may touch nothing.

mod document;
mod guide;
mod operations;
mod responses;

use axum::Json;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

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
    let document = document::document()?;
    let router = axum::Router::new()
        .route("/docs", get(async || Redirect::permanent("/docs/index.html")))
        .route("/docs/openapi.json", get(async move || Json(document.clone())))
        .route("/docs/asyncapi.json", get(async || ([(header::CONTENT_TYPE, "application/json")], SOCKETS)))
        .route("/docs/guide", get(guide::list))
        .route("/docs/guide/{page}", get(guide::show))
        .route("/docs/{*path}", get(viewer));
    entry::start().await.http(router).await
}
