//! A client's own server, whose address is a subscription's `notifyURL`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;
use system_tests::serve;

use super::client::Format;

/// A post that came, and the status that it was answered with.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) status: u16,
}

#[derive(Default)]
struct Inner {
    posts: Mutex<Vec<Post>>,
    /// Statuses to answer before the usual 204.
    statuses: Mutex<VecDeque<u16>>,
}

/// A running server.
pub(crate) struct NotifyServer {
    pub(crate) url: String,
    format: Format,
    inner: Arc<Inner>,
}

impl Post {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    /// Whether the application's key pair signed it; `keys` is the application's key set (RFC 7517).
    pub(crate) fn is_signed_by(&self, keys: &Value) -> bool {
        let (id, timestamp) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let signed = format!("{id}.{timestamp}.{}", self.body);
        let public = URL_SAFE_NO_PAD.decode(keys["keys"][0]["x"].as_str().unwrap_or_default()).unwrap();
        let tag = self.header("webhook-signature").strip_prefix("v1a,").and_then(|it| STANDARD.decode(it).ok());
        tag.is_some_and(|it| UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &it).is_ok())
    }
}

impl NotifyServer {
    pub(crate) async fn start(format: Format) -> Self {
        let inner = Arc::new(Inner::default());
        let url = serve(Router::new().fallback(post(take)).with_state(inner.clone())).await + "/notify?client=7";
        Self { url, format, inner }
    }

    /// What to answer next, before the usual 204.
    pub(crate) fn answers(&self, statuses: &[u16]) {
        self.inner.statuses.lock().unwrap().extend(statuses);
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.inner.posts.lock().unwrap().clone()
    }

    /// The lists that were taken, by their indexes: each once, in the order in which they were taken first.
    pub(crate) fn lists(&self) -> Vec<Value> {
        let mut lists: Vec<Value> = Vec::new();
        for post in self.posts().iter().filter(|it| it.status == 204) {
            assert!(post.header("content-type").starts_with(self.format.media_type()), "{post:?}");
            let list = self.format.read(&post.body);
            if !lists.contains(&list) {
                lists.push(list);
            }
        }
        lists
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let status = inner.statuses.lock().unwrap().pop_front().unwrap_or(204);
    let body = String::from_utf8(body.to_vec()).unwrap();
    inner.posts.lock().unwrap().push(Post { headers, body, status });
    let code = StatusCode::from_u16(status).unwrap();
    match status {
        503 => (code, [(header::RETRY_AFTER, "5")]).into_response(),
        302 => (code, [(header::LOCATION, "/elsewhere")]).into_response(),
        _ => code.into_response(),
    }
}
