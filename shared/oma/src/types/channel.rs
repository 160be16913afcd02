//! The types of the Notification Channel API (NC 5.2.2).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kind of channel (NC 5.2.3, `ChannelType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = nc::ChannelType)]
pub enum ChannelType {
    LongPolling,
    OMAPush,
    WebSockets,
    NativeChannel,
}

/// A service of a platform (NC 5.2.3, `NativeChannelSubType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = nc::NativeChannelSubType)]
pub enum NativeChannelSubType {
    Gcm,
    Apns,
    Wns,
}

/// A channel (NC 5.2.2, `NotificationChannel`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nc::NotificationChannel)]
pub struct NotificationChannel {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_correlator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_tag: Option<String>,
    pub channel_type: ChannelType,
    /// Absent in a request that leaves all to the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_data: Option<ChannelData>,
    /// In seconds: wished in a request, granted in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub channel_lifetime: Option<u64>,
    /// Where enablers put notifications on the channel.
    #[serde(rename = "callbackURL", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub callback_url: Option<String>,
    #[serde(rename = "resourceURL", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub resource_url: Option<String>,
}

/// The data of a channel: those members that the concrete type for its `channelType` has (NC 5.2.2, `ChannelData`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nc::ChannelData)]
pub struct ChannelData {
    /// Where the client polls, or opens its WebSocket.
    #[serde(rename = "channelURL", skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub channel_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_sub_type: Option<NativeChannelSubType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_sub_type_version: Option<String>,
    /// Notifications in a list, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub max_notifications: Option<u64>,
    /// Seconds that a notification waits for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_wait_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub large_data_polling: Option<LargeDataPolling>,
}

/// Whether, and in which portions, much data is polled (NC 5.2.2, `LargeDataPolling`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nc::LargeDataPolling)]
pub struct LargeDataPolling {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polling_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_polling_notifications: Option<u64>,
}

/// The channels of a user (NC 5.2.2, `NotificationChannelList`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nc::NotificationChannelList)]
pub struct NotificationChannelList {
    #[serde(default)]
    pub notification_channel: Vec<NotificationChannel>,
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
}

/// The remaining lifetime in seconds, or the wished one (NC 5.2.2, `NotificationChannelLifetime`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = nc::NotificationChannelLifetime)]
pub struct NotificationChannelLifetime {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_lifetime: Option<u64>,
}

/// The wake-up of a client that then polls (NC 5.2.2, `LargePollingNotification`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LargePollingNotification {
    #[serde(rename = "channelURL")]
    pub channel_url: String,
    /// A `dateTimeStamp`.
    pub channel_expiry: String,
}

/// Asks whether the other side of a WebSocket is there (NC 5.2.2, `ConnCheck`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnCheck {
    /// Seconds until the sender's next check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_interval: Option<u64>,
    /// Only from a server, which must set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_channel_lifetime: Option<u64>,
}

/// The answer to a [`ConnCheck`] (NC 5.2.2, `ConnAck`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnAck {
    /// Only from a server, which must set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_lifetime: Option<u64>,
}
