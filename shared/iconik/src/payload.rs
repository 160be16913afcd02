//! Payloads of webhooks and custom actions. They are read leniently, because the service differs from its description.
//!
//! Iconik's ids are UUIDs. Any other text is rejected as an id, so that it cannot get into the path of a request.

use domain::MAX_BATCH;
use domain::command::{Ingest, TriggerEvent};
use serde_json::Value;
use uuid::Uuid;

/// The payload of a webhook (section 3.5.1). Types, realms and operations may have unknown values, in upper or lower
/// case.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `system_domain_id`
    pub domain: String,
    pub event_type: String,
    pub realm: String,
    pub operation: String,
    pub user: String,
    pub object: Option<Uuid>,
    pub request: String,
    pub data: Value,
}

/// What an event means for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The asset may have new media; `version` is set if the event names it.
    Media { asset: Uuid, version: Option<Uuid> },
    /// A collection was put into another one: its contents may be new.
    Collection(Uuid),
    /// The event announces no new media, and why.
    Irrelevant(&'static str),
    /// The event should name an asset, and does not.
    Unroutable,
}

impl Event {
    /// Reads the payload of a webhook; `None` if the body is something else.
    pub fn read(body: &Value) -> Option<Self> {
        let body = body.as_object()?;
        let word = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        let data = body.get("data").cloned().unwrap_or(Value::Null);
        if word("event_type").is_empty() && !data.is_object() {
            return None;
        }
        Some(Self {
            domain: word("system_domain_id"),
            event_type: word("event_type").to_ascii_lowercase(),
            realm: word("realm").to_ascii_lowercase(),
            operation: word("operation").to_ascii_lowercase(),
            user: word("user_id"),
            object: body.get("object_id").and_then(parse_id),
            request: word("request_id"),
            data,
        })
    }

    /// The asset that an event is about (section 3.5.5). `data` is the object of the realm; the top-level `object_id`
    /// is that object's id, which is not always the asset's.
    pub fn asset(&self) -> Option<Uuid> {
        let data = |name: &str| self.data.get(name).and_then(parse_id);
        if let Some(asset) = data("asset_id") {
            return Some(asset);
        }
        if self.text("object_type") == "assets" {
            return data("object_id");
        }
        let of_assets = self.event_type == "assets";
        // without a realm the object may be anything that belongs to an asset: then `data` has to look like an asset
        let named =
            matches!(self.realm.as_str(), "entity" | "metadata" | "acls") || (self.realm.is_empty() && self.is_asset());
        if of_assets && named {
            return self.object;
        }
        if self.is_asset() { data("id") } else { None }
    }

    /// What an event means for us (section 3.6). There is new media when a file or a proxy was closed, an asset was
    /// created, or something was put into a collection. Changes of metadata, shares, segments and jobs are irrelevant.
    pub fn meaning(&self) -> Meaning {
        if matches!(self.operation.as_str(), "delete" | "purge" | "download") {
            return Meaning::Irrelevant("nothing new comes of this operation");
        }
        if self.text("object_type") == "collections" {
            let inner = self.data.get("object_id").and_then(parse_id);
            return match (self.realm.as_str(), inner) {
                ("contents", Some(inner)) => Meaning::Collection(inner),
                _ => Meaning::Irrelevant("a collection changed, not what is in it"),
            };
        }
        let wanted = match (self.event_type.as_str(), self.realm.as_str()) {
            ("collections", "contents") => self.operation == "create" || self.operation.is_empty(),
            ("assets", "entity" | "versions") => matches!(self.operation.as_str(), "create" | "restore"),
            ("assets", "files" | "proxies") if self.text("status") != "closed" => {
                return Meaning::Irrelevant("the file is not closed yet");
            }
            ("assets", "files" | "proxies") => true,
            _ => false,
        };
        if !wanted {
            return Meaning::Irrelevant("it tells of no new media");
        }
        let version = self.data.get("version_id").and_then(parse_id);
        self.asset().map_or(Meaning::Unroutable, |asset| Meaning::Media { asset, version })
    }

