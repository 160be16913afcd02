//! The files and proxies of an asset, and their download links (section 3.10).

use domain::media_type::is_generic;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::client::{Iconik, IconikError, unreadable};

/// Files or proxies of a page. Iconik's default is 10.
const PER_PAGE: usize = 100;
/// Pages that are read at most: a camera card has hundreds of files, not thousands.
const MAX_PAGES: usize = 20;

/// A file of an asset, as it was uploaded.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct File {
    pub id: Uuid,
    #[serde(default)]
    pub original_name: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    /// Only a `CLOSED` file can be used.
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

/// A size is a number in Iconik's own replies, and can be a text where a client wrote it.
fn size<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(value.as_u64().or_else(|| value.as_str()?.trim().parse().ok()).unwrap_or(0))
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

    /// The media type that Iconik found in the original, such as `video/quicktime`.
    pub async fn original_type(&self, asset: Uuid) -> Result<Option<String>, IconikError> {
        let path = format!("/API/files/v1/assets/{asset}/formats/ORIGINAL/");
        let Some(format) = self.get_optional(&path).await? else { return Ok(None) };
        let parts = format["metadata"].as_array().into_iter().flatten();
        let types = parts.filter_map(|it| it["internet_media_type"].as_str());
        Ok(types.map(str::to_ascii_lowercase).find(|it| !is_generic(it)))
    }

    /// A new download link of a proxy.
    pub async fn proxy_download_url(&self, asset: Uuid, proxy: Uuid) -> Result<String, IconikError> {
        self.download_url(&format!("/API/files/v1/assets/{asset}/proxies/{proxy}/download_url/")).await
    }

    /// A new download link of a file.
    pub async fn file_download_url(&self, asset: Uuid, file: Uuid) -> Result<String, IconikError> {
        self.download_url(&format!("/API/files/v1/assets/{asset}/files/{file}/download_url/")).await
    }

    async fn download_url(&self, path: &str) -> Result<String, IconikError> {
        let answer = self.get(path).await?;
        answer["url"].as_str().map(str::to_owned).ok_or_else(|| unreadable("a link", &"it has no url"))
    }

    /// Reads all pages of a list that is paged by `last_id`. An entry that comes twice counts once.
    async fn list_all<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, IconikError> {
        let (mut all, mut seen, mut last) = (Vec::new(), std::collections::HashSet::new(), String::new());
        for _ in 0..MAX_PAGES {
            let after = if last.is_empty() { String::new() } else { format!("&last_id={last}") };
            let page = self.get_optional(&format!("{path}&per_page={PER_PAGE}{after}")).await?;
            let Some(page) = page else { return Ok(all) };
            let objects = page["objects"].as_array().cloned().unwrap_or_default();
            let Some(next) = objects.last().and_then(|it| it["id"].as_str()).map(str::to_owned) else { return Ok(all) };
            let count = objects.len();
            for object in objects {
                // an entry of an unknown form is skipped
                if seen.insert(object["id"].to_string())
                    && let Ok(entry) = serde_json::from_value(object)
                {
                    all.push(entry);
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
