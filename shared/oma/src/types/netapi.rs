//! The types that both APIs share (REST_NetAPI_Common).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::format::Format;

/// A link to a related resource (REST_NetAPI_Common, `Link`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = common::Link)]
pub struct Link {
    #[schema(xml(attribute))]
    pub rel: String,
    #[schema(xml(attribute))]
    pub href: String,
}

/// Where notifications go (REST_NetAPI_Common, `CallbackReference`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = common::CallbackReference)]
pub struct CallbackReference {
    #[serde(rename = "notifyURL")]
    pub notify_url: String,
    /// Copied into each notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_format: Option<Format>,
}

/// A fault: links, and one of the two exceptions (REST_NetAPI_Common, `RequestError`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = common::RequestError)]
pub struct RequestError {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link: Vec<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_exception: Option<Exception>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_exception: Option<Exception>,
}

/// What is wrong, as a template and its variables (REST_NetAPI_Common, `ServiceException` and `PolicyException`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = common::Exception)]
pub struct Exception {
    pub message_id: String,
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
}
