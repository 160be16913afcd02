//! An Object Matrix vault behind S3Connect, as defensively as it has to be met: the older listing alone, in short pages
//! without a next marker; types by HEAD; retention that refuses writes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::server::serve;

/// Objects per page, whatever is asked for.
const PER_PAGE: usize = 2;

#[derive(Default)]
struct Inner {
    objects: Mutex<BTreeMap<String, (&'static str, Vec<u8>)>>,
    heads: Mutex<usize>,
    refused: Mutex<usize>,
}

/// A running vault.
#[derive(Clone)]
pub struct Vault {
    pub url: String,
    inner: Arc<Inner>,
}

impl Vault {
    pub async fn start() -> Self {
        let inner = Arc::<Inner>::default();
        let object = get(read).head(head).put(refuse);
        let router =
            Router::new().route("/{vault}", get(list)).route("/{vault}/", get(list)).route("/{vault}/{*key}", object);
        let url = serve(router.with_state(inner.clone())).await;
        Self { url, inner }
    }

    pub fn put(&self, key: &str, media_type: &'static str, bytes: Vec<u8>) {
        self.inner.objects.lock().expect("not poisoned").insert(key.to_owned(), (media_type, bytes));
    }

    /// How many types were asked for.
    pub fn heads(&self) -> usize {
        *self.inner.heads.lock().expect("not poisoned")
    }

    /// How many writes were refused.
    pub fn refused(&self) -> usize {
        *self.inner.refused.lock().expect("not poisoned")
    }
}

async fn list(State(it): State<Arc<Inner>>, Query(query): Query<BTreeMap<String, String>>) -> Response<Body> {
    if query.get("list-type").is_some_and(|it| it == "2") {
        return (StatusCode::NOT_IMPLEMENTED, "<Error><Code>NotImplemented</Code></Error>").into_response();
    }
    let after = query.get("marker").cloned().unwrap_or_default();
    let objects = it.objects.lock().expect("not poisoned");
    let rest: Vec<(&String, usize)> =
        objects.iter().filter(|it| *it.0 > after).map(|it| (it.0, it.1.1.len())).collect();
    let entry = |(key, size): &(&String, usize)| {
        format!(
            "<Contents><Key>{key}</Key><ETag>\"{size}-oid\"</ETag><Size>{size}</Size><LastModified>2026-11-21T09:00:00.000Z</LastModified></Contents>"
        )
    };
    let page: String = rest.iter().take(PER_PAGE).map(entry).collect();
    let more = rest.len() > PER_PAGE;
    format!("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>{more}</IsTruncated>{page}</ListBucketResult>")
        .into_response()
}

async fn head(State(it): State<Arc<Inner>>, Path((_, key)): Path<(String, String)>) -> Response<Body> {
    *it.heads.lock().expect("not poisoned") += 1;
    match it.objects.lock().expect("not poisoned").get(&key) {
        Some((media_type, _)) => [("content-type", *media_type)].into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn read(State(it): State<Arc<Inner>>, Path((_, key)): Path<(String, String)>) -> Response<Body> {
    match it.objects.lock().expect("not poisoned").get(&key) {
        Some((_, bytes)) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn refuse(State(it): State<Arc<Inner>>) -> Response<Body> {
    *it.refused.lock().expect("not poisoned") += 1;
    (StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code><Message>retention</Message></Error>").into_response()
}
