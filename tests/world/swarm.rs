//! A DataCore Swarm that fails on request: listings and objects as its S3 front end gives them, and its habits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::server::serve;

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    #[default]
    Good,
    /// 503 to everything.
    Down,
    /// 403 to everything: the credentials are refused.
    Denied,
    /// The token has expired: everybody is anonymous, and the bucket is public and, to them, empty.
    Anonymous,
    /// Something that is not S3.
    Strange,
}

#[derive(Default)]
struct Inner {
    objects: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
    mood: Mutex<Mood>,
    listings: Mutex<usize>,
    /// From when on each search over SCSP looked; empty for a walk.
    searches: Mutex<Vec<String>>,
}

/// A running Swarm.
#[derive(Clone)]
pub struct Swarm {
    pub url: String,
    inner: Arc<Inner>,
}

impl Swarm {
    pub async fn start() -> Self {
        let inner = Arc::<Inner>::default();
        let router = Router::new()
            .route("/{bucket}", get(list))
            .route("/{bucket}/", get(list))
            .route("/{bucket}/{*key}", get(object));
        let url = serve(router.with_state(inner.clone())).await;
        Self { url, inner }
    }

    /// Puts an object with an ETag of its own: Swarm's changes with a write of metadata, the bytes do not.
    pub fn put(&self, key: &str, etag: &str, bytes: Vec<u8>) {
        self.inner.objects.lock().expect("not poisoned").insert(key.to_owned(), (etag.to_owned(), bytes));
    }

    pub fn mood(&self, mood: Mood) {
        *self.inner.mood.lock().expect("not poisoned") = mood;
    }

    /// From when on each search over SCSP looked; empty for a walk.
    pub fn searches(&self) -> Vec<String> {
        self.inner.searches.lock().expect("not poisoned").clone()
    }

    /// How many pages it has listed, without probes.
    pub fn listings(&self) -> usize {
        *self.inner.listings.lock().expect("not poisoned")
    }
}

fn refuse(status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>")).into_response()
}

/// SCSP: everything, as JSON, to who has the password.
fn search(it: &Inner, query: &BTreeMap<String, String>, headers: &HeaderMap) -> Response {
    // `user:password`
    if headers.get("authorization").is_none_or(|it| it != "Basic dXNlcjpwYXNzd29yZA==") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    it.searches.lock().expect("not poisoned").push(query.get("last_modified>").cloned().unwrap_or_default());
    let objects = it.objects.lock().expect("not poisoned");
    let entry = |(key, (etag, bytes)): (&String, &(String, Vec<u8>))| serde_json::json!({ "name": key, "hash": etag, "bytes": bytes.len(), "last_modified": "2026-11-21T09:00:00.000000Z", "content_type": "image/jpeg" });
    axum::Json(objects.iter().map(entry).collect::<Vec<serde_json::Value>>()).into_response()
}

async fn list(
    State(it): State<Arc<Inner>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if query.get("format").is_some_and(|it| it == "json") {
        return search(&it, &query, &headers);
    }
    let most: usize = query.get("max-keys").and_then(|it| it.parse().ok()).unwrap_or(1_000);
    let probe = most == 1;
    let mood = *it.mood.lock().expect("not poisoned");
    match (mood, probe) {
        (Mood::Down, _) => return refuse(503, "ServiceUnavailable"),
        (Mood::Denied, _) => return refuse(403, "InvalidAccessKeyId"),
        (Mood::Strange, _) => return (StatusCode::OK, "<html>It works!</html>").into_response(),
        (Mood::Good, true) => return refuse(403, "SignatureDoesNotMatch"),
        (Mood::Anonymous, _) => return (StatusCode::OK, listing(&[], None)).into_response(),
        (Mood::Good, false) => {}
    }
    *it.listings.lock().expect("not poisoned") += 1;
    let after = query.get("continuation-token").cloned().unwrap_or_default();
    let objects = it.objects.lock().expect("not poisoned");
    let page: Vec<(&String, &(String, Vec<u8>))> = objects.iter().filter(|it| *it.0 > after).take(most + 1).collect();
    let next = (page.len() > most).then(|| page[most - 1].0.clone());
    (StatusCode::OK, listing(&page[..page.len().min(most)], next)).into_response()
}

fn listing(page: &[(&String, &(String, Vec<u8>))], next: Option<String>) -> String {
    let objects: String = page.iter().map(|(key, (etag, bytes))| {
        format!("<Contents><Key>{key}</Key><ETag>&quot;{etag}&quot;</ETag><Size>{}</Size><LastModified>2026-11-21T09:00:00.000Z</LastModified></Contents>", bytes.len())
    }).collect();
    let token =
        next.as_ref().map_or_else(String::new, |it| format!("<NextContinuationToken>{it}</NextContinuationToken>"));
    format!(
        "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>{}</IsTruncated>{objects}{token}</ListBucketResult>",
        next.is_some()
    )
}

async fn object(State(it): State<Arc<Inner>>, Path((_, key)): Path<(String, String)>) -> Response {
    let mood = *it.mood.lock().expect("not poisoned");
    if mood == Mood::Down {
        return refuse(503, "ServiceUnavailable");
    }
    match it.objects.lock().expect("not poisoned").get(&key) {
        Some((_, bytes)) => bytes.clone().into_response(),
        None => refuse(404, "NoSuchKey"),
    }
}
