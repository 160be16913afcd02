//! The library's folder: what is dropped into it becomes an asset, what is changed a version.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::assets::{new_asset, new_version, put_into};
use super::{COLLECTION, Iconik, UPLOADER, now, proxies, text, webhooks};

/// How often the folder is looked at. A file that did not change between two looks is whole.
const RHYTHM: Duration = Duration::from_millis(500);

/// Watches a folder for ever.
pub(super) async fn watch(it: Iconik, library: PathBuf) {
    let mut before: Vec<(String, String)> = Vec::new();
    loop {
        let seen = look(&library);
        for (name, state) in seen.iter().filter(|it| before.contains(it)) {
            let known = it.store().get("library", name).map(|it| text(&it["state"]));
            if known.as_ref() == Some(state) {
                continue;
            }
            let Ok(bytes) = tokio::fs::read(library.join(name)).await else { continue };
            let asset = it.store().get("library", name).map(|it| text(&it["asset"]));
            let asset = take(&it, name, &bytes, asset, None).await;
            it.store().put("library", name, json!({ "state": state, "asset": asset }));
        }
        before = seen;
        crate::pause(RHYTHM).await;
    }
}

/// The folder's files, each with its size and the time of its last change.
fn look(library: &Path) -> Vec<(String, String)> {
    let files = std::fs::read_dir(library).into_iter().flatten().flatten();
    files
        .filter_map(|it| {
            let (name, about) = (it.file_name().into_string().ok()?, it.metadata().ok()?);
            let changed = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_millis();
            (about.is_file() && !name.starts_with('.')).then(|| (name, format!("{}-{changed}", about.len())))
        })
        .collect()
}

/// Uploads a file as a new asset; answers its id once everything of it is closed.
pub(super) async fn upload(it: &Iconik, name: &str, bytes: &[u8], proxy: Option<(&str, &[u8])>) -> String {
    take(it, name, bytes, None, proxy).await
}

/// Uploads a new version of an asset.
pub(super) async fn change(it: &Iconik, asset: &str, bytes: &[u8]) {
    let title = it.store().get("asset", asset).map(|it| text(&it["title"])).unwrap_or_default();
    take(it, &title, bytes, Some(asset.to_owned()), None).await;
}

/// Takes a file: an asset or a version, its file open, then closed, then a proxy, made or handed in; each step is announced.
async fn take(it: &Iconik, name: &str, bytes: &[u8], known: Option<String>, proxy: Option<(&str, &[u8])>) -> String {
    let (asset, version) = match known {
        Some(asset) => {
            let version = add_version(it, &asset);
            (asset, version)
        }
        None => {
            let (asset, version) = new_asset(it, name);
            put_into(it, COLLECTION, "assets", &asset, UPLOADER);
            (asset, version)
        }
    };
    let step = Duration::from_millis(it.faults().upload_ms);
    let kind = mime_guess::from_path(name).first_raw().unwrap_or("application/octet-stream").to_owned();
    let (format, file, media) = (crate::sqs::random_id(), crate::sqs::random_id(), crate::sqs::random_id());
    let about = json!({
        "id": format, "asset_id": asset, "version_id": version, "name": "ORIGINAL", "status": "ACTIVE",
        "metadata": [{ "internet_media_type": kind }],
    });
    it.store().put("format", &format, about);
    let open = json!({
        "id": file, "asset_id": asset, "version_id": version, "format_id": format, "name": name, "original_name": name,
        "size": bytes.len(), "status": "OPEN", "type": "FILE", "storage_method": "S3", "media": media, "directory_path": "",
        "date_created": now(), "date_modified": now(),
    });
    put_file(it, "file", "files", open.clone(), "create");
    let original = it.inner.media.join(&media);
    drop(tokio::fs::write(&original, bytes).await); // a link to it then answers 404
    crate::pause(step).await;
    put_file(it, "file", "files", closed(open), "update");
    let proxy = match proxy {
        Some((name, bytes)) => Some(proxies::given(name, bytes)),
        None => proxies::make(name, &original).await,
    };
    if let Some(proxy) = proxy {
        crate::pause(step).await;
        let (size, media) = match &proxy.bytes {
            Some(bytes) => {
                let media = crate::sqs::random_id();
                drop(tokio::fs::write(it.inner.media.join(&media), bytes).await);
                (bytes.len(), media)
            }
            None => (bytes.len(), media),
        };
        let about = json!({
            "id": crate::sqs::random_id(), "asset_id": asset, "version_id": version, "filename": proxy.name, "size": size,
            "status": "CLOSED", "codec": proxy.codec, "media": media,
        });
        put_file(it, "proxy", "proxies", about, "create");
    }
    asset
}

fn add_version(it: &Iconik, asset: &str) -> String {
    let mut store = it.store();
    let Some(mut whole) = store.get("asset", asset).cloned() else { return String::new() };
    let number = whole["versions"].as_array().map_or(0, Vec::len) as u64 + 1;
    let version = new_version(number);
    let id = text(&version["id"]);
    if let Some(all) = whole["versions"].as_array_mut() {
        all.push(version);
    }
    store.put("asset", asset, whole.clone());
    drop(store);
    webhooks::raise(
        it,
        "assets",
        "versions",
        "create",
        &id,
        UPLOADER,
        json!({ "asset_id": asset, "id": id, "version_id": id }),
    );
    id
}

fn closed(mut it: Value) -> Value {
    it["status"] = "CLOSED".into();
    it["date_modified"] = now().into();
    it
}

fn put_file(it: &Iconik, kind: &str, realm: &str, body: Value, operation: &str) {
    let id = text(&body["id"]);
    it.store().put(kind, &id, body.clone());
    webhooks::raise(it, "assets", realm, operation, &id, UPLOADER, body);
}
