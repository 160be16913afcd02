//! An emulator of Iconik, written from its published interface. A folder is its library.
//!
//! It is an HTTP server, as Iconik is: the product cannot tell them apart. A file that is dropped into the folder
//! becomes an asset: it is uploaded, closed and given a proxy. Webhooks announce each step, and signed URLs serve the
//! bytes.

mod assets;
mod emulator;
mod faults;
mod files;
mod jobs;
mod library;
mod metadata;
mod proxies;
mod query;
mod response;
mod router;
mod search;
mod segments;
mod store;
mod webhooks;

use std::path::Path;

use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::aws_json::http_client;
use crate::error::StackError;
use crate::listener::{base_url, serve_connections};
use crate::random::random_id;
pub use emulator::{APP_ID, DOMAIN_ID, IconikEmulator, LIBRARY_COLLECTION_ID, METADATA_VIEW_ID};
use emulator::{SERVICE_USER, UPLOADING_USER, timestamp};
use store::Store;

impl IconikEmulator {
    /// Starts an emulator that keeps its data in `data` and uploads what is dropped into `library`. The task ends with
    /// the server.
    pub fn start(listener: TcpListener, data: &Path, library: &Path) -> Result<(Self, JoinHandle<()>), StackError> {
        let unwritable = |it: std::io::Error| StackError::Unwritable { path: library.to_owned(), source: it.into() };
        let media = data.join("iconik-media");
        std::fs::create_dir_all(library).map_err(unwritable)?;
        std::fs::create_dir_all(&media).map_err(unwritable)?;
        let file = data.join("iconik.db");
        let store = Store::open(&file).map_err(|it| StackError::Corrupt { path: file, source: it.into() })?;
        let emulator = Self::new(base_url(&listener)?, media, store, http_client()?);
        let (router, watch) = (router::router(emulator.clone()), library::watch(emulator.clone(), library.to_owned()));
        let task = tokio::spawn(async move {
            tokio::select! {
                () = serve_connections(listener, TowerToHyperService::new(router)) => {}
                () = watch => {}
            }
        });
        Ok((emulator, task))
    }

    /// Uploads a file as a new asset. Returns the asset's id, after its files are closed and its proxy is made.
    pub async fn upload(&self, name: &str, bytes: &[u8]) -> String {
        library::upload(self, name, bytes, None).await
    }

    /// Uploads a file with the proxy (name and bytes) that Iconik would make of it and this machine cannot.
    pub async fn upload_with_proxy(&self, name: &str, bytes: &[u8], proxy: (&str, &[u8])) -> String {
        library::upload(self, name, bytes, Some(proxy)).await
    }

    /// Uploads a new version of an asset.
    pub async fn upload_version(&self, asset: &str, bytes: &[u8]) {
        library::upload_version(self, asset, bytes).await;
    }

    /// Adds a collection to another one.
    pub fn add_subcollection(&self, inner: &str, outer: &str) {
        assets::add_to_collection(self, outer, "collections", inner, SERVICE_USER);
    }

    /// Calls a custom action, as a person does in Iconik's menu. `body` overrides members of the payload. Returns the
    /// status of the answer, or 0 without one.
    pub async fn run_custom_action(&self, url: &str, secret: &str, body: Value) -> u16 {
        let mut payload = json!({
            "user_id": UPLOADING_USER, "system_domain_id": self.domain(), "action_id": random_id(), "asset_ids": [],
            "collection_ids": [], "saved_search_ids": [], "metadata_view_id": null, "metadata_values": null,
            "date_created": timestamp().trim_end_matches("+00:00"), "auth_token": "a-token-that-nobody-may-keep",
        });
        for (name, value) in body.as_object().into_iter().flatten() {
            payload[name] = value.clone();
        }
        let sent = self.http().post(url).header("x-webhook-secret", secret).json(&payload).send().await;
        sent.map_or(0, |it| it.status().as_u16())
    }
}
