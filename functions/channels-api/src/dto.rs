//! Channel configurations in the published shape, including the order of members (channel API, section 6).

use domain::channel::{Channel, MessageFormat, Ordering, Target};
use domain::circuit_breaker::{Breaker, ChannelHealth};
use domain::delivery::RetrySchedule;
use domain::masking::{MASK, mask_url};
use domain::{from_millis, rfc3339};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A configuration. Only answers to GET have `notificationChannelConfiguration`.
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
    #[serde(flatten)]
    extended: Option<Extended>,
}

/// Members that the published shape does not have: only with the header `X-Extended: true` (channel API, section 7.5).
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Extended {
    secrets_masked: bool,
    /// active, inactive, unconfirmed, disabled, failing (the breaker is open), recovering
    status: String,
    consecutive_failures: u32,
    /// Whether the receiver is slow, or has not answered lately: its deliveries go through the slow queue.
    slow: bool,
    /// Whether the latest attempts were not answered in time.
    unanswered: bool,
    /// When the breaker lets the next attempt through, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_probe_at: Option<String>,
    disabled_reason: Option<String>,
    /// The `kid` of the public key at `/Jwks` that verifies `v1a` signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_key_id: Option<String>,
    /// The signing secret, shown only when a webhook is created or its secret is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<String>,
    /// `adcreative`, `native` or `cloudevents`
    format: &'static str,
    types: Vec<String>,
    #[schema(value_type = Object)]
    filter: Option<Value>,
    max_per_second: Option<u32>,
    every_progress: bool,
    /// `exponential` or `standard`
    schedule: &'static str,
    /// `none` or `key`
    ordering: &'static str,
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

/// A list, bare or in its published wrapping.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum List {
    Wrapped(Values),
    Bare(Vec<Configuration>),
}

/// The secrets of a channel, not masked.
#[derive(Default)]
pub(crate) struct RevealedSecrets {
    pub(crate) secret: Option<String>,
    /// The address with the secret values of its query.
    pub(crate) url: Option<String>,
}

impl Configuration {
    /// The answer of create and update.
    pub(crate) fn new(channel: &Channel) -> Self {
        Self {
            id: channel.id.to_string(),
            application_id: channel.app.to_string(),
            channel: channel.target.api_number(),
            configuration_json: settings_json(&channel.target, &RevealedSecrets::default()),
            notification_channel_configuration: None,
            is_active: channel.active,
            include_image_data: channel.include_image_data,
            created_at: rfc3339(channel.created_at),
            updated_at: rfc3339(channel.updated_at),
            extended: None,
        }
    }

    /// The answer of GET.
    pub(crate) fn with_summary(channel: &Channel) -> Self {
        let short = Short {
            is_active: channel.active,
            include_image_data: channel.include_image_data,
            notification_channel: channel.target.api_number(),
        };
        Self { notification_channel_configuration: Some(short), ..Self::new(channel) }
    }

    /// Adds the members that the published shape does not have. `now` is in milliseconds since 1970.
    pub(crate) fn extended(mut self, channel: &Channel, health: &ChannelHealth, now: i64) -> Self {
        let status = match health.breaker {
            _ if channel.disabled_reason.is_some() => "disabled",
            _ if !channel.active => "inactive",
            _ if channel.unconfirmed => "unconfirmed",
            Breaker::Open { .. } | Breaker::HalfOpen { .. } => "failing",
            Breaker::Closed if health.ramp_rate(now).is_some() => "recovering",
            Breaker::Closed => "active",
        };
        let schedule = match channel.target.schedule() {
            RetrySchedule::Exponential { .. } => "exponential",
            RetrySchedule::Standard => "standard",
        };
        self.extended = Some(Extended {
            secrets_masked: true,
            status: status.to_owned(),
            consecutive_failures: health.failures,
            slow: health.is_slow(now),
            unanswered: health.unanswered,
            next_probe_at: match health.breaker {
                Breaker::Open { until, .. } => Some(rfc3339(from_millis(until))),
                Breaker::HalfOpen { .. } | Breaker::Closed => None,
            },
            disabled_reason: channel.disabled_reason.clone(),
            format: format_name(channel.format),
            types: channel.types.clone(),
            filter: channel.filter.clone().map(Value::from),
            max_per_second: channel.per_second,
            every_progress: channel.every_progress,
            schedule,
            ordering: match channel.ordering {
                Ordering::None => "none",
                Ordering::Key => "key",
            },
            ..Extended::default()
        });
        self
    }