    /// What is to be ingested because of this event.
    ///
    /// # Errors
    /// Its meaning, if there is nothing to ingest.
    pub fn command(&self) -> Result<Ingest, Meaning> {
        match self.meaning() {
            Meaning::Media { asset, version } => Ok(Ingest::Asset { asset, version }),
            Meaning::Collection(collection) => Ok(Ingest::Collection { collection, page: 1, above: Vec::new() }),
            meaning => Err(meaning),
        }
    }

    /// The event, as a command records it.
    pub fn announced(&self) -> TriggerEvent {
        TriggerEvent {
            event_type: self.event_type.clone(),
            realm: self.realm.clone(),
            operation: self.operation.clone(),
            request_id: self.request.chars().take(64).collect(),
        }
    }

    /// The collection that something was put into, and those above it.
    pub fn collections(&self) -> Vec<Uuid> {
        let above = self.data.get("parents").and_then(Value::as_array).into_iter().flatten().filter_map(parse_id);
        self.data.get("collection_id").and_then(parse_id).into_iter().chain(above).collect()
    }

    fn text(&self, name: &str) -> String {
        self.data.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase()
    }

    fn is_asset(&self) -> bool {
        let kinds = ["asset", "sequence", "nle_project", "placeholder", "custom", "link", "subclip"];
        kinds.contains(&self.text("type").as_str())
            && (self.data.get("versions").is_some() || self.data.get("title").is_some())
    }
}

/// A custom action that a user has started (section 3.7). Its `auth_token` is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub domain: String,
    pub user: String,
    pub context: String,
    pub assets: Vec<Uuid>,
    pub collections: Vec<Uuid>,
    pub searches: Vec<Uuid>,
}

/// The contexts that a custom action can be started in.
const CONTEXTS: [&str; 8] =
    ["ASSET", "ASSET_SUBCLIP", "SHARED_ASSET", "COLLECTION", "SHARED_COLLECTION", "BULK", "SAVED_SEARCH", "NONE"];

impl Action {
    /// Reads the payload of a custom action; `None` if the body is something else, or its context is unknown.
    pub fn read(body: &Value) -> Option<Self> {
        let body = body.as_object()?;
        let word = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let ids =
            |name: &str| body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(parse_id).collect();
        let context = word("context").to_ascii_uppercase();
        CONTEXTS.contains(&context.as_str()).then(|| Self {
            domain: word("system_domain_id"),
            user: word("user_id"),
            context,
            assets: ids("asset_ids"),
            collections: ids("collection_ids"),
            searches: ids("saved_search_ids"),
        })
    }
}

impl Action {
    /// What is to be ingested because of this action.
    pub fn commands(&self) -> Vec<Ingest> {
        let assets = self.assets.chunks(MAX_BATCH).map(|it| Ingest::Assets { assets: it.to_vec() });
        let collections =
            self.collections.iter().map(|it| Ingest::Collection { collection: *it, page: 1, above: Vec::new() });
        let searches = self.searches.iter().map(|it| Ingest::SavedSearch { search: *it, page: 1 });
        assets.chain(collections).chain(searches).collect()
    }
}

