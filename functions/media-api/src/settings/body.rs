//! The settings as they are sent: their names, what is shown of them, and what is valid.

use domain::bucket::{MediaSystem, SealedSecret};
use domain::masking::MASK;
use domain::origin;
use domain::settings::{Settings, normalized_types, strip_api_suffix};
use domain::settings_secret::SettingsSecret;
use domain::ssrf::{AllowedNetworks, check_endpoint};
use entry::http::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::bounds::within;
use crate::issuer::{IssuerBody, validate};
use crate::processors::{BackendNames, ProcessorNames};

const MAX_ORIGINS: usize = 50;
/// The largest daily quota: beyond it, not every reader of JSON keeps an integer exactly (RFC 8259, section 6).
const MAX_QUOTA: u64 = (1 << 53) - 1;

/// Settings. In a PUT, absent settings get their defaults; secrets that are absent or masked are kept.
#[derive(Serialize, Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SettingsBody {
    /// `iconik`, `datacore`, `objectmatrix`
    system: Vec<String>,
    /// This deployment's public address
    system_endpoint: Option<String>,
    iconik_url: Option<String>,
    #[schema(min_length = 1, max_length = 100)]
    iconik_app_id: Option<String>,
    iconik_access_token: Option<String>,
    /// The Iconik domain whose webhooks are accepted
    #[schema(min_length = 1, max_length = 100)]
    iconik_domain_id: Option<String>,
    /// At least 16 characters. Generated if it is absent, or if `system_endpoint` or `iconik_url` moves to another
    /// origin
    pub(super) iconik_webhook_secret: Option<String>,
    /// Collections that are watched; without entries all assets are
    iconik_collections: Vec<String>,
    /// The view that results are written to, with the fields AI_Status, AI_Processor and AI_Faces
    iconik_metadata_view: Option<String>,
    /// 1 to 50, by default 20
    #[schema(minimum = 1, maximum = 50)]
    iconik_requests_per_second: Option<u32>,
    /// How often Iconik is searched for assets that were not announced, in minutes: 1 to 1440, by default 60
    #[schema(minimum = 1, maximum = 1_440)]
    reconcile_minutes: Option<u32>,
    single_webhook: Option<bool>,
    #[schema(min_length = 1, max_length = 100)]
    webhook_name: Option<String>,
    sqs_queue_url: Option<String>,
    #[schema(min_length = 1, max_length = 30)]
    aws_region: Option<String>,
    aws_access_key: Option<String>,
    aws_secret_key: Option<String>,
    datacore_endpoint: Option<String>,
    /// `access:secret`
    datacore_token: Option<String>,
    /// `FacialRecognition`, `ObjectDetection`, `AutoTranslation`, or a list of them
    processor: Option<ProcessorNames>,
    /// Where processors run, for buckets that do not choose
    backend: Option<BackendNames>,
    /// Of Iconik's assets, 1 to 10, by default 5; from 8 on, items take the short queue
    #[schema(minimum = 1, maximum = 10)]
    priority: Option<u8>,
    /// A folder inside the function's temporary storage
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    temp_folder: Option<String>,
    /// How many items are processed at once; 0 means as many as the deployment can
    #[schema(minimum = 0, maximum = 1_000)]
    no_of_threads: Option<u32>,
    /// Media types that are processed, together with the other two lists: `video/mp4`, `video/*`. A bucket's
    /// `mimeTypes` take precedence. If all three are empty, everything is processed that may have visual content. For
    /// Iconik's assets the type of the original or of its proxy has to match
    video_file_types: Vec<String>,
    audio_file_types: Vec<String>,
    image_file_types: Vec<String>,
    /// `ALL`, `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`: for the parameter `LogLevel` of the deployment
    log_level: Option<String>,
    /// 0 means any number
    items_per_day: Option<u64>,
    /// 0 means any number
    bytes_per_day: Option<u64>,
    /// Origins of pages that may call the API and open WebSockets, at most 50. Without entries all pages may open
    /// WebSockets
    #[schema(example = json!(["https://news.example.com"]))]
    allowed_origins: Vec<String>,
    /// OpenID Connect issuers whose tokens are accepted, at most 10
    pub(super) oidc_issuers: Vec<IssuerBody>,
}

