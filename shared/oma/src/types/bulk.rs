//! Changes of many objects by one request (NMS, edition of 2019).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::types::null::or_default;
use crate::types::object::{FlagList, ObjectReferenceList};
use crate::types::search::SelectionCriteria;

/// What changes the flags of objects (NMS, edition of 2019, `BulkUpdate`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::BulkUpdate)]
pub struct BulkUpdate {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection_criteria: Option<SelectionCriteria>,
    #[serde(default, deserialize_with = "or_default")]
    pub objects: ObjectReferenceList,
    #[serde(default, deserialize_with = "or_default")]
    pub flags: FlagList,
    pub operation: FlagOperation,
}

/// What becomes of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = nms::FlagOperation)]
pub enum FlagOperation {
    AddFlag,
    RemoveFlag,
}

/// Which objects are deleted (NMS, edition of 2019, `BulkDelete`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::BulkDelete)]
pub struct BulkDelete {
    #[serde(default, deserialize_with = "or_default")]
    pub objects: ObjectReferenceList,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection_criteria: Option<SelectionCriteria>,
}
