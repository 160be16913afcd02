//! Files and proxies of an asset, and the links to their bytes (section 3.10).

use domain::media_type::{is_generic, is_image};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::asset::unreadable;
use crate::source::{MAX_PROXY_WAITS, SourceChoice, choose_source, needs_proxies};
use crate::{Iconik, IconikError};

/// How many files or proxies are asked for at once; the default is 10, which cuts lists silently.
const PER_PAGE: usize = 100;
/// A camera card has hundreds of files, not tens of thousands.
const MAX_PAGES: usize = 20;

/// A file of an asset, as it was uploaded.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct File {
    pub id: Uuid,
    #[serde(default)]
    pub original_name: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    /// `CLOSED` alone is usable.
    #[serde(default)]
    pub status: String,
    /// `FILE`, `DIRECTORY`, `SYMLINK`
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "size")]
    pub size: u64,
    #[serde(default)]
    pub version_id: Option<Uuid>,
    #[serde(default)]
    pub format_id: Option<Uuid>,
    #[serde(default)]
    pub storage_id: Option<Uuid>,
    /// `FILE` is a storage on the customer's premises, without a link.
    #[serde(default)]
    pub storage_method: Option<String>,
}

/// A proxy of an asset.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Proxy {
    pub id: Uuid,
    #[serde(default)]
    pub status: String,
    #[serde(default, deserialize_with = "size")]
    pub size: u64,
    #[serde(default)]
    pub filename: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub codec: Option<String>,
    #[serde(default)]
    pub format: Option<String>,
    #[serde(default)]
    pub version_id: Option<Uuid>,
}

/// A size is a number in replies, and a text where a client wrote one.
fn size<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let it = Value::deserialize(from)?;
    Ok(it.as_u64().or_else(|| it.as_str()?.trim().parse().ok()).unwrap_or(0))
}

impl Iconik {
    /// The files of an asset.
    pub async fn files(&self, asset: Uuid) -> Result<Vec<File>, IconikError> {
        self.list_all(&format!("/API/files/v1/assets/{asset}/files/?generate_signed_url=false")).await
    }

    /// The proxies of an asset, of all its versions.
    pub async fn proxies(&self, asset: Uuid) -> Result<Vec<Proxy>, IconikError> {
        let path = format!("/API/files/v1/assets/{asset}/proxies/?generate_signed_url=false&include_all_versions=true");
        self.list_all(&path).await
    }

    /// The type that Iconik found in the original, such as `video/quicktime`.
    pub async fn original_type(&self, asset: Uuid) -> Result<Option<String>, IconikError> {
        let format = match self.get(&format!("/API/files/v1/assets/{asset}/formats/ORIGINAL/")).await {
            Ok(it) => it,
            Err(IconikError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let parts = format["metadata"].as_array().into_iter().flatten();
        let types = parts.filter_map(|it| it["internet_media_type"].as_str());
        Ok(types.map(str::to_ascii_lowercase).find(|it| !is_generic(it)))
    }

    /// What is fetched now of a version whose original is of a type, as its files and proxies are at this time.
    pub async fn choose_source(&self, asset: Uuid, version: Uuid, original: &str) -> Result<SourceChoice, IconikError> {
        let files = if is_image(original) { self.files(asset).await? } else { Vec::new() };
        let proxies = if needs_proxies(original, version, &files) { self.proxies(asset).await? } else { Vec::new() };
        match choose_source(original, version, &proxies, &files, MAX_PROXY_WAITS) {
            SourceChoice::Wait if !is_image(original) => {
                Ok(choose_source(original, version, &proxies, &self.files(asset).await?, MAX_PROXY_WAITS))
            }
            choice => Ok(choice),
        }
    }

    /// A fresh link to a proxy's bytes.
    pub async fn proxy_download_url(&self, asset: Uuid, proxy: Uuid) -> Result<String, IconikError> {
        self.download_url(&format!("/API/files/v1/assets/{asset}/proxies/{proxy}/download_url/")).await
    }

    /// A fresh link to a file's bytes.
    pub async fn file_download_url(&self, asset: Uuid, file: Uuid) -> Result<String, IconikError> {
        self.download_url(&format!("/API/files/v1/assets/{asset}/files/{file}/download_url/")).await
    }

    async fn download_url(&self, path: &str) -> Result<String, IconikError> {
        let answer = self.get(path).await?;
        answer["url"].as_str().map(str::to_owned).ok_or_else(|| unreadable("a link", &"it has no url"))
    }

    /// Reads a list that goes on behind `last_id`, to its empty page; an entry that comes twice counts once.
    async fn list_all<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, IconikError> {
        let (mut all, mut seen, mut last) = (Vec::new(), std::collections::HashSet::new(), String::new());
        for _ in 0..MAX_PAGES {
            let after = if last.is_empty() { String::new() } else { format!("&last_id={last}") };
            let page = match self.get(&format!("{path}&per_page={PER_PAGE}{after}")).await {
                Ok(it) => it,
                Err(IconikError::NotFound) => return Ok(all),
                Err(error) => return Err(error),
            };
            let objects = page["objects"].as_array().cloned().unwrap_or_default();
            let Some(next) = objects.last().and_then(|it| it["id"].as_str()).map(str::to_owned) else { return Ok(all) };
            let count = objects.len();
            for it in objects {
                // an entry of an unknown form is passed over: the others are good
                if seen.insert(it["id"].to_string())
                    && let Ok(it) = serde_json::from_value(it)
                {
                    all.push(it);
                }
            }
            if count < PER_PAGE || next == last {
                return Ok(all);
            }
            last = next;
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_file_is_read() {
        let file: File = serde_json::from_str(include_str!("../../../events/iconik.file.json")).unwrap();
        assert_eq!((file.status.as_str(), file.size), ("CLOSED", 264_032_992));
        assert_eq!(file.original_name.as_deref(), Some("0002EM.MXF"));
        let text: Proxy = serde_json::from_value(serde_json::json!({ "id": file.id, "size": "12" })).unwrap();
        assert_eq!(text.size, 12);
    }
}
