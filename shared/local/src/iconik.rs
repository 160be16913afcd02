//! A stand-in for Iconik, for whoever has no account: written from its published interface, with a folder as its library.
//!
//! It is a server like Iconik's own: what talks to it cannot know the difference. A file that is dropped into the library
//! is uploaded, closed, given a proxy, announced by webhooks, and served by signed links.

mod assets;
mod faults;
mod files;
mod jobs;
mod library;
mod metadata;
mod proxies;
mod router;
mod search;
mod segments;
mod store;
mod webhooks;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::StackError;
use faults::Faults;
use store::Store;

/// The stand-in's own user: whose token the product has.
const SERVICE_USER: &str = "774ac51c-f6db-11e7-b11a-0a580a3c0323";
/// The user who uploads what is dropped into the library.
const UPLOADING_USER: &str = "8951f88e-7ff0-11ef-b7ae-4664fc99c07f";
/// Its domain.
pub const DOMAIN_ID: &str = "57016980-6e13-11e8-ab5a-0a580a3c0f5c";
/// The application id that the product calls itself.
pub const APP_ID: &str = "0a1b2c3d-4e5f-11ef-8a9b-0a580a3c0001";
/// The view that results are written to.
pub const METADATA_VIEW_ID: &str = "156883b8-dab1-11ef-beb8-f617c15dd4ee";
/// The collection that everything in the library lies in.
pub const LIBRARY_COLLECTION_ID: &str = "8ffdc442-8018-11ef-b615-0267038c3c9b";

/// A running stand-in.
#[derive(Clone)]
pub struct IconikEmulator {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    token: String,
    domain: Mutex<String>,
    media: std::path::PathBuf,
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    http: reqwest::Client,
}

impl IconikEmulator {
    /// Starts a stand-in that keeps what it has in `data` and takes what is dropped into `library`.
    pub fn start(listener: TcpListener, data: &Path, library: &Path) -> Result<(Self, JoinHandle<()>), StackError> {
        let unwritable = |it: std::io::Error| StackError::Unwritable { path: library.to_owned(), source: it.into() };
        let media = data.join("iconik-media");
        std::fs::create_dir_all(library).map_err(unwritable)?;
        std::fs::create_dir_all(&media).map_err(unwritable)?;
        let file = data.join("iconik.db");
        let store = Store::open(&file).map_err(|it| StackError::Corrupt { path: file, source: it.into() })?;
        let address = listener.local_addr().map_err(|it| StackError::emulator("a port has no address", it))?;
        let inner = Inner {
            url: format!("http://{address}"),
            token: store.token().to_owned(),
            domain: Mutex::new(DOMAIN_ID.to_owned()),
            media,
            store: Mutex::new(store),
            faults: Mutex::default(),
            http: crate::aws_json::http_client()?,
        };
        let iconik = Self { inner: Arc::new(inner) };
        iconik.create_library_collection();
        let (router, watch) = (router::router(iconik.clone()), library::watch(iconik.clone(), library.to_owned()));
        let task = tokio::spawn(async move {
            tokio::select! {
                served = axum::serve(listener, router).into_future() => drop(served),
                () = watch => {}
            }
        });
        Ok((iconik, task))
    }

    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// What the product presents as `Auth-Token`.
    pub fn token(&self) -> &str {
        &self.inner.token
    }

    /// The domain that its token belongs to.
    pub fn domain(&self) -> String {
        self.inner.domain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the token belong to another domain.
    pub fn set_domain(&self, domain: &str) {
        domain.clone_into(&mut self.inner.domain.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Changes how the stand-in fails: the members of `Faults`, as `POST /faults` takes them.
    pub fn set_faults(&self, faults: Value) {
        if let Ok(faults) = serde_json::from_value(faults) {
            *self.faults() = faults;
        }
    }

    /// Everything of a kind, as it is stored: `asset`, `segment`, `metadata`, `job`, `history`, `webhook`, …
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        self.store().all(kind).cloned().collect()
    }

    /// How many requests were answered until now.
    pub fn request_count(&self) -> u64 {
        self.faults().requests
    }

    /// Changes a webhook behind the product's back, as an outage or a person would.
    pub fn update_webhooks(&self, change: impl Fn(&mut Value)) {
        let mut store = self.store();
        let all: Vec<Value> = store.all("webhook").cloned().collect();
        for mut it in all {
            change(&mut it);
            store.put("webhook", &string(&it["id"]), it.clone());
        }
    }

    /// Puts a file into the library as an upload does, by name and bytes; answers the asset's id once it is complete.
    pub async fn upload(&self, name: &str, bytes: &[u8]) -> String {
        library::upload(self, name, bytes, None).await
    }

    /// Puts a file into the library whose proxy Iconik would make and this machine cannot: by its name and its bytes.
    pub async fn upload_with_proxy(&self, name: &str, bytes: &[u8], proxy: (&str, &[u8])) -> String {
        library::upload(self, name, bytes, Some(proxy)).await
    }

    /// Uploads a new version of an asset.
    pub async fn upload_version(&self, asset: &str, bytes: &[u8]) {
        library::upload_version(self, asset, bytes).await;
    }

    /// Puts a collection into another.
    pub fn add_subcollection(&self, inner: &str, outer: &str) {
        assets::add_to_collection(self, outer, "collections", inner, SERVICE_USER);
    }

    /// Calls a custom action as a person does in the menu.
    pub async fn run_custom_action(&self, url: &str, secret: &str, body: Value) -> u16 {
        let mut payload = json!({
            "user_id": UPLOADING_USER, "system_domain_id": self.domain(), "action_id": crate::sqs::random_id(), "asset_ids": [],
            "collection_ids": [], "saved_search_ids": [], "metadata_view_id": null, "metadata_values": null,
            "date_created": timestamp().trim_end_matches("+00:00"), "auth_token": "a-token-that-nobody-may-keep",
        });
        for (name, value) in body.as_object().into_iter().flatten() {
            payload[name] = value.clone();
        }
        let sent = self.inner.http.post(url).header("x-webhook-secret", secret).json(&payload).send().await;
        sent.map_or(0, |it| it.status().as_u16())
    }

    /// The collection and the view that are there from the beginning.
    fn create_library_collection(&self) {
        let mut store = self.store();
        if store.get("collection", LIBRARY_COLLECTION_ID).is_none() {
            let collection = json!({ "id": LIBRARY_COLLECTION_ID, "title": "Library", "status": "ACTIVE", "parent_id": null, "date_created": timestamp() });
            store.put("collection", LIBRARY_COLLECTION_ID, collection);
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.inner.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.inner.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A date as Iconik writes it: microseconds and `+00:00`.
fn timestamp() -> String {
    let at = chrono::DateTime::<chrono::Utc>::from_timestamp_millis(crate::now_ms()).unwrap_or_default();
    at.format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
