//! An S3 server that answers listings as it is told, word for word, and keeps objects with their ETags.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::server::serve;

type Asked = BTreeMap<String, String>;
/// Status, headers and body.
type ErrorResponse = (u16, Vec<(&'static str, String)>, String);
type Lists = Box<dyn Fn(&Asked) -> String + Send>;

#[derive(Default)]
struct Inner {
    lists: Mutex<Option<Lists>>,
    refuses: Mutex<Option<ErrorResponse>>,
    objects: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
    asked: Mutex<Vec<Asked>>,
    signed: Mutex<Vec<String>>,
    reads: Mutex<Vec<(String, String)>>,
}

/// A running server.
#[derive(Clone)]
pub struct Shelf {
    pub url: String,
    inner: Arc<Inner>,
}

impl Shelf {
    pub async fn start() -> Self {
        let inner = Arc::<Inner>::default();
        let router = Router::new()
            .route("/{bucket}", get(list))
            .route("/{bucket}/", get(list))
            .route("/{bucket}/{*key}", get(object));
        let url = serve(router.with_state(inner.clone())).await;
        Self { url, inner }
    }

    /// Answers each listing so, by its query.
    pub fn lists(&self, answer: impl Fn(&Asked) -> String + Send + 'static) {
        *self.inner.lists.lock().expect("not poisoned") = Some(Box::new(answer));
    }

    /// Answers everything so, but for the probe of a wrong secret.
    pub fn refuses(&self, refusal: Option<ErrorResponse>) {
        *self.inner.refuses.lock().expect("not poisoned") = refusal;
    }

    pub fn put(&self, key: &str, etag: &str, bytes: Vec<u8>) {
        self.inner.objects.lock().expect("not poisoned").insert(key.to_owned(), (etag.to_owned(), bytes));
    }

    /// What was read of an object, in order: a range, or `all`.
    pub fn reads(&self, key: &str) -> Vec<String> {
        let reads = self.inner.reads.lock().expect("not poisoned");
        reads.iter().filter(|it| it.0 == key).map(|it| it.1.clone()).collect()
    }

    /// The queries of all listings, and the `Authorization` of each.
    pub fn asked(&self) -> (Vec<Asked>, Vec<String>) {
        let signed = self.inner.signed.lock().expect("not poisoned").clone();
        (self.inner.asked.lock().expect("not poisoned").clone(), signed)
    }
}

async fn list(State(it): State<Arc<Inner>>, Query(query): Query<Asked>, headers: HeaderMap) -> Response {
    if let Some((status, headers, body)) = it.refuses.lock().expect("not poisoned").clone() {
        let status = StatusCode::from_u16(status).expect("a status");
        let mut answer = (status, body).into_response();
        for (name, value) in headers {
            answer.headers_mut().insert(name, value.parse().expect("a header"));
        }
        return answer;
    }
    if query.get("max-keys").is_some_and(|it| it == "1") {
        let body = "<Error><Code>SignatureDoesNotMatch</Code></Error>";
        return (StatusCode::FORBIDDEN, body).into_response();
    }
    let signed = headers.get("authorization").and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    it.signed.lock().expect("not poisoned").push(signed);
    it.asked.lock().expect("not poisoned").push(query.clone());
    let answer = it.lists.lock().expect("not poisoned").as_ref().map(|it| it(&query)).unwrap_or_default();
    answer.into_response()
}

async fn object(State(it): State<Arc<Inner>>, Path((_, key)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let range = headers.get("range").and_then(|it| it.to_str().ok()).unwrap_or("all").to_owned();
    it.reads.lock().expect("not poisoned").push((key.clone(), range));
    let objects = it.objects.lock().expect("not poisoned");
    let Some((etag, bytes)) = objects.get(&key) else { return StatusCode::NOT_FOUND.into_response() };
    let etag = format!("\"{etag}\"");
    if headers.get("if-match").is_some_and(|it| it != etag.as_str()) {
        let body = "<Error><Code>PreconditionFailed</Code></Error>";
        return (StatusCode::PRECONDITION_FAILED, body).into_response();
    }
    ([("etag", etag)], bytes.clone()).into_response()
}
