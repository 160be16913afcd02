//! Assets, their versions, and the collections that hold them (section 3.8).

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::client::{Iconik, IconikError, unreadable};
use crate::payload::parse_id;

/// Entries of a page of a collection (`per_page`, 1 to 1000; Iconik's default is 10).
const PER_PAGE: usize = 200;

/// An asset, as far as we use it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Asset {
    pub id: Uuid,
    #[serde(default)]
    pub title: String,
    /// `ASSET`, `SEQUENCE`, `SUBCLIP`, …
    #[serde(default, rename = "type")]
    pub kind: String,
    /// `ACTIVE`, `DELETED`
    #[serde(default)]
    pub status: String,
    /// `NOT_ARCHIVED`, `ARCHIVING`, `FAILED_TO_ARCHIVE`, `ARCHIVED`
    #[serde(default)]
    pub archive_status: Option<String>,
    #[serde(default)]
    pub in_collections: Vec<Uuid>,
    #[serde(default)]
    pub versions: Vec<Version>,
}

/// A version of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Version {
    pub id: Uuid,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub version_number: Option<u64>,
    #[serde(default)]
    pub date_created: Option<String>,
}

/// Why an asset has no version that can be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ineligible {
    /// It is no media of its own, or deleted: it gets no item.
    NotMedia(&'static str),
    /// Its media cannot be fetched: it gets an item that is skipped.
    Unavailable(&'static str),
}

impl Asset {
    /// The version whose media is processed: the newest that is ACTIVE (section 3.8.1).
    ///
    /// # Errors
    /// Why no version of the asset can be processed.
    pub fn active(&self) -> Result<&Version, Ineligible> {
        if !self.kind.is_empty() && self.kind != "ASSET" {
            return Err(Ineligible::NotMedia("the asset is a sequence, a subclip, a link or a placeholder"));
        }
        if self.status == "DELETED" {
            return Err(Ineligible::NotMedia("the asset is deleted"));
        }
        if self.archive_status.as_deref() == Some("ARCHIVED") {
            return Err(Ineligible::Unavailable("the asset is archived"));
        }
        let active = self.versions.iter().filter(|it| it.status == "ACTIVE");
        let newest = active.max_by_key(|it| (it.version_number, it.date_created.clone()));
        newest.ok_or(Ineligible::NotMedia("the asset has no active version"))
    }
}

/// A page of a collection or of a saved search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectionPage {
    pub assets: Vec<Uuid>,
    pub collections: Vec<Uuid>,
    /// Whether the page had no entries: lists end with an empty page, and their stated length is not reliable.
    pub empty: bool,
}

impl Iconik {
    /// An asset with its versions; `None` if it was deleted.
    pub async fn asset(&self, id: Uuid) -> Result<Option<Asset>, IconikError> {
        let path = format!("/API/assets/v1/assets/{id}/?include_collections=true");
        let asset = self.get_optional(&path).await?.map(serde_json::from_value).transpose();
        asset.map_err(|error| unreadable("an asset", &error))
    }

    /// A page of a collection, from 1 on; `None` if the collection was deleted.
    pub async fn collection_page(&self, collection: Uuid, page: u32) -> Result<Option<CollectionPage>, IconikError> {
        let path = format!(
            "/API/assets/v1/collections/{collection}/contents/?object_types=assets,collections&per_page={PER_PAGE}&page={page}&sort=id,asc"
        );
        Ok(self.get_optional(&path).await?.map(|list| collection_page(&list)))
    }

    /// The collections above a collection; none if it was deleted.
    pub async fn ancestors(&self, collection: Uuid) -> Result<Vec<Uuid>, IconikError> {
        let path = format!("/API/assets/v1/collections/{collection}/ancestors/");
        let answer = self.get_optional(&path).await?.unwrap_or_default();
        let objects = answer["objects"].as_array().or_else(|| answer.as_array()).cloned().unwrap_or_default();
        Ok(objects.iter().filter_map(|it| parse_id(&it["id"])).collect())
    }

    /// A page of a saved search, from 1 on; `None` if it was deleted.
    pub async fn saved_search(&self, search: Uuid, page: u32) -> Result<Option<CollectionPage>, IconikError> {
        let path =
            format!("/API/search/v1/search/saved/{search}/?include_results=true&per_page={PER_PAGE}&page={page}");
        let answer = self.get_optional(&path).await?;
        Ok(answer.map(|it| collection_page(it.get("results").unwrap_or(&it))))
    }

    /// The user that our token belongs to, and that user's domain (`users/current/`).
    pub async fn current_user(&self) -> Result<(String, Option<String>), IconikError> {
        let user = self.get("/API/users/v1/users/current/").await?;
        let id = user["id"].as_str().ok_or_else(|| unreadable("a user", &"it has no id"))?;
        Ok((id.to_owned(), user["system_domain_id"].as_str().map(str::to_owned)))
    }
}

fn collection_page(list: &Value) -> CollectionPage {
    let objects = list["objects"].as_array().cloned().unwrap_or_default();
    let of = |kind: &str| {
        let fits = objects.iter().filter(|it| it["object_type"].as_str() == Some(kind));
        let mut ids: Vec<Uuid> = fits.filter_map(|it| parse_id(&it["id"])).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    CollectionPage { assets: of("assets"), collections: of("collections"), empty: objects.is_empty() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_active_version_is_the_one() {
        let published: Asset = serde_json::from_str(include_str!("../../../events/iconik.asset.json")).unwrap();
        assert_eq!(published.active().unwrap().id.to_string(), "2c5c5ae0-f149-11eb-a843-0a580a3db916");
        let version = |last: u8, number, status: &str| Version {
            id: Uuid::from_u128(last.into()),
            status: status.into(),
            version_number: Some(number),
            date_created: None,
        };
        let several = vec![version(1, 1, "ACTIVE"), version(3, 3, "IN_PROGRESS"), version(2, 2, "ACTIVE")];
        let asset = Asset { versions: several, ..published.clone() };
        assert_eq!(asset.active().unwrap().id, Uuid::from_u128(2));
        for asset in [
            Asset { kind: "SUBCLIP".into(), ..published.clone() },
            Asset { status: "DELETED".into(), ..published.clone() },
            Asset { archive_status: Some("ARCHIVED".into()), ..published.clone() },
            Asset { versions: vec![], ..published },
        ] {
            assert!(asset.active().is_err());
        }
    }

    #[test]
    fn contents_are_told_apart_and_counted_once() {
        let id = "2c5bfe1a-f149-11eb-a843-0a580a3db916";
        let list = serde_json::json!({ "objects": [
            { "id": id, "object_type": "assets" }, { "id": id, "object_type": "assets" },
            { "id": "43b738dc-a6d5-11ef-859e-be5be1c7bfe0", "object_type": "collections" }, { "id": "../x", "object_type": "assets" },
        ] });
        let found = collection_page(&list);
        assert_eq!((found.assets.len(), found.collections.len(), found.empty), (1, 1, false));
        assert!(collection_page(&serde_json::json!({ "objects": [], "pages": 3 })).empty);
    }
}
