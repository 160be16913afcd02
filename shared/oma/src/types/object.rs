//! Objects, folders and references to them (NMS 5.3.2).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::types::netapi::RequestError;
use crate::types::null::or_default;

/// A message or another thing in a box (NMS 5.3.2, `Object`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::Object)]
pub struct Object {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_folder: Option<String>,
    /// Only in a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_folder_path: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub attributes: AttributeList,
    #[serde(default, deserialize_with = "or_default")]
    pub flags: FlagList,
    /// Only in an answer.
    #[serde(rename = "resourceURL", skip_serializing_if = "Option::is_none")]
    pub resource_url: Option<String>,
    /// Only in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only in an answer.
    #[serde(rename = "payloadURL", skip_serializing_if = "Option::is_none")]
    pub payload_url: Option<String>,
    /// Only in an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payload_part: Vec<PayloadPartInfo>,
    /// Only in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_mod_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_tag: Option<String>,
}

/// [`Object`] by a name that the derive of schemas does not take for any JSON object.
type NmsObject = Object;

/// A page of objects (NMS 5.3.2, `ObjectList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::ObjectList)]
pub struct ObjectList {
    #[serde(default)]
    #[schema(value_type = Vec<NmsObject>)]
    pub object: Vec<Object>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_cursor: Option<String>,
}

/// The attributes of an object or a folder (NMS 5.3.2, `AttributeList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::AttributeList)]
pub struct AttributeList {
    #[serde(default)]
    pub attribute: Vec<Attribute>,
}

/// An attribute; its name is case-insensitive (NMS 5.3.2, `Attribute`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::Attribute)]
pub struct Attribute {
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value: Vec<String>,
}

/// A set of flags; their names are case-insensitive (NMS 5.3.2, `FlagList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::FlagList)]
pub struct FlagList {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flag: Vec<String>,
    #[serde(rename = "resourceURL", skip_serializing_if = "Option::is_none")]
    pub resource_url: Option<String>,
}

/// A part of a multipart payload (NMS 5.3.2, `PayloadPartInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::PayloadPartInfo)]
pub struct PayloadPartInfo {
    pub content_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    pub href: String,
}

/// A folder (NMS 5.3.2, `Folder`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::Folder)]
pub struct Folder {
    /// Absent in a root folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_folder: Option<String>,
    /// Only in a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_folder_path: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub attributes: AttributeList,
    #[serde(rename = "resourceURL", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub resource_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub path: Option<String>,
    /// Without a slash; empty in a root folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required)]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub last_mod_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_folders: Option<FolderReferenceList>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<ObjectReferenceList>,
}

/// A page of folders (NMS 5.3.2, `FolderList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::FolderList)]
pub struct FolderList {
    #[serde(default)]
    pub folder: Vec<Folder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The address of an object or a folder (NMS 5.3.2, `Reference`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::Reference)]
pub struct Reference {
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Addresses of objects (NMS 5.3.2, `ObjectReferenceList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::ObjectReferenceList)]
pub struct ObjectReferenceList {
    #[serde(default)]
    pub object_reference: Vec<Reference>,
}

/// Addresses of folders (NMS 5.3.2, `FolderReferenceList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::FolderReferenceList)]
pub struct FolderReferenceList {
    #[serde(default)]
    pub folder_reference: Vec<Reference>,
}

/// Addresses of folders and objects (NMS 5.3.2, `ReferenceList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::ReferenceList)]
pub struct ReferenceList {
    #[serde(default, deserialize_with = "or_default")]
    pub folders: FolderReferenceList,
    #[serde(default, deserialize_with = "or_default")]
    pub objects: ObjectReferenceList,
}

/// What to copy or move, and where to (NMS 5.3.2, `TargetSourceRef`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::TargetSourceRef)]
pub struct TargetSourceRef {
    pub target_ref: Reference,
    #[serde(default, deserialize_with = "or_default")]
    pub source_refs: ReferenceList,
}

/// Paths to look up (NMS 5.3.2, `PathList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::PathList)]
pub struct PathList {
    #[serde(default)]
    #[schema(required, min_items = 1)]
    pub path: Vec<String>,
}

/// The answers to a bulk request, in its order (NMS 5.3.2, `BulkResponseList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::BulkResponseList)]
pub struct BulkResponseList {
    #[serde(default)]
    pub response: Vec<BulkResponse>,
}

/// The answer to one entry: a reference or a fault (NMS 5.3.2, `Response`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::BulkResponse)]
pub struct BulkResponse {
    pub code: u16,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<RequestError>,
}
