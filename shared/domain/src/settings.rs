//! An application's settings: media systems, processing and quotas.
//!
//! The names are those of the seed's `config.json` and environment file, in lower case.

use serde::{Deserialize, Serialize};

use crate::application::Scope;
use crate::bucket::{Backends, MediaSystem, ProcessorKind, Processors, SealedSecret};

/// Default for Iconik requests per second. Iconik grants 50 to all users of one `App-ID` together (media systems,
/// section 3.2).
pub const DEFAULT_REQUESTS_PER_SECOND: u32 = 20;
/// Default interval of reconciliation with Iconik in minutes.
pub const DEFAULT_RECONCILE_MINUTES: u32 = 60;

/// Settings of one application. Absent values are off or have the system's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Media systems in use.
    pub system: Vec<MediaSystem>,
    /// This deployment's public base URL, which webhooks are sent to.
    pub system_endpoint: Option<String>,
    pub iconik_url: Option<String>,
    pub iconik_app_id: Option<String>,
    pub iconik_access_token: Option<SealedSecret>,
    /// The Iconik domain whose webhooks are accepted; learned with the first check if it is not set. This setting gives
    /// no access to the domain's events on the shared queue: that needs the domain that Iconik itself returned for the
    /// token.
    pub iconik_domain_id: Option<String>,
    /// Secret in a header of Iconik's webhooks to us.
    pub iconik_webhook_secret: Option<SealedSecret>,
    /// Watched collections; empty means all.
    pub iconik_collections: Vec<String>,
    /// The metadata view that results are written to; absent means none.
    pub iconik_metadata_view: Option<String>,
    pub iconik_requests_per_second: u32,
    pub reconcile_minutes: u32,
    pub single_webhook: bool,
    pub webhook_name: String,
    /// An external SQS queue with Iconik's events.
    pub sqs_queue_url: Option<String>,
    pub aws_region: Option<String>,
    pub aws_access_key: Option<SealedSecret>,
    pub aws_secret_key: Option<SealedSecret>,
    /// Endpoint of buckets that have none of their own.
    pub datacore_endpoint: Option<String>,
    pub datacore_token: Option<SealedSecret>,
    /// What is done with Iconik's assets.
    pub processor: Processors,
    /// Where processors run, for buckets that do not choose.
    pub backends: Backends,
    /// Priority of Iconik's assets, 1 to 10; see `item::URGENT_PRIORITY`.
    pub priority: u8,
    /// A directory in the function's temporary storage.
    pub temp_folder: Option<String>,
    /// Maximum number of items processed concurrently; 0 means no limit.
    pub no_of_threads: u32,
    pub video_file_types: Vec<String>,
    pub audio_file_types: Vec<String>,
    pub image_file_types: Vec<String>,
    pub log_level: Option<String>,
    /// Quota of items per day (UTC); 0 means unlimited.
    pub items_per_day: u64,
    /// Quota of bytes per day (UTC); 0 means unlimited.
    pub bytes_per_day: u64,
    /// Origins that may call the API and open sockets, such as `https://news.example.com`, in the form in which
    /// browsers send them. If empty, sockets accept all origins.
    pub allowed_origins: Vec<String>,
    /// Trusted OpenID Connect issuers.
    pub oidc_issuers: Vec<OidcIssuer>,
    /// How often the settings were stored.
    pub revision: u64,
}

/// A trusted OpenID Connect issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcIssuer {
    /// The `iss` claim of its tokens; its configuration is discovered there.
    pub issuer: String,
    /// The required `aud` claim.
    pub audience: String,
    /// The scopes that its tokens may carry. Without any, a token gives access to its user's inbox only.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// How people sign in to the console at this issuer; `None` if they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<ConsoleClient>,
}

/// The console as a client of an issuer (OpenID Connect Core 1.0, section 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleClient {
    pub client_id: String,
    /// `None` for a public client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SealedSecret>,
    /// What is asked for, separated by spaces; by default `openid` and the scopes of the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl OidcIssuer {
    /// What the console asks the issuer for: `scope` of an authorization request.
    pub fn requested_scope(&self) -> String {
        match self.console.as_ref().and_then(|it| it.scope.as_ref()) {
            Some(scope) => scope.clone(),
            None => {
                std::iter::once("openid").chain(self.scopes.iter().map(|it| it.name())).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            system: Vec::new(),
            system_endpoint: None,
            iconik_url: None,
            iconik_app_id: None,
            iconik_access_token: None,
            iconik_domain_id: None,
            iconik_webhook_secret: None,
            iconik_collections: Vec::new(),
            iconik_metadata_view: None,
            iconik_requests_per_second: DEFAULT_REQUESTS_PER_SECOND,
            reconcile_minutes: DEFAULT_RECONCILE_MINUTES,
            single_webhook: true,
            webhook_name: "Notification API Webhook".to_owned(),
            sqs_queue_url: None,
            aws_region: None,
            aws_access_key: None,
            aws_secret_key: None,
            datacore_endpoint: None,
            datacore_token: None,
            processor: ProcessorKind::FacialRecognition.into(),
            backends: Backends::default(),
            priority: crate::priority::default_priority(),
            temp_folder: None,
            no_of_threads: 0,
            video_file_types: Vec::new(),
            audio_file_types: Vec::new(),
            image_file_types: Vec::new(),
            log_level: None,
            items_per_day: 0,
            bytes_per_day: 0,
            allowed_origins: Vec::new(),
            oidc_issuers: Vec::new(),
            revision: 0,
        }
    }
}

