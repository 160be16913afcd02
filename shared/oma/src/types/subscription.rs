//! Subscriptions to a box (NMS 5.3.2).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::types::netapi::CallbackReference;
use crate::types::search::SearchCriteria;

/// A subscription (NMS 5.3.2, `NmsSubscription`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::NmsSubscription)]
pub struct NmsSubscription {
    pub callback_reference: CallbackReference,
    /// In seconds: wished in a request, remaining in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<SearchCriteria>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_correlator: Option<String>,
    #[serde(rename = "resourceURL", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub resource_url: Option<String>,
    /// The index of the next notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_token: Option<String>,
    /// Events in a list, at most (2019 edition).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_events: Option<u64>,
    /// Attributes to embed in changed objects (2019 edition).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub object_attribute_names: Vec<String>,
    /// Whether to embed disposition notifications (2019 edition).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline_imdn: Option<bool>,
}

/// The subscriptions of a box (NMS 5.3.2, `NmsSubscriptionList`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::NmsSubscriptionList)]
pub struct NmsSubscriptionList {
    #[serde(default)]
    pub subscription: Vec<NmsSubscription>,
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
}

/// What an update of a subscription changes (NMS 5.3.2, `NmsSubscriptionUpdate`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nms::NmsSubscriptionUpdate)]
pub struct NmsSubscriptionUpdate {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// Where to start again; absent to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_token: Option<String>,
}