impl SettingsBody {
    /// A secret as the request has it.
    pub(super) fn sent_secret(&self, secret: SettingsSecret) -> Option<&str> {
        let sent = match secret {
            SettingsSecret::IconikAccessToken => &self.iconik_access_token,
            SettingsSecret::IconikWebhookSecret => &self.iconik_webhook_secret,
            SettingsSecret::AwsAccessKey => &self.aws_access_key,
            SettingsSecret::AwsSecretKey => &self.aws_secret_key,
            SettingsSecret::DatacoreToken => &self.datacore_token,
        };
        sent.as_deref()
    }

    pub(super) fn shown(settings: &Settings) -> Self {
        let masked = |it: &Option<SealedSecret>| it.as_ref().map(|_| MASK.to_owned());
        Self {
            system: settings.system.iter().map(|it| it.name().to_owned()).collect(),
            system_endpoint: settings.system_endpoint.clone(),
            iconik_url: settings.iconik_url.clone(),
            iconik_app_id: settings.iconik_app_id.clone(),
            iconik_access_token: masked(&settings.iconik_access_token),
            iconik_domain_id: settings.iconik_domain_id.clone(),
            iconik_webhook_secret: masked(&settings.iconik_webhook_secret),
            iconik_collections: settings.iconik_collections.clone(),
            iconik_metadata_view: settings.iconik_metadata_view.clone(),
            iconik_requests_per_second: Some(settings.iconik_requests_per_second),
            reconcile_minutes: Some(settings.reconcile_minutes),
            single_webhook: Some(settings.single_webhook),
            webhook_name: Some(settings.webhook_name.clone()),
            sqs_queue_url: settings.sqs_queue_url.clone(),
            aws_region: settings.aws_region.clone(),
            aws_access_key: masked(&settings.aws_access_key),
            aws_secret_key: masked(&settings.aws_secret_key),
            datacore_endpoint: settings.datacore_endpoint.clone(),
            datacore_token: masked(&settings.datacore_token),
            processor: Some(ProcessorNames::shown(&settings.processor)),
            backend: BackendNames::chosen(&settings.backends),
            priority: Some(settings.priority),
            temp_folder: settings.temp_folder.clone(),
            no_of_threads: Some(settings.no_of_threads),
            video_file_types: settings.video_file_types.clone(),
            audio_file_types: settings.audio_file_types.clone(),
            image_file_types: settings.image_file_types.clone(),
            log_level: settings.log_level.clone(),
            items_per_day: Some(settings.items_per_day),
            bytes_per_day: Some(settings.bytes_per_day),
            allowed_origins: settings.allowed_origins.clone(),
            oidc_issuers: settings.oidc_issuers.iter().map(IssuerBody::shown).collect(),
        }
    }

