//! Channel configurations in the published shape (channel API, section 6): member order included.

use domain::channel::{Channel, Target, Webhook};
use domain::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

/// A configuration. `notificationChannelConfiguration` stands in answers to GET alone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Configuration {
    id: String,
    application_id: String,
    /// 0 webhook, 1 SignalR, 2 RabbitMQ
    channel: u8,
    /// A JSON text with the channel's own settings; secrets in it are masked.
    #[serde(rename = "notificationChannelConfigurationJSON")]
    configuration_json: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification_channel_configuration: Option<Short>,
    is_active: bool,
    include_image_data: bool,
    created_at: String,
    updated_at: String,
    /// With the header `X-Extended: true`, when a webhook is made: the signing secret, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signing_secret: Option<String>,
    /// With the header `X-Extended: true`: why the system switched it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disabled_reason: Option<String>,
}

/// The part that GET repeats.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Short {
    is_active: bool,
    include_image_data: bool,
    notification_channel: u8,
}

/// The list of `/Active`, in its published wrapping.
#[derive(Serialize, ToSchema)]
pub(crate) struct Values {
    #[serde(rename = "$id")]
    pub(crate) id: &'static str,
    #[serde(rename = "$values")]
    pub(crate) values: Vec<Configuration>,
}

impl Configuration {
    /// As create answers.
    pub(crate) fn new(it: &Channel) -> Self {
        let Target::Webhook(webhook) = &it.target;
        Self {
            id: it.id.to_string(),
            application_id: it.app.to_string(),
            channel: 0,
            configuration_json: settings(webhook),
            notification_channel_configuration: None,
            is_active: it.active,
            include_image_data: it.include_image_data,
            created_at: rfc3339(it.created_at),
            updated_at: rfc3339(it.updated_at),
            signing_secret: None,
            disabled_reason: None,
        }
    }

    /// As GET answers.
    pub(crate) fn whole(it: &Channel, extended: bool) -> Self {
        let short = Short { is_active: it.active, include_image_data: it.include_image_data, notification_channel: 0 };
        let disabled_reason = it.disabled_reason.clone().filter(|_| extended);
        Self { notification_channel_configuration: Some(short), disabled_reason, ..Self::new(it) }
    }
}

fn settings(it: &Webhook) -> String {
    let url = serde_json::to_string(&masked(&it.url)).unwrap_or_default();
    // always with a decimal, as published
    format!("{{\"WebHookUrl\":{url},\"RetryCount\":{},\"ExponentialBackoffFactor\":{:?}}}", it.retries, it.factor)
}

/// Query values whose key speaks of a secret are masked (section 7.1).
fn masked(url: &str) -> String {
    let Some((front, query)) = url.split_once('?') else { return url.to_owned() };
    let secret =
        |key: &str| ["token", "key", "secret", "sig", "code"].iter().any(|it| key.to_ascii_lowercase().contains(it));
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if secret(key) => format!("{key}=********"),
        _ => pair.to_owned(),
    });
    format!("{front}?{}", pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_print_as_published_and_hide_secrets() {
        let webhook = |url: &str, factor: f64| Webhook {
            url: url.into(),
            retries: 5,
            factor,
            secret: domain::bucket::Sealed(String::new()),
        };
        assert_eq!(
            settings(&webhook("https://example.com/webhook", 2.0)),
            r#"{"WebHookUrl":"https://example.com/webhook","RetryCount":5,"ExponentialBackoffFactor":2.0}"#
        );
        assert_eq!(
            masked("https://a.example/?x=1&access_token=abc&Sig=d"),
            "https://a.example/?x=1&access_token=********&Sig=********"
        );
    }
}
