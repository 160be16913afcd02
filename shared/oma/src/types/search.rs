//! Criteria of searches and of subscriptions' filters (NMS 5.3.2 and 5.3.3).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::types::object::Reference;

/// What a search returns, and in which order (NMS 5.3.2, `SelectionCriteria`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::SelectionCriteria)]
pub struct SelectionCriteria {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_cursor: Option<String>,
    pub max_entries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_criteria: Option<SearchCriteria>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_scope: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_recursive_scope: Option<bool>,
    /// The name in the text of the specification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_criteria: Option<SortCriteria>,
    /// The name in its schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_criterion: Option<SortCriterion>,
}

/// Criteria and how they combine (NMS 5.3.2, `SearchCriteria`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::SearchCriteria)]
pub struct SearchCriteria {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required, min_items = 1)]
    pub criterion: Vec<SearchCriterion>,
    /// Absent for `And`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<LogicalOperator>,
}

/// A criterion (NMS 5.3.2, `SearchCriterion`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::SearchCriterion)]
pub struct SearchCriterion {
    #[serde(rename = "type")]
    pub kind: SearchType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Some kinds ignore it.
    #[serde(default)]
    pub value: String,
}

/// The order of a search (NMS 5.3.2, `SortCriteria`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::SortCriteria)]
pub struct SortCriteria {
    #[serde(default)]
    pub criterion: Vec<SortCriterion>,
}

/// One key of an order (NMS 5.3.2, `SortCriterion`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::SortCriterion)]
pub struct SortCriterion {
    #[serde(rename = "type")]
    pub kind: SortType,
    /// The name of the attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Absent for `Descending`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<SortOrder>,
}

/// How criteria combine (NMS 5.3.3, `LogicalOperatorEnum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = nms::LogicalOperator)]
pub enum LogicalOperator {
    #[default]
    And,
    Or,
    /// Not all of them.
    Not,
}

/// What a criterion compares (NMS 5.3.3, `SearchTypeEnum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = nms::SearchType)]
pub enum SearchType {
    Date,
    Attribute,
    AllTextAttributes,
    Flag,
    WholeWord,
    VanishedObjects,
    CreatedObjects,
    PresetSearch,
    /// Only in the schema of June 2014.
    Conversation,
}

/// What an order compares (NMS 5.3.3, `SortTypeEnum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = nms::SortType)]
pub enum SortType {
    Date,
    Attribute,
}

/// The direction of an order (NMS 5.3.3, `SortOrderEnum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = nms::SortOrder)]
pub enum SortOrder {
    Ascending,
    #[default]
    Descending,
}
