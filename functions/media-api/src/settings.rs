//! `/api/v1/Media/Settings`: the application's settings, under the names of the original system's configuration.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use domain::AppId;
use domain::application::{Access, Grant, Scope, check_grant};
use domain::bucket::{MediaSystem, ProcessorKind, SealedSecret};
use domain::command::{Ingest, IngestCommand};
use domain::id::{hex, sha256_hex};
use domain::masking::MASK; // sent back, it leaves a secret as it is
use domain::origin;
use domain::settings::{Settings, normalized_types, strip_api_suffix};
use domain::settings_secret::SettingsSecret;
use domain::ssrf::{AllowedNetworks, check_endpoint};
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, ProblemType, auth_problem};
use entry::secrets::{ICONIK_SECRET, settings_field};
use serde::{Deserialize, Serialize};
use table::IconikWebhook;
use time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::context::Context;
use crate::issuer::{IssuerBody, validate};

/// How long a webhook secret stays valid after it was changed.
const SECRET_OVERLAP: Duration = Duration::hours(24);
const MAX_ORIGINS: usize = 50;

/// Settings. In a PUT, absent settings get their defaults; secrets that are absent or masked are kept.
#[derive(Serialize, Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SettingsBody {
    /// `iconik`, `datacore`, `objectmatrix`
    system: Vec<String>,
    /// This deployment's public address
    system_endpoint: Option<String>,
    iconik_url: Option<String>,
    iconik_app_id: Option<String>,
    iconik_access_token: Option<String>,
    /// The Iconik domain whose webhooks are accepted
    iconik_domain_id: Option<String>,
    /// At least 16 characters. Generated if it is absent, or if `system_endpoint` or `iconik_url` moves to another
    /// origin
    iconik_webhook_secret: Option<String>,
    /// Collections that are watched; without entries all assets are
    iconik_collections: Vec<String>,
    /// The view that results are written to, with the fields AI_Status, AI_Processor and AI_Faces
    iconik_metadata_view: Option<String>,
    /// 1 to 50, by default 20
    iconik_requests_per_second: Option<u32>,
    /// How often Iconik is searched for assets that were not announced, in minutes: 1 to 1440, by default 60
    reconcile_minutes: Option<u32>,
    single_webhook: Option<bool>,
    webhook_name: Option<String>,
    sqs_queue_url: Option<String>,
    aws_region: Option<String>,
    aws_access_key: Option<String>,
    aws_secret_key: Option<String>,
    datacore_endpoint: Option<String>,
    /// `access:secret`
    datacore_token: Option<String>,
    /// `FacialRecognition`
    processor: Option<String>,
    /// Of Iconik's assets, 1 to 10, by default 5; from 8 on, items take the short queue
    priority: Option<u8>,
    /// A folder inside the function's temporary storage
    temp_folder: Option<String>,
    /// How many items are processed at once; 0 means as many as the deployment can
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
    oidc_issuers: Vec<IssuerBody>,
}

impl SettingsBody {
    /// A secret as the request has it.
    fn sent_secret(&self, secret: SettingsSecret) -> Option<&str> {
        let sent = match secret {
            SettingsSecret::IconikAccessToken => &self.iconik_access_token,
            SettingsSecret::IconikWebhookSecret => &self.iconik_webhook_secret,
            SettingsSecret::AwsAccessKey => &self.aws_access_key,
            SettingsSecret::AwsSecretKey => &self.aws_secret_key,
            SettingsSecret::DatacoreToken => &self.datacore_token,
        };
        sent.as_deref()
    }

