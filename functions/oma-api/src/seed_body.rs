//! The bodies of the seed's dialect. Requests are read by hand, as their members may be spelt in camelCase or in snake_case: their
//! structs are schemas.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A channel to create.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeedChannelIn {
    /// `WebSockets`, the one type of the short paths
    #[schema(pattern = "^WebSockets$", example = "WebSockets")]
    channel_type: String,
    /// In seconds: 60 to 86,400 are granted, and by default 86,400
    #[schema(minimum = 1, example = 3_600)]
    channel_life_time: Option<u64>,
    /// At most 1,000 bytes
    #[schema(max_length = 1_000)]
    client_correlator: Option<String>,
    /// At most 1,000 bytes
    #[schema(max_length = 1_000)]
    application_tag: Option<String>,
    channel_data: Option<SeedChannelDataIn>,
}

/// The data of a channel to create.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeedChannelDataIn {
    /// Notifications in a list, at most; by default 7,200
    #[schema(minimum = 1, example = 10)]
    max_notifications: Option<u64>,
}

/// A channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeedChannel {
    /// `WebSockets` or `LongPolling`
    pub(crate) channel_type: String,
    /// In seconds: granted where the channel is created, and remaining elsewhere
    pub(crate) channel_life_time: u64,
    #[schema(required)]
    pub(crate) client_correlator: Option<String>,
    #[schema(required)]
    pub(crate) application_tag: Option<String>,
    pub(crate) channel_data: SeedChannelData,
    #[serde(rename = "resourceURL")]
    pub(crate) resource_url: String,
    #[serde(rename = "callbackURL")]
    pub(crate) callback_url: String,
    /// Counted per user from 1, and never used again
    pub(crate) id: u64,
}

/// The data of a channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeedChannelData {
    #[serde(rename = "channelURL")]
    pub(crate) channel_url: String,
    pub(crate) max_notifications: u64,
}

/// The lifetime of a channel to begin anew.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeedLifetimeIn {
    /// In seconds: 60 to 86,400 are granted, and by default 86,400
    #[schema(minimum = 1, example = 100)]
    channel_life_time: Option<u64>,
}

/// The lifetime of a channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeedLifetime {
    /// In seconds
    pub(crate) channel_life_time: u64,
}

/// An object that has changed in another store.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeedDump {
    user_id: String,
    /// By default `messages`
    #[schema(example = "messages")]
    store_name: Option<String>,
    /// Its members become attributes: a list has several values, and what is nested is kept as JSON. At most 30,000 bytes
    #[schema(value_type = Object, example = json!({ "from_": "alice", "to": "bob", "content": "Lunch?" }))]
    object: Value,
}

/// The object as it is stored.
#[derive(Serialize, ToSchema)]
pub(crate) struct SeedStored {
    pub(crate) id: u64,
    #[serde(rename = "resourceURL")]
    pub(crate) resource_url: String,
    #[serde(rename = "lastModSeq")]
    pub(crate) last_mod_seq: u64,
}

/// From where a subscription is told again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeedReplayIn {
    user_id: String,
    /// By default `messages`
    #[schema(example = "messages")]
    store_name: Option<String>,
    /// A number, or `s` and a number
    #[schema(pattern = "^s?[0-9]{1,19}$", example = "s1")]
    subscription_id: String,
    /// The position after which it is told again
    restart_token: String,
}

/// A subscription that is told again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeedReplay {
    pub(crate) id: u64,
    /// Of the next list
    pub(crate) index: u64,
    pub(crate) restart_token: String,
}

/// Why a request is refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct SeedRefusal {
    pub(crate) detail: String,
}
