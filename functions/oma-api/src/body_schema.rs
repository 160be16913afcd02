//! The OpenAPI schemas of bodies that are read and written without a struct of their own.

use oma::{ChannelType, NmsEventList, Object as NmsObject, ObjectList};
use serde::Serialize;
use utoipa::ToSchema;

/// Notifications in the order in which they came; null if there are none (NC 5.2.2.8).
#[derive(Serialize, ToSchema)]
#[schema(as = nc::NotificationList)]
pub(crate) struct NotificationList(Option<Vec<Notification>>);

/// The notification of any enabler: one member, named as the root element; NMS sends `nmsEventList`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nc::Notification, min_properties = 1, max_properties = 1)]
pub(crate) struct Notification {
    nms_event_list: Option<NmsEventList>,
}

/// A poll says nothing (NC 5.2.2.10).
#[derive(Serialize, ToSchema)]
#[schema(as = nc::LongPollingRequestParameters, value_type = Option<Object>)]
pub(crate) struct LongPollingRequestParameters(());

/// A poll as a form (NC App. C.2).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nc::PollForm)]
pub(crate) struct PollForm {
    long_polling_request_parameters: Option<String>,
}

/// A channel as a form (NC App. C.1).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nc::ChannelForm)]
pub(crate) struct ChannelForm {
    client_correlator: Option<String>,
    application_tag: Option<String>,
    channel_type: ChannelType,
    /// Notifications in a list, at most
    #[schema(minimum = 1)]
    max_notifications: Option<u64>,
    /// Seconds that a notification waits for others
    max_wait_time: Option<u64>,
    /// In seconds
    #[schema(minimum = 1)]
    channel_lifetime: Option<u64>,
}

/// Nothing (NMS 5.3.2, `Empty`).
#[derive(Serialize, ToSchema)]
#[schema(as = nms::Empty, value_type = Option<Object>)]
pub(crate) struct Empty(());

/// The name of a folder (NMS 5.3.2, `name`).
#[derive(Serialize, ToSchema)]
#[schema(as = nms::Name)]
pub(crate) struct Name(String);

/// An object and its payload (NMS 6.1.5).
#[derive(Serialize, ToSchema)]
#[schema(as = nms::ObjectForm)]
pub(crate) struct ObjectForm {
    #[serde(rename = "root-fields")]
    root_fields: NmsObject,
    /// The payload, at most 350,000 bytes
    #[schema(value_type = Option<String>, format = Binary)]
    attachments: Option<Vec<u8>>,
}

/// Objects and their payloads, in the same order; an empty one without a type stands for none (NMS 6.6.5).
#[derive(Serialize, ToSchema)]
#[schema(as = nms::ObjectListForm)]
pub(crate) struct ObjectListForm {
    #[serde(rename = "root-fields")]
    root_fields: ObjectList,
    /// At most 350,000 bytes each
    #[schema(value_type = Vec<String>, format = Binary)]
    attachments: Option<Vec<Vec<u8>>>,
}
