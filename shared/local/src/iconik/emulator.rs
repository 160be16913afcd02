//! The emulator's handle: its identity, its objects, and how it fails.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::faults::Faults;
use super::response::{ApiError, error};
use super::store::Store;
use crate::clock::now_ms;
use crate::lock::lock;

/// The user whose token the product has.
pub(super) const SERVICE_USER: &str = "774ac51c-f6db-11e7-b11a-0a580a3c0323";
/// The user who uploads what is dropped into the library's folder.
pub(super) const UPLOADING_USER: &str = "8951f88e-7ff0-11ef-b7ae-4664fc99c07f";
/// The system domain that the token belongs to at the start.
pub const DOMAIN_ID: &str = "57016980-6e13-11e8-ab5a-0a580a3c0f5c";
/// The application id (`App-ID`) that the product has to send.
pub const APP_ID: &str = "0a1b2c3d-4e5f-11ef-8a9b-0a580a3c0001";
/// The metadata view that results are written to.
pub const METADATA_VIEW_ID: &str = "156883b8-dab1-11ef-beb8-f617c15dd4ee";
/// The collection that holds every asset of the library.
pub const LIBRARY_COLLECTION_ID: &str = "8ffdc442-8018-11ef-b615-0267038c3c9b";

/// A running emulator. Clones share it.
#[derive(Clone)]
pub struct IconikEmulator {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    token: String,
    domain: Mutex<String>,
    media: PathBuf,
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    http: reqwest::Client,
}

impl IconikEmulator {
    /// An emulator at `url`, with the library's collection. `media` is the folder of the files' bytes.
    pub(super) fn new(url: String, media: PathBuf, store: Store, http: reqwest::Client) -> Self {
        let token = store.token().to_owned();
        let (domain, store, faults) = (Mutex::new(DOMAIN_ID.to_owned()), Mutex::new(store), Mutex::default());
        let emulator = Self { inner: Arc::new(Inner { url, token, domain, media, store, faults, http }) };
        emulator.create_library_collection();
        emulator
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The token that the product presents as `Auth-Token`.
    pub fn token(&self) -> &str {
        &self.inner.token
    }

    /// The system domain that the token belongs to.
    pub fn domain(&self) -> String {
        lock(&self.inner.domain).clone()
    }

    /// Moves the token to another system domain.
    pub fn set_domain(&self, domain: &str) {
        domain.clone_into(&mut lock(&self.inner.domain));
    }

    /// Replaces the faults: an object with members of `Faults`, as `POST /faults` takes it. Anything else changes
    /// nothing.
    pub fn set_faults(&self, faults: Value) {
        if let Ok(faults) = serde_json::from_value(faults) {
            *self.faults() = faults;
        }
    }

    /// All objects of a kind as they are stored, oldest first: `asset`, `segment`, `metadata`, `job`, `history`,
    /// `webhook`, …
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        self.store().all(kind).cloned().collect()
    }

    /// The number of requests so far, refused ones included.
    pub fn request_count(&self) -> u64 {
        self.faults().requests
    }

    /// Changes every webhook without a request of the product, as a person in Iconik's settings would.
    pub fn update_webhooks(&self, change: impl Fn(&mut Value)) {
        let mut store = self.store();
        let webhooks: Vec<Value> = store.all("webhook").cloned().collect();
        for mut webhook in webhooks {
            change(&mut webhook);
            store.put("webhook", &string(&webhook["id"]), webhook.clone());
        }
    }

    /// An object; 404 (`no such …`) if it is not there.
    pub(super) fn find(&self, kind: &str, id: &str) -> Result<Value, ApiError> {
        let found = self.store().get(kind, id).cloned();
        found.ok_or_else(|| error(StatusCode::NOT_FOUND, &format!("no such {kind}")))
    }

    fn create_library_collection(&self) {
        let mut store = self.store();
        if store.get("collection", LIBRARY_COLLECTION_ID).is_none() {
            let collection = json!({
                "id": LIBRARY_COLLECTION_ID, "title": "Library", "status": "ACTIVE", "parent_id": null,
                "date_created": timestamp(),
            });
            store.put("collection", LIBRARY_COLLECTION_ID, collection);
        }
    }

    /// The path of the bytes of a file.
    pub(super) fn media_path(&self, file: &str) -> PathBuf {
        self.inner.media.join(file)
    }

    /// The client for requests to the product.
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.inner.http
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.inner.store)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.inner.faults)
    }
}

/// The current time as Iconik writes it: with microseconds and `+00:00`.
pub(super) fn timestamp() -> String {
    let at = chrono::DateTime::<chrono::Utc>::from_timestamp_millis(now_ms()).unwrap_or_default();
    at.format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

/// A time as Iconik writes it, in milliseconds since 1970; `None` for anything else.
pub(super) fn timestamp_ms(value: &Value) -> Option<i64> {
    let at = chrono::DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    Some(at.timestamp_millis())
}

/// The text of a JSON string; empty for anything else.
pub(super) fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
