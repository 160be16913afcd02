//! The fields of forms, for the description of the API (channel API, section 4.2). [`adcreative_api::Form`] reads them;
//! their values are checked where they are used.

use serde::Serialize;
use utoipa::ToSchema;

/// The fields that all kinds of channels have.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelForm {
    #[schema(default = true)]
    is_active: Option<bool>,
    #[schema(default = false)]
    include_image_data: Option<bool>,
    /// `adcreative`, or for notifications of every type `native` or `cloudevents` (CloudEvents 1.0, structured)
    #[schema(example = "adcreative")]
    format: Option<String>,
    /// Types and patterns of types, at most 50, with commas between them
    #[schema(example = "item.*,scan.failed")]
    types: Option<String>,
    /// An EventBridge pattern, as JSON text; `{}` removes it
    #[schema(example = "{}")]
    filter: Option<String>,
    /// Deliveries a second at most; 0 removes the limit
    #[schema(minimum = 0, maximum = 1000, example = 10)]
    max_per_second: Option<u32>,
    /// Also deliver progress before all tasks are done
    every_progress: Option<bool>,
    /// `key`: the events of one `orderingKey` are delivered one after the other; or `none`
    #[schema(example = "none")]
    ordering: Option<String>,
    /// `standard` for ten attempts over three days, or `exponential`
    #[schema(example = "exponential")]
    schedule: Option<String>,
    #[schema(minimum = 0, maximum = 20, example = 5)]
    retry_count: Option<u32>,
    #[schema(minimum = 1, maximum = 10, example = 2.0)]
    exponential_backoff_factor: Option<f64>,
}

/// A webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookForm {
    #[schema(min_length = 1, example = "https://hooks.example.com/notifications")]
    web_hook_url: String,
    /// `whsec_…`, of 24 to 64 bytes in base64; generated if it is absent
    #[schema(pattern = "^(whsec_[A-Za-z0-9+/]{32,88}={0,2})?$")]
    signing_secret: Option<String>,
    #[serde(flatten)]
    channel: ChannelForm,
}

/// A RabbitMQ queue.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RabbitForm {
    #[schema(min_length = 1, example = "amqps://broker.example.com/news")]
    url: String,
    #[schema(min_length = 1, max_length = 255, example = "notifications")]
    username: String,
    /// A PUT with an empty, absent or masked password keeps the stored one
    #[schema(max_length = 255)]
    password: Option<String>,
    #[schema(min_length = 1, max_length = 255, example = "news")]
    queue_name: String,
    #[serde(flatten)]
    channel: ChannelForm,
}

/// A method of a SignalR hub.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignalRForm {
    #[schema(min_length = 1, example = "https://hub.example.com/notifications")]
    hub_url: String,
    #[schema(max_length = 64, pattern = "^([A-Za-z][A-Za-z0-9_]*)?$", example = "ReceiveNotification")]
    hub_method: Option<String>,
    access_token: Option<String>,
    #[serde(flatten)]
    channel: ChannelForm,
}

/// Which notifications to send again.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplayForm {
    /// A cursor, or the id of a notification; or `since`
    after: Option<String>,
    #[schema(format = "date-time", example = "2026-11-21T09:00:00Z")]
    since: Option<String>,
    /// The default is now
    #[schema(format = "date-time")]
    until: Option<String>,
    /// Only notifications whose delivery has failed
    failed: Option<bool>,
    /// Count what would be queued, and queue nothing
    #[serde(rename = "dryRun")]
    dry_run: Option<bool>,
}

/// How a signing secret is replaced.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretForm {
    #[schema(minimum = 0, maximum = 604_800, example = 86_400)]
    overlap_seconds: Option<u32>,
    /// Also while an overlap is open
    force: Option<bool>,
    /// `whsec_…`, of 24 to 64 bytes in base64; generated if it is absent
    #[schema(pattern = "^(whsec_[A-Za-z0-9+/]{32,88}={0,2})?$")]
    signing_secret: Option<String>,
}

/// An application, and the key that it requests tokens with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GenerateForm {
    /// Also as `urn:uuid:…`
    #[schema(min_length = 1)]
    application_id: String,
    #[schema(min_length = 1)]
    jwt_private_key: String,
}

/// An application, and a refresh token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefreshForm {
    /// Also as `urn:uuid:…`
    #[schema(min_length = 1)]
    application_id: String,
    #[schema(min_length = 1)]
    refresh_token: String,
}
