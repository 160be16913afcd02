//! The secrets among an application's settings, and the destinations that each is sent to.

use std::collections::BTreeSet;

use crate::bucket::SealedSecret;
use crate::settings::Settings;
use crate::ssrf::origin_of;

/// A secret setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsSecret {
    IconikAccessToken,
    /// The secret in the header of Iconik's webhooks. It is sent to Iconik, and Iconik sends it to this deployment's
    /// URL.
    IconikWebhookSecret,
    AwsAccessKey,
    AwsSecretKey,
    DatacoreToken,
}

impl SettingsSecret {
    /// All secret settings.
    pub const ALL: [Self; 5] = [
        Self::IconikAccessToken,
        Self::IconikWebhookSecret,
        Self::AwsAccessKey,
        Self::AwsSecretKey,
        Self::DatacoreToken,
    ];

    /// The name of the setting.
    pub fn name(self) -> &'static str {
        match self {
            Self::IconikAccessToken => "iconik_access_token",
            Self::IconikWebhookSecret => "iconik_webhook_secret",
            Self::AwsAccessKey => "aws_access_key",
            Self::AwsSecretKey => "aws_secret_key",
            Self::DatacoreToken => "datacore_token",
        }
    }

    /// Mutable access to the stored secret.
    pub fn value_mut(self, settings: &mut Settings) -> &mut Option<SealedSecret> {
        match self {
            Self::IconikAccessToken => &mut settings.iconik_access_token,
            Self::IconikWebhookSecret => &mut settings.iconik_webhook_secret,
            Self::AwsAccessKey => &mut settings.aws_access_key,
            Self::AwsSecretKey => &mut settings.aws_secret_key,
            Self::DatacoreToken => &mut settings.datacore_token,
        }
    }

    /// Whether the settings `after` send the secret to an origin that the settings `before` did not send it to. The
    /// stored secret must not be reused then: otherwise a caller who may change a URL could read a secret that is masked for
    /// everybody.
    pub fn changes_destination(self, before: &Settings, after: &Settings) -> bool {
        !self.destinations(after).is_subset(&self.destinations(before))
    }

    fn destinations(self, settings: &Settings) -> BTreeSet<String> {
        let addresses = match self {
            Self::IconikAccessToken => [&settings.iconik_url, &None],
            Self::IconikWebhookSecret => [&settings.iconik_url, &settings.system_endpoint],
            Self::AwsAccessKey | Self::AwsSecretKey => [&settings.sqs_queue_url, &None],
            Self::DatacoreToken => [&settings.datacore_endpoint, &None],
        };
        // a text that is not a URL counts as its own origin
        addresses.into_iter().flatten().map(|it| origin_of(it).unwrap_or_else(|| it.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Settings with a text in one member, if it takes one.
    fn with(name: &str, text: &str) -> Option<Settings> {
        let mut all = serde_json::to_value(Settings::default()).unwrap();
        all[name] = json!(text);
        serde_json::from_value(all).ok()
    }

    fn members() -> Vec<String> {
        let Value::Object(all) = serde_json::to_value(Settings::default()).unwrap() else { panic!() };
        all.into_iter().map(|it| it.0).collect()
    }

    #[test]
    fn every_secret_of_the_settings_is_known() {
        let sealed = |it: &String| with(it, "x").is_some_and(|it| format!("{it:?}").contains("********"));
        let found: Vec<String> = members().into_iter().filter(sealed).collect();
        let mut known = SettingsSecret::ALL.map(SettingsSecret::name);
        known.sort_unstable();
        assert_eq!(found, known);
        for secret in SettingsSecret::ALL {
            assert!(secret.value_mut(&mut with(secret.name(), "x").unwrap()).is_some(), "{secret:?}");
        }
    }

    #[test]
    fn every_address_of_the_settings_takes_its_secrets_along() {
        use SettingsSecret::{AwsAccessKey, AwsSecretKey, DatacoreToken, IconikAccessToken, IconikWebhookSecret};
        let addresses: Vec<String> =
            members().into_iter().filter(|it| it.ends_with("_url") || it.ends_with("_endpoint")).collect();
        let want: &[(&str, &[SettingsSecret])] = &[
            ("datacore_endpoint", &[DatacoreToken]),
            ("iconik_url", &[IconikAccessToken, IconikWebhookSecret]),
            ("sqs_queue_url", &[AwsAccessKey, AwsSecretKey]),
            ("system_endpoint", &[IconikWebhookSecret]),
        ];
        assert_eq!(addresses, want.iter().map(|it| it.0).collect::<Vec<_>>(), "say where each secret goes");
        for (name, secrets) in want {
            let moves = |from: &str, to: &str| -> Vec<SettingsSecret> {
                let (from, to) = (with(name, from).unwrap(), with(name, to).unwrap());
                SettingsSecret::ALL.into_iter().filter(|it| it.changes_destination(&from, &to)).collect()
            };
            assert_eq!(moves("https://a.example/x", "https://b.example/x"), *secrets, "{name}");
            assert_eq!(moves("https://a.example", "https://a.example:8443"), *secrets, "{name}");
            assert_eq!(moves("", "https://a.example"), *secrets, "{name}");
            assert_eq!(moves("https://a.example/x", "https://A.example/y/"), [], "{name}: the same origin");
        }
        let gone = (with("iconik_url", "https://a.example").unwrap(), Settings::default());
        assert!(!IconikAccessToken.changes_destination(&gone.0, &gone.1), "nowhere is no other address");
    }
}
