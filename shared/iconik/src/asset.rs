//! Assets, their versions, and the collections that hold them (section 3.8).

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::payload::parse_id;
use crate::{Iconik, IconikError};

/// How many entries of a collection are asked for at once (`per_page`, 1 to 1000; the default is 10).
const PER_PAGE: usize = 200;

/// An asset, as far as we look at it.
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

/// Why an asset has nothing to be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Not media of its own, or deleted: no item.
    NotMedia(&'static str),
    /// It would be processed if it were there: an item that is skipped.
    Skip(&'static str),
}

impl Asset {
    /// The version whose media is processed: the newest that is ACTIVE (section 3.8.1).
    ///
    /// # Errors
    /// Why there is none, or why the asset is none that is processed.
    pub fn active(&self) -> Result<&Version, Unfit> {
        if !self.kind.is_empty() && self.kind != "ASSET" {
            return Err(Unfit::NotMedia("the asset is a sequence, a subclip, a link or a placeholder"));
        }
        if self.status == "DELETED" {
            return Err(Unfit::NotMedia("the asset is deleted"));
        }
        if self.archive_status.as_deref() == Some("ARCHIVED") {
            return Err(Unfit::Skip("the asset is archived"));
        }
        let active = self.versions.iter().filter(|it| it.status == "ACTIVE");
        let newest = active.max_by_key(|it| (it.version_number, it.date_created.clone()));
        newest.ok_or(Unfit::NotMedia("the asset has no active version"))
    }
}

/// What lies in a collection: one page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectionPage {
    pub assets: Vec<Uuid>,
    pub collections: Vec<Uuid>,
    /// Whether the page had anything at all: lists end with an empty page, whatever they say of their length.
    pub empty: bool,
}

impl Iconik {
    /// An asset with its versions; `None` if it is gone.
    pub async fn asset(&self, id: Uuid) -> Result<Option<Asset>, IconikError> {
        let found = self.get(&format!("/API/assets/v1/assets/{id}/?include_collections=true")).await;
        match found {
            Ok(it) => serde_json::from_value(it).map(Some).map_err(|why| unreadable("an asset", &why)),
            Err(IconikError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of a collection, from 1 on; `None` if the collection is gone.
    pub async fn collection_page(&self, collection: Uuid, page: u32) -> Result<Option<CollectionPage>, IconikError> {
        let path = format!(
            "/API/assets/v1/collections/{collection}/contents/?object_types=assets,collections&per_page={PER_PAGE}&page={page}&sort=id,asc"
        );
        match self.get(&path).await {
            Ok(it) => Ok(Some(collection_page(&it))),
            Err(IconikError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The collections above a collection.
    pub async fn ancestors(&self, collection: Uuid) -> Result<Vec<Uuid>, IconikError> {
        let found = match self.get(&format!("/API/assets/v1/collections/{collection}/ancestors/")).await {
            Ok(it) => it,
            Err(IconikError::NotFound) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let objects = found["objects"].as_array().or_else(|| found.as_array()).cloned().unwrap_or_default();
        Ok(objects.iter().filter_map(|it| parse_id(&it["id"])).collect())
    }

    /// A page of a saved search, from 1 on; `None` if it is gone.
    pub async fn saved_search(&self, search: Uuid, page: u32) -> Result<Option<CollectionPage>, IconikError> {
        let path =
            format!("/API/search/v1/search/saved/{search}/?include_results=true&per_page={PER_PAGE}&page={page}");
        match self.get(&path).await {
            Ok(it) => Ok(Some(collection_page(it.get("results").unwrap_or(&it)))),
            Err(IconikError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The user that our token stands for, and the domain where it is one (`users/current/`).
    pub async fn current_user(&self) -> Result<(String, Option<String>), IconikError> {
        let it = self.get("/API/users/v1/users/current/").await?;
        let user = it["id"].as_str().ok_or_else(|| unreadable("a user", &"it has no id"))?;
        Ok((user.to_owned(), it["system_domain_id"].as_str().map(str::to_owned)))
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

pub(crate) fn unreadable(what: &str, why: &dyn std::fmt::Display) -> IconikError {
    IconikError::Response { status: 200, text: format!("{what} that cannot be read: {why}") }
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
        for unfit in [
            Asset { kind: "SUBCLIP".into(), ..published.clone() },
            Asset { status: "DELETED".into(), ..published.clone() },
            Asset { archive_status: Some("ARCHIVED".into()), ..published.clone() },
            Asset { versions: vec![], ..published },
        ] {
            assert!(unfit.active().is_err());
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