    /// Adds the signing secret, which is shown once.
    pub(crate) fn with_signing_secret(mut self, secret: String) -> Self {
        if let Some(extended) = &mut self.extended {
            extended.signing_secret = Some(secret);
        }
        self
    }

    pub(crate) fn with_key_id(mut self, id: String) -> Self {
        if let Some(extended) = &mut self.extended {
            extended.signing_key_id = Some(id);
        }
        self
    }

    /// Shows the secrets (channel API, section 7.3).
    pub(crate) fn revealed(mut self, channel: &Channel, secrets: &RevealedSecrets) -> Self {
        self.configuration_json = settings_json(&channel.target, secrets);
        if let Some(extended) = &mut self.extended {
            extended.secrets_masked = false;
        }
        self
    }
}

pub(crate) fn format_name(format: MessageFormat) -> &'static str {
    match format {
        MessageFormat::AdCreative => "adcreative",
        MessageFormat::Native => "native",
        MessageFormat::CloudEvents => "cloudevents",
    }
}

/// The inner JSON, in the published order of members.
fn settings_json(target: &Target, revealed: &RevealedSecrets) -> String {
    let json = |it: &str| serde_json::to_string(it).unwrap_or_default();
    let secret = revealed.secret.as_deref().unwrap_or(MASK);
    // addresses that were stored before they were sealed are masked here
    let shown = |url: &str| json(&revealed.url.clone().unwrap_or_else(|| mask_url(url)));
    match target {
        Target::Webhook(webhook) => {
            let (retries, factor) = match webhook.schedule {
                RetrySchedule::Exponential { retries, factor } => (retries, factor),
                standard @ RetrySchedule::Standard => (standard.retries(), 2.0),
            };
            // `{factor:?}` always prints a decimal place, as in the published API
            format!(
                r#"{{"WebHookUrl":{},"RetryCount":{retries},"ExponentialBackoffFactor":{factor:?}}}"#,
                shown(&webhook.url)
            )
        }
        Target::RabbitMq(queue) => format!(
            r#"{{"Url":{},"Username":{},"Password":{},"QueueName":{}}}"#,
            json(&queue.url),
            json(&queue.username),
            json(secret),
            json(&queue.queue)
        ),
        Target::SignalR(hub) => {
            let token = if hub.token.is_some() { json(secret) } else { "null".to_owned() };
            format!(r#"{{"HubUrl":{},"HubMethod":{},"AccessToken":{token}}}"#, shown(&hub.url), json(&hub.method))
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::bucket::SealedSecret;
    use domain::channel::{RabbitMq, SignalR, Webhook};

    use super::*;

    #[test]
    fn settings_print_as_published_and_hide_secrets() {
        let schedule = RetrySchedule::default();
        let webhook = Target::Webhook(Webhook {
            url: "https://example.com/webhook".into(),
            sealed_url: None,
            schedule,
            keys: Vec::new(),
        });
        let rabbit = Target::RabbitMq(RabbitMq {
            url: "amqp://localhost/Test".into(),
            username: "admin".into(),
            password: SealedSecret("x".into()),
            queue: "TaskQueue".into(),
            schedule,
        });
        let hub = |token: Option<SealedSecret>| {
            let (url, method) = ("https://hub.example.com/hub".into(), "ReceiveNotification".into());
            Target::SignalR(SignalR { url, sealed_url: None, method, token, schedule })
        };
        let clear = RevealedSecrets { secret: Some("securePassword123".into()), url: None };
        for (target, revealed, want) in [
            (
                &webhook,
                &RevealedSecrets::default(),
                r#"{"WebHookUrl":"https://example.com/webhook","RetryCount":5,"ExponentialBackoffFactor":2.0}"#,
            ),
            (
                &rabbit,
                &RevealedSecrets::default(),
                r#"{"Url":"amqp://localhost/Test","Username":"admin","Password":"********","QueueName":"TaskQueue"}"#,
            ),
            (
                &rabbit,
                &clear,
                r#"{"Url":"amqp://localhost/Test","Username":"admin","Password":"securePassword123","QueueName":"TaskQueue"}"#,
            ),
            (
                &hub(Some(SealedSecret("x".into()))),
                &RevealedSecrets::default(),
                r#"{"HubUrl":"https://hub.example.com/hub","HubMethod":"ReceiveNotification","AccessToken":"********"}"#,
            ),
            (
                &hub(None),
                &RevealedSecrets::default(),
                r#"{"HubUrl":"https://hub.example.com/hub","HubMethod":"ReceiveNotification","AccessToken":null}"#,
            ),
        ] {
            assert_eq!(settings_json(target, revealed), want);
        }
    }
}