    fn shown(settings: &Settings) -> Self {
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
            processor: Some(settings.processor.name().to_owned()),
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

    /// Validates the settings. The secrets are those of `before`.
    ///
    /// # Errors
    /// 422 with the first setting that is not valid.
    fn validate(&self, before: &Settings, allowed: &AllowedNetworks) -> Result<Settings, Problem> {
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
        let processor = match self.processor.as_deref() {
            None | Some("FacialRecognition") => ProcessorKind::FacialRecognition,
            Some(_) => return Err(Problem::invalid("processor", "the processor is `FacialRecognition`")),
        };
        let levels = ["ALL", "TRACE", "DEBUG", "INFO", "WARN", "ERROR"];
        if self.log_level.as_ref().is_some_and(|it| !levels.contains(&it.as_str())) {
            return Err(Problem::invalid("log_level", levels.join(", ")));
        }
        let within =
            |field: &str, value: Option<u32>, default: u32, least: u32, most: u32| match value.unwrap_or(default) {
                value if (least..=most).contains(&value) => Ok(value),
                _ => Err(Problem::invalid(field, format!("{least} to {most}"))),
            };
        let priority = within("priority", self.priority.map(u32::from), u32::from(defaults.priority), 1, 10)?;
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
            priority: u8::try_from(priority).unwrap_or(defaults.priority),
            temp_folder: self.temp_folder.clone(),
            no_of_threads: within("no_of_threads", self.no_of_threads, defaults.no_of_threads, 0, 1_000)?,
            video_file_types: normalized_types(&self.video_file_types),
            audio_file_types: normalized_types(&self.audio_file_types),
            image_file_types: normalized_types(&self.image_file_types),
            log_level: self.log_level.clone(),
            items_per_day: self.items_per_day.unwrap_or(0),
            bytes_per_day: self.bytes_per_day.unwrap_or(0),
            allowed_origins: origins,
            oidc_issuers: validate(&self.oidc_issuers, allowed)?,
            iconik_access_token: before.iconik_access_token.clone(),
            iconik_webhook_secret: before.iconik_webhook_secret.clone(),
            aws_access_key: before.aws_access_key.clone(),
            aws_secret_key: before.aws_secret_key.clone(),
            datacore_token: before.datacore_token.clone(),
        })
    }
}

/// The application's settings, secrets masked.
#[utoipa::path(get, path = "/api/v1/Media/Settings", tag = "Settings", security(("keys" = [])),
    responses((status = 200, body = SettingsBody), (status = 401, body = Problem)))]
pub(crate) async fn get(State(context): State<Context>, Caller(app): Caller) -> Result<Json<SettingsBody>, Problem> {
    Ok(Json(SettingsBody::shown(&context.table.settings(app).await?)))
}

/// Replaces the application's settings. With Iconik among its systems, the connection is checked at once, and the
/// webhooks are created, changed and deleted to match the settings.
#[utoipa::path(put, path = "/api/v1/Media/Settings", tag = "Settings", security(("keys" = [])), request_body = SettingsBody,
    responses((status = 200, body = SettingsBody), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn put(
    State(context): State<Context>,
    Caller(app): Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SettingsBody>,
) -> Result<Json<SettingsBody>, Problem> {
    let before = context.table.settings(app).await?;
    let mut next = body.validate(&before, &context.allowed_networks)?;
    if next.oidc_issuers != before.oidc_issuers {
        // to accept an issuer's tokens is to grant their scopes, which needs the scope `keys`
        let granted = context.authenticator.authorize(&headers, Scope::Keys, Access::Change).await;
        let granted = granted.map_err(auth_problem)?;
        for issuer in next.oidc_issuers.iter().filter(|it| !before.oidc_issuers.contains(it)) {
            check_grant(&granted.scopes, Grant::Issuer(&issuer.scopes)).map_err(scope_not_grantable)?;
        }
    }
    let mut renew = false;
    for secret in SettingsSecret::ALL {
        let sent = body.sent_secret(secret).filter(|it| *it != MASK);
        // or a caller could have a stored secret sent to an address of its choice
        let moves =
            sent.is_none() && secret.changes_destination(&before, &next) && secret.value_mut(&mut next).is_some();
        if secret == SettingsSecret::IconikWebhookSecret {
            renew = moves; // a new one is generated below
            continue;
        }
        if moves {
            return Err(Problem::invalid(secret.name(), "what moves to another address needs its secret again"));
        }
        if let Some(text) = sent {
            if text.is_empty() || text.len() > 4_096 || !text.bytes().all(|it| it.is_ascii_graphic()) {
                return Err(Problem::invalid(secret.name(), "1 to 4096 printable characters without blanks"));
            }
            *secret.value_mut(&mut next) =
                Some(context.secrets.seal(app, settings_field(secret), text.as_bytes()).await?);
        }
    }
    put_webhook_secret(&context, app, &body, &before, renew, &mut next).await?;
    // origins are added before the settings that list them, and removed after them
    context.table.put_origins(app, &next.allowed_origins).await?;
    context.table.put_settings(app, &next).await?;
    let removed = before.allowed_origins.iter().filter(|it| !next.allowed_origins.contains(it)).cloned();
    context.table.delete_origins(app, &removed.collect::<Vec<String>>()).await?;
    let mut manager = context.table.asset_manager(app).await?;
    if next.uses_iconik() {
        let now = domain::millis(clock::now());
        (manager.next_at, manager.user) = (now, None);
        context.table.put_asset_manager(app, &manager, true).await?;
        context.ingest_queue.send(&IngestCommand::new(app, Ingest::Check, now), Duration::ZERO).await?;
    } else {
        if let Some(domain) = manager.domain.take() {
            context.table.put_iconik_domain(&domain, app, false).await?;
        }
        context.table.put_asset_manager(app, &manager, false).await?;
        if !manager.ours.is_empty() {
            // the check deletes its webhooks
            let check = IngestCommand::new(app, Ingest::Check, domain::millis(clock::now()));
            context.ingest_queue.send(&check, Duration::ZERO).await?;
        }
    }
    Ok(Json(SettingsBody::shown(&next)))
}

/// An address, normalised by its parser, without a trailing slash.
fn address(field: &str, text: &Option<String>, allowed: &AllowedNetworks) -> Result<Option<String>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let url = check_endpoint(text, allowed).map_err(|error| Problem::invalid(field, error.to_string()))?;
    Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
}

