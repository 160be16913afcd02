//! URLs and documents of what is stored.

use domain::message_store::{BoxId, Stored, StoredAttribute};
use oma::{
    Attribute, AttributeList, ChangedFolder, ChangedObject, DeletedFolder, DeletedObject, FlagList, NmsEvent, encoded,
};

/// The URL of a box, below the root of URLs.
pub fn box_url(root: &str, in_box: &BoxId) -> String {
    format!("{root}/nms/v1/{}/{}", encoded(&in_box.store), encoded(&in_box.name))
}

/// The URL of an object.
pub fn object_url(root: &str, in_box: &BoxId, id: u64) -> String {
    format!("{}/objects/o{id}", box_url(root, in_box))
}

/// The URL of a folder.
pub fn folder_url(root: &str, in_box: &BoxId, id: u64) -> String {
    format!("{}/folders/f{id}", box_url(root, in_box))
}

/// The URL of a subscription.
pub fn subscription_url(root: &str, in_box: &BoxId, id: u64) -> String {
    format!("{}/subscriptions/s{id}", box_url(root, in_box))
}

/// The attributes of a thing.
pub fn shown_attributes(thing: &Stored) -> AttributeList {
    let attribute = |it: &StoredAttribute| Attribute { name: it.name.clone(), value: it.values.clone() };
    AttributeList { attribute: thing.attributes.iter().map(attribute).collect() }
}

/// Attributes as they are stored.
pub fn stored_attributes(list: AttributeList) -> Vec<StoredAttribute> {
    list.attribute.into_iter().map(|it| StoredAttribute { name: it.name, values: it.value }).collect()
}

/// The event that tells of a thing as it is now (NMS 5.3.2, `NmsEvent`).
pub(crate) fn event(root: &str, thing: &Stored) -> NmsEvent {
    let (in_box, id, last_mod_seq) = (&thing.in_box, thing.id, Some(thing.changed_seq));
    let (correlation_id, correlation_tag) = (thing.correlation_id.clone(), thing.correlation_tag.clone());
    let parent_folder = folder_url(root, in_box, thing.parent);
    match (&thing.folder_name, thing.is_live()) {
        (None, true) => NmsEvent::ChangedObject(ChangedObject {
            parent_folder,
            attributes: None,
            flags: FlagList { flag: thing.flags.clone(), resource_url: None },
            resource_url: object_url(root, in_box, id),
            last_mod_seq,
            correlation_id,
            correlation_tag,
        }),
        (None, false) => NmsEvent::DeletedObject(DeletedObject {
            resource_url: object_url(root, in_box, id),
            last_mod_seq,
            correlation_id,
            correlation_tag,
        }),
        (Some(name), true) => NmsEvent::ChangedFolder(ChangedFolder {
            parent_folder,
            resource_url: folder_url(root, in_box, id),
            name: name.clone(),
            last_mod_seq,
        }),
        (Some(_), false) => {
            NmsEvent::DeletedFolder(DeletedFolder { resource_url: folder_url(root, in_box, id), last_mod_seq })
        }
    }
}