/// An id of Iconik's: a UUID of 36 characters, with hyphens.
pub fn parse_id(value: &Value) -> Option<Uuid> {
    let text = value.as_str().filter(|it| it.len() == 36)?;
    Uuid::try_parse(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ASSET: &str = "2c5bfe1a-f149-11eb-a843-0a580a3db916";

    fn samples() -> Vec<(&'static str, Value, &'static str)> {
        let read = |text: &str| serde_json::from_str(text).unwrap();
        vec![
            (
                "contents",
                read(include_str!("../../../events/iconik.contents-create.json")),
                "43b738dc-a6d5-11ef-859e-be5be1c7bfe0",
            ),
            (
                "shares",
                read(include_str!("../../../events/iconik.shares-create.json")),
                "1cca7690-7e01-11eb-9145-0a580a3c0c42",
            ),
            ("create", read(include_str!("../../../events/iconik.entity-create.json")), ASSET),
            ("update", read(include_str!("../../../events/iconik.entity-update.json")), ASSET),
            ("files", read(include_str!("../../../events/iconik.files-update.json")), ASSET),
            ("metadata", read(include_str!("../../../events/iconik.metadata-update.json")), ASSET),
        ]
    }

    #[test]
    fn every_published_payload_names_its_asset() {
        for (name, body, asset) in samples() {
            let event = Event::read(&body).unwrap();
            assert_eq!(event.asset().map(|it| it.to_string()).as_deref(), Some(asset), "{name}");
        }
    }

    #[test]
    fn new_media_is_told_from_noise() {
        let want = ["media", "noise", "media", "noise", "media", "noise"];
        for ((name, body, _), want) in samples().into_iter().zip(want) {
            let got = match Event::read(&body).unwrap().meaning() {
                Meaning::Media { .. } => "media",
                Meaning::Irrelevant(_) => "noise",
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(got, want, "{name}");
        }
        let mut files = samples().remove(4).1;
        files["data"]["status"] = "OPEN".into();
        assert!(
            matches!(Event::read(&files).unwrap().meaning(), Meaning::Irrelevant(_)),
            "a file that is still written"
        );
        let mut contents = samples().remove(0).1;
        contents["data"]["object_type"] = "collections".into();
        assert!(matches!(Event::read(&contents).unwrap().meaning(), Meaning::Collection(_)));
        contents["operation"] = "DELETE".into();
        assert!(matches!(Event::read(&contents).unwrap().meaning(), Meaning::Irrelevant(_)));
    }

    #[test]
    fn an_event_knows_the_collections_above_it() {
        let event = Event::read(&samples().remove(0).1).unwrap();
        assert_eq!(event.collections().len(), 3);
    }

    #[test]
    fn custom_actions_are_read_without_their_token() {
        let read = |text: &str| Action::read(&serde_json::from_str(text).unwrap()).unwrap();
        let bulk = read(include_str!("../../../events/iconik.action-bulk.json"));
        assert_eq!((bulk.assets.len(), bulk.collections.len(), bulk.searches.len()), (1, 1, 0));
        assert!(!format!("{bulk:?}").contains("token"));
        let form = read(include_str!("../../../events/iconik.action-asset.json"));
        assert_eq!((form.context.as_str(), form.assets.len()), ("ASSET", 1));
        assert_eq!(Action::read(&serde_json::json!({ "context": "PLANET" })), None);
    }

    /// Where a value stands: the names and indexes that lead to it.
    fn places(it: &Value, above: &str, found: &mut Vec<String>) {
        if let Value::Object(members) = it {
            for (name, inner) in members {
                let place = format!("{above}/{name}");
                places(inner, &place, found);
                found.push(place);
            }
        }
    }

    fn broken(kind: u8, junk: &str) -> Value {
        match kind {
            0 => Value::Null,
            1 => Value::Bool(true),
            2 => serde_json::json!(7),
            3 => serde_json::json!([junk]),
            4 => serde_json::json!({ "id": junk }),
            _ => Value::String(junk.to_owned()),
        }
    }

    proptest! {
        /// Members removed, swapped for junk, or given other types: an event still names its asset, or none at all.
        #[test]
        fn a_mutated_payload_never_names_another_asset(
            sample in 0_usize..6, cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..8, "[a-z0-9-]{0,40}"), 1..4),
        ) {
            let (_, mut body, asset) = samples().remove(sample);
            for (place, kind, junk) in cuts {
                let mut all = Vec::new();
                places(&body, "", &mut all);
                let place = place.get(&all).clone();
                let (above, name) = place.rsplit_once('/').unwrap();
                let parent = body.pointer_mut(above).and_then(Value::as_object_mut).unwrap();
                if kind > 5 { parent.remove(name); } else { parent.insert(name.to_owned(), broken(kind, &junk)); }
            }
            if let Some(event) = Event::read(&body) {
                if let Meaning::Media { asset: found, .. } = event.meaning() {
                    prop_assert_eq!(found.to_string(), asset);
                }
                if let Some(found) = event.asset() {
                    prop_assert_eq!(found.to_string(), asset);
                }
            }
        }
    }
}