fn scope_not_grantable(lacking: Scope) -> Problem {
    let title = format!("the key lacks the scope {}, and cannot give it to an issuer's tokens", lacking.name());
    Problem::new(ProblemType::Scope, title)
}

/// Stores the row by which the application is found by its webhook secret; with `renew` a new secret is generated. A
/// previous secret stays valid for [`SECRET_OVERLAP`], so that webhooks that still send it are accepted until the check
/// has repaired them.
///
/// # Errors
/// 422 if the secret is not valid, or another application has it.
async fn put_webhook_secret(
    context: &Context,
    app: AppId,
    body: &SettingsBody,
    before: &Settings,
    renew: bool,
    next: &mut Settings,
) -> Result<(), Problem> {
    let stored = match &before.iconik_webhook_secret {
        Some(sealed) => {
            Some(String::from_utf8(context.secrets.open(app, ICONIK_SECRET, sealed).await?).unwrap_or_default())
        }
        None => None,
    };
    let secret = match (&body.iconik_webhook_secret, &stored) {
        (Some(sent), _) if sent != MASK => {
            if sent.len() < 16 || sent.len() > 200 || !sent.bytes().all(|it| it.is_ascii_graphic()) {
                return Err(Problem::invalid("iconik_webhook_secret", "16 to 200 printable characters"));
            }
            sent.clone()
        }
        (_, Some(stored)) if !renew => stored.clone(),
        (_, stored) if stored.is_some() || next.uses_iconik() => hex(&clock::random_bytes::<32>()),
        _ => return Ok(()),
    };
    let hash = sha256_hex(secret.as_bytes());
    if let Some(other) = context.table.iconik_webhook(&hash).await?.filter(|it| it.app != app) {
        tracing::warn!(application.id = %other.app, "an application wants the webhook secret of another");
        return Err(Problem::invalid("iconik_webhook_secret", "choose another"));
    }
    if let Some(old) = stored.filter(|it| *it != secret) {
        let old = sha256_hex(old.as_bytes());
        if let Some(mut row) = context.table.iconik_webhook(&old).await? {
            row.until = Some(domain::millis(clock::now() + SECRET_OVERLAP));
            context.table.put_iconik_webhook(&old, &row).await?;
        }
    }
    next.iconik_webhook_secret = Some(context.secrets.seal(app, ICONIK_SECRET, secret.as_bytes()).await?);
    let collections = next.iconik_collections.iter().filter_map(|it| it.parse().ok()).collect();
    let row = IconikWebhook { app, domain: next.iconik_domain_id.clone(), user: None, collections, until: None };
    context.table.put_iconik_webhook(&hash, &row).await?;
    Ok(())
}