impl Settings {
    /// Whether Iconik is in use and configured.
    pub fn uses_iconik(&self) -> bool {
        self.system.contains(&MediaSystem::Iconik)
            && self.iconik_url.is_some()
            && self.iconik_app_id.is_some()
            && self.iconik_access_token.is_some()
    }

    /// The accepted media types of all kinds; empty means all that the processor accepts.
    pub fn media_types(&self) -> Vec<String> {
        let all = [&self.video_file_types, &self.audio_file_types, &self.image_file_types];
        all.into_iter().flatten().cloned().collect()
    }

    /// Why an item of `bytes` bytes must wait until tomorrow, given today's usage; `None` if it is within the quotas.
    pub fn exceeded_quota(&self, used: DailyUsage, bytes: u64) -> Option<&'static str> {
        if self.items_per_day > 0 && used.items + 1 > self.items_per_day {
            Some("today's quota of items is used up")
        } else if self.bytes_per_day > 0 && used.bytes + bytes > self.bytes_per_day {
            Some("today's quota of bytes is used up")
        } else {
            None
        }
    }

    /// Whether a daily quota is set.
    pub fn has_quota(&self) -> bool {
        self.items_per_day > 0 || self.bytes_per_day > 0
    }

    /// Today's usage in percent of the quota that is used most.
    pub fn quota_used_percent(&self, used: DailyUsage) -> u64 {
        let percent = |used: u64, quota: u64| used.saturating_mul(100).checked_div(quota).unwrap_or(0);
        percent(used.items, self.items_per_day).max(percent(used.bytes, self.bytes_per_day))
    }
}

/// What an application has processed in one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DailyUsage {
    #[serde(default)]
    pub items: u64,
    #[serde(default)]
    pub bytes: u64,
}

/// Converts to lower case and removes duplicates.
pub fn normalized_types(types: &[String]) -> Vec<String> {
    let mut normalized: Vec<String> = Vec::new();
    for media_type in types.iter().map(|it| it.trim().to_ascii_lowercase()) {
        if !normalized.contains(&media_type) {
            normalized.push(media_type);
        }
    }
    normalized
}

/// Removes a trailing slash and a trailing `/API` from an Iconik base URL (media systems, section 3.1.1).
pub fn strip_api_suffix(url: &str) -> &str {
    let url = url.trim().trim_end_matches('/');
    let bare = url.strip_suffix("/API").or_else(|| url.strip_suffix("/api")).unwrap_or(url);
    bare.trim_end_matches('/')
}

/// Whether a URL belongs to Iconik itself: its host is one of `hosts` (separated by commas) or a subdomain of one. Only
/// Iconik's own answer proves which Iconik domain a token belongs to; another host could claim any.
pub fn is_iconik_host(url: &str, hosts: &str) -> bool {
    let Some(host) = url::Url::parse(url).ok().and_then(|it| it.host_str().map(str::to_owned)) else { return false };
    let mut hosts = hosts.split(',').map(str::trim).filter(|it| !it.is_empty());
    hosts.any(|it| host == it || host.strip_suffix(it).is_some_and(|front| front.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iconiks_hosts_are_told_from_others() {
        for (url, want) in [
            ("https://app.iconik.io", true),
            ("https://iconik.io/API", true),
            ("https://preview.iconik.cloud", true),
            ("http://127.0.0.1:4711", true),
            ("https://iconik.io.example.com", false),
            ("https://noticonik.io", false),
            ("https://example.com/iconik.io", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_iconik_host(url, "iconik.io, iconik.cloud,127.0.0.1"), want, "{url}");
        }
        assert!(!is_iconik_host("https://app.iconik.io", ""));
    }

    #[test]
    fn limits_hold_per_day_and_tell_how_far_they_are_used() {
        let set = Settings { items_per_day: 10, bytes_per_day: 1_000, ..Settings::default() };
        let used = |items, bytes| DailyUsage { items, bytes };
        assert_eq!(set.exceeded_quota(used(9, 0), 1_000), None);
        assert_eq!(set.exceeded_quota(used(10, 0), 1), Some("today's quota of items is used up"));
        assert_eq!(set.exceeded_quota(used(0, 1), 1_000), Some("today's quota of bytes is used up"));
        assert_eq!((set.quota_used_percent(used(8, 0)), set.quota_used_percent(used(1, 990))), (80, 99));
        assert_eq!(Settings::default().exceeded_quota(used(u64::MAX - 1, u64::MAX), 0), None);
    }

    #[test]
    fn lists_lose_their_repetitions_and_addresses_their_surplus() {
        let types = ["video/mpeg", "VIDEO/MP4", "video/mpeg"].map(str::to_owned);
        assert_eq!(normalized_types(&types), ["video/mpeg", "video/mp4"]);
        for url in
            ["https://preview.iconik.cloud", "https://preview.iconik.cloud/", "https://preview.iconik.cloud/API/"]
        {
            assert_eq!(strip_api_suffix(url), "https://preview.iconik.cloud");
        }
    }
}