    /// Validates the settings. The secrets are those of `before`, the revision is the next one.
    ///
    /// # Errors
    /// 422 with the first setting that is not valid.
    pub(super) fn validate(&self, before: &Settings, allowed: &AllowedNetworks) -> Result<Settings, Problem> {
        let defaults = Settings::default();
        let system: Result<Vec<MediaSystem>, Problem> = self
            .system
            .iter()
            .map(|it| it.parse().map_err(|()| Problem::invalid("system", "`iconik`, `datacore` or `objectmatrix`")))
            .collect();
        for (field, text, most) in [
            ("iconik_app_id", &self.iconik_app_id, 100),
            ("iconik_domain_id", &self.iconik_domain_id, 100),
            ("webhook_name", &self.webhook_name, 100),
            ("aws_region", &self.aws_region, 30),
        ] {
            let good = |it: &String| !it.trim().is_empty() && it.len() <= most && !it.chars().any(char::is_control);
            if text.as_ref().is_some_and(|it| !good(it)) {
                return Err(Problem::invalid(field, format!("1 to {most} characters")));
            }
        }
        let ids = self.iconik_collections.iter().map(|it| ("iconik_collections", it));
        for (field, id) in ids.chain(self.iconik_metadata_view.iter().map(|it| ("iconik_metadata_view", it))) {
            id.parse::<Uuid>().map_err(|_| Problem::invalid(field, "an id of Iconik's, which is a UUID"))?;
        }
        for (field, types) in [
            ("video_file_types", &self.video_file_types),
            ("audio_file_types", &self.audio_file_types),
            ("image_file_types", &self.image_file_types),
        ] {
            if types.len() > 100 || types.iter().any(|it| it.len() > 100 || it.split('/').count() != 2) {
                return Err(Problem::invalid(field, "at most 100 types of the form type/subtype or type/*"));
            }
        }
        if let Some(folder) = &self.temp_folder {
            let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
            if folder.is_empty() || folder.len() > 64 || !folder.chars().all(plain) {
                return Err(Problem::invalid("temp_folder", "a name of letters, digits, hyphens and underlines"));
            }
        }
        let origins = self.allowed_origins.iter().map(|it| origin::parse(it)).collect::<Result<Vec<String>, _>>();
        let origins = origins.ok().filter(|it| it.len() <= MAX_ORIGINS).ok_or_else(|| {
            let title = format!(
                "at most {MAX_ORIGINS}, each a scheme, a host and perhaps a port, such as https://news.example.com"
            );
            Problem::invalid("allowed_origins", title)
        })?;
        let processor = self.processor.clone().unwrap_or_default().validate()?;
        let backends = self.backend.as_ref().map(|it| it.validate("backend", &processor)).transpose()?;
        let levels = ["ALL", "TRACE", "DEBUG", "INFO", "WARN", "ERROR"];
        if self.log_level.as_ref().is_some_and(|it| !levels.contains(&it.as_str())) {
            return Err(Problem::invalid("log_level", levels.join(", ")));
        }
        let rate = self.iconik_requests_per_second;
        Ok(Settings {
            system: system?,
            system_endpoint: address("system_endpoint", &self.system_endpoint, allowed)?,
            iconik_url: address("iconik_url", &self.iconik_url, allowed)?.map(|it| strip_api_suffix(&it).to_owned()),
            iconik_app_id: self.iconik_app_id.clone(),
            iconik_domain_id: self.iconik_domain_id.clone(),
            iconik_collections: self.iconik_collections.iter().map(|it| it.to_ascii_lowercase()).collect(),
            iconik_metadata_view: self.iconik_metadata_view.clone(),
            iconik_requests_per_second: within(
                "iconik_requests_per_second",
                rate,
                defaults.iconik_requests_per_second,
                1,
                50,
            )?,
            reconcile_minutes: within(
                "reconcile_minutes",
                self.reconcile_minutes,
                defaults.reconcile_minutes,
                1,
                1_440,
            )?,
            single_webhook: self.single_webhook.unwrap_or(defaults.single_webhook),
            webhook_name: self.webhook_name.clone().unwrap_or(defaults.webhook_name),
            sqs_queue_url: address("sqs_queue_url", &self.sqs_queue_url, allowed)?,
            aws_region: self.aws_region.clone(),
            datacore_endpoint: address("datacore_endpoint", &self.datacore_endpoint, allowed)?,
            processor,
            backends: backends.unwrap_or_default(),
            priority: within("priority", self.priority, defaults.priority, 1, 10)?,
            temp_folder: self.temp_folder.clone(),
            no_of_threads: within("no_of_threads", self.no_of_threads, defaults.no_of_threads, 0, 1_000)?,
            video_file_types: normalized_types(&self.video_file_types),
            audio_file_types: normalized_types(&self.audio_file_types),
            image_file_types: normalized_types(&self.image_file_types),
            log_level: self.log_level.clone(),
            items_per_day: within("items_per_day", self.items_per_day, 0, 0, MAX_QUOTA)?,
            bytes_per_day: within("bytes_per_day", self.bytes_per_day, 0, 0, MAX_QUOTA)?,
            allowed_origins: origins,
            oidc_issuers: validate(&self.oidc_issuers, &before.oidc_issuers, allowed)?,
            revision: before.revision + 1,
            iconik_access_token: before.iconik_access_token.clone(),
            iconik_webhook_secret: before.iconik_webhook_secret.clone(),
            aws_access_key: before.aws_access_key.clone(),
            aws_secret_key: before.aws_secret_key.clone(),
            datacore_token: before.datacore_token.clone(),
        })
    }
}

/// An address, normalised by its parser, without a trailing slash.
fn address(field: &str, text: &Option<String>, allowed: &AllowedNetworks) -> Result<Option<String>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let url = check_endpoint(text, allowed).map_err(|error| Problem::invalid(field, error.to_string()))?;
    Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
}
