//! Notifications of changes of a box (NMS 5.3.2).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::types::netapi::Link;
use crate::types::null::or_default;
use crate::types::object::{AttributeList, FlagList};

/// A notification: changes of a box (NMS 5.3.2, `NmsEventList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::NmsEventList)]
pub struct NmsEventList {
    #[serde(default)]
    pub nms_event: Vec<NmsEvent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_data: Option<String>,
    /// 1, 2, 3, … for each list of a subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The position behind these changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_token: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link: Vec<Link>,
}

/// A change of a box (NMS 5.3.2, `NmsEvent`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::NmsEvent)]
pub enum NmsEvent {
    DeletedObject(DeletedObject),
    DeletedFolder(DeletedFolder),
    /// Removed by the server.
    ExpiredObject(DeletedObject),
    /// Removed by the server.
    ExpiredFolder(DeletedFolder),
    /// Created or changed.
    ChangedObject(ChangedObject),
    /// Created or changed.
    ChangedFolder(ChangedFolder),
    /// All of the content was removed or replaced.
    #[schema(value_type = Option<Object>)]
    ResetBox(()),
}

/// An object that is gone (NMS 5.3.2, `DeletedObject`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::DeletedObject)]
pub struct DeletedObject {
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_mod_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_tag: Option<String>,
}

/// A folder that is gone (NMS 5.3.2, `DeletedFolder`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::DeletedFolder)]
pub struct DeletedFolder {
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_mod_seq: Option<u64>,
}

/// The state of an object (NMS 5.3.2, `ChangedObject`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::ChangedObject)]
pub struct ChangedObject {
    pub parent_folder: String,
    /// Those that the subscription named (2019 edition).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<AttributeList>,
    #[serde(default, deserialize_with = "or_default")]
    pub flags: FlagList,
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_mod_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_tag: Option<String>,
}

/// The state of a folder (NMS 5.3.2, `ChangedFolder`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::ChangedFolder)]
pub struct ChangedFolder {
    pub parent_folder: String,
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_mod_seq: Option<u64>,
}
