//! The description, its viewer, and where they begin.

use std::sync::OnceLock;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use entry::http::{PUBLIC_CACHE, Problem, ProblemType};

use crate::{document, guide};

/// The description of the sockets, AsyncAPI 3.
const SOCKETS: &str = include_str!("asyncapi.json");

/// The description of the contract with external processors, OpenAPI 3.1.
const PROCESSORS: &str = include_str!("processor.json");

/// What the viewer may load and call: its own files, the API of its host, and sockets, which may be elsewhere. It is at the
/// origin of the console, whose sessions a script in it could use: none runs that is not a file of ours, and no other site
/// shows it in a frame. Its styles are inline; its icons and fonts are in its style sheet.
const VIEWER_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
     connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The viewer's files, out of the binary.
async fn viewer(Path(path): Path<String>) -> Response {
    let config = std::sync::Arc::new(utoipa_swagger_ui::Config::from("/docs/openapi.json"));
    match utoipa_swagger_ui::serve(&path, config) {
        Ok(Some(file)) => {
            let mut response = same(&file.content_type, file.bytes.into_owned());
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, VIEWER_POLICY);
            response
        }
        _ => Problem::new(ProblemType::NoSuchPage, "there is no such page").into_response(),
    }
}

/// What changes with a deployment at most.
fn same(kind: &str, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    let kind = HeaderValue::from_str(kind).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CACHE_CONTROL, PUBLIC_CACHE);
    response
}

/// Where the viewer begins.
async fn start() -> Redirect {
    Redirect::permanent("/docs/index.html")
}

/// The description (OpenAPI, JSON). It is made for the first request that asks for it: a start of the function, and a reader of
/// the guide, need none.
async fn description() -> Result<Response, Problem> {
    static DESCRIPTION: OnceLock<Bytes> = OnceLock::new();
    let made = match DESCRIPTION.get() {
        Some(made) => made.clone(), // counts a reference
        None => {
            let made = serde_json::to_vec(&document::document()?)?;
            DESCRIPTION.get_or_init(|| made.into()).clone()
        }
    };
    Ok(same("application/json", made))
}

/// All pages.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(async || Redirect::temporary("/docs")))
        .route("/docs", get(start))
        .route("/docs/", get(start))
        .route("/docs/openapi.json", get(description))
        .route("/docs/asyncapi.json", get(async || same("application/json", SOCKETS)))
        .route("/docs/processor.json", get(async || same("application/json", PROCESSORS)))
        .route("/docs/guide", get(guide::list))
        .route("/docs/guide/", get(guide::list))
        .route("/docs/guide/{page}", get(guide::show))
        .route("/docs/guide/pictures/{name}", get(guide::picture))
        .route("/docs/{*path}", get(viewer))
}
