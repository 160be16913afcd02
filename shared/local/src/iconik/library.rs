//! The library's folder: a new file becomes an asset, a changed file a new version of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::assets::{add_to_collection, create_asset, new_version};
use super::emulator::{IconikEmulator, LIBRARY_COLLECTION_ID, UPLOADING_USER, string, timestamp};
use super::{proxies, webhooks};
use crate::clock::pause;
use crate::random::random_id;

/// How often the folder is listed. A file that did not change between two listings is complete.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Uploads what is dropped into a folder, for ever.
pub(super) async fn watch(iconik: IconikEmulator, library: PathBuf) {
    let mut previous: Vec<(String, String)> = Vec::new();
    loop {
        let files = list_files(&library);
        for (name, state) in files.iter().filter(|it| previous.contains(it)) {
            let known = iconik.store().get("library", name).map(|it| string(&it["state"]));
            if known.as_ref() == Some(state) {
                continue;
            }
            let Ok(bytes) = tokio::fs::read(library.join(name)).await else { continue };
            let asset = iconik.store().get("library", name).map(|it| string(&it["asset"]));
            let asset = ingest(&iconik, name, &bytes, asset, None).await;
            iconik.store().put("library", name, json!({ "state": state, "asset": asset }));
        }
        previous = files;
        pause(POLL_INTERVAL).await;
    }
}

/// The files of a folder without hidden ones: each name, with a text of its size and the time of its last change.
fn list_files(library: &Path) -> Vec<(String, String)> {
    let files = std::fs::read_dir(library).into_iter().flatten().flatten();
    files
        .filter_map(|entry| {
            let (name, metadata) = (entry.file_name().into_string().ok()?, entry.metadata().ok()?);
            let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_millis();
            (metadata.is_file() && !name.starts_with('.')).then(|| (name, format!("{}-{changed}", metadata.len())))
        })
        .collect()
}

/// Uploads a file as a new asset. Returns its id, after its files are closed.
pub(super) async fn upload(iconik: &IconikEmulator, name: &str, bytes: &[u8], proxy: Option<(&str, &[u8])>) -> String {
    ingest(iconik, name, bytes, None, proxy).await
}

/// Uploads a new version of an asset.
pub(super) async fn upload_version(iconik: &IconikEmulator, asset: &str, bytes: &[u8]) {
    let title = iconik.store().get("asset", asset).map(|it| string(&it["title"])).unwrap_or_default();
    ingest(iconik, &title, bytes, Some(asset.to_owned()), None).await;
}

/// Uploads a file as a new asset, or as a new version of `known`: an open file, then a closed file, then a proxy, which
/// is `proxy` or made here. Webhooks announce each step. Returns the id of the asset.
async fn ingest(
    iconik: &IconikEmulator,
    name: &str,
    bytes: &[u8],
    known: Option<String>,
    proxy: Option<(&str, &[u8])>,
) -> String {
    let (asset, version) = match known {
        Some(asset) => {
            let version = add_version(iconik, &asset);
            (asset, version)
        }
        None => {
            let (asset, version) = create_asset(iconik, name);
            add_to_collection(iconik, LIBRARY_COLLECTION_ID, "assets", &asset, UPLOADING_USER);
            (asset, version)
        }
    };
    let step_delay = Duration::from_millis(iconik.faults().upload_ms);
    let media_type = mime_guess::from_path(name).first_raw().unwrap_or("application/octet-stream").to_owned();
    let (format, file, media) = (random_id(), random_id(), random_id());
    let format_object = json!({
        "id": format, "asset_id": asset, "version_id": version, "name": "ORIGINAL", "status": "ACTIVE",
        "metadata": [{ "internet_media_type": media_type }],
    });
    iconik.store().put("format", &format, format_object);
    let file_object = json!({
        "id": file, "asset_id": asset, "version_id": version, "format_id": format, "name": name, "original_name": name,
        "size": bytes.len(), "status": "OPEN", "type": "FILE", "storage_method": "S3", "media": media, "directory_path": "",
        "date_created": timestamp(), "date_modified": timestamp(),
    });
    put_file(iconik, "file", "files", file_object.clone(), "create");
    let original = iconik.media_path(&media);
    drop(tokio::fs::write(&original, bytes).await); // if it fails, the signed URL answers 404
    pause(step_delay).await;
    put_file(iconik, "file", "files", closed(file_object), "update");
    let proxy = match proxy {
        Some((name, bytes)) => Some(proxies::supplied(name, bytes)),
        None => proxies::create(name, &original).await,
    };
    if let Some(proxy) = proxy {
        pause(step_delay).await;
        let (size, media) = match &proxy.bytes {
            Some(bytes) => {
                let media = random_id();
                drop(tokio::fs::write(iconik.media_path(&media), bytes).await);
                (bytes.len(), media)
            }
            None => (bytes.len(), media),
        };
        let proxy_object = json!({
            "id": random_id(), "asset_id": asset, "version_id": version, "filename": proxy.name, "size": size,
            "status": "CLOSED", "codec": proxy.codec, "media": media,
        });
        put_file(iconik, "proxy", "proxies", proxy_object, "create");
    }
    asset
}

fn add_version(iconik: &IconikEmulator, asset: &str) -> String {
    let mut store = iconik.store();
    let Some(mut asset_object) = store.get("asset", asset).cloned() else { return String::new() };
    let number = asset_object["versions"].as_array().map_or(0, Vec::len) as u64 + 1;
    let version = new_version(number);
    let id = string(&version["id"]);
    if let Some(all) = asset_object["versions"].as_array_mut() {
        all.push(version);
    }
    store.put("asset", asset, asset_object.clone());
    drop(store);
    webhooks::publish(
        iconik,
        "assets",
        "versions",
        "create",
        &id,
        UPLOADING_USER,
        json!({ "asset_id": asset, "id": id, "version_id": id }),
    );
    id
}

fn closed(mut file: Value) -> Value {
    file["status"] = "CLOSED".into();
    file["date_modified"] = timestamp().into();
    file
}

fn put_file(iconik: &IconikEmulator, kind: &str, realm: &str, body: Value, operation: &str) {
    let id = string(&body["id"]);
    iconik.store().put(kind, &id, body.clone());
    webhooks::publish(iconik, "assets", realm, operation, &id, UPLOADING_USER, body);
}
