//! Bodies of requests and responses about buckets.

use domain::bucket::{Backends, Bucket, DiscoveryMode, MediaSystem, ProcessorSettings, Processors, ScanState};
use domain::item::default_priority;
use domain::schedule::ScanSchedule;
use domain::settings::Settings;
use domain::ssrf::{AllowedNetworks, check_endpoint};
use domain::{AppId, BucketId, from_millis, rfc3339};
use entry::http::Problem;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::bounds::within;
use crate::processors::{BackendNames, ProcessorNames};

/// A bucket to scan.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BucketIn {
    /// `datacore` (S3Bucket in the original system) or `objectmatrix` (OMS3Bucket there: a vault behind S3Connect)
    #[schema(example = "datacore", pattern = "^(datacore|objectmatrix)$")]
    system: String,
    /// The S3 front end; path style is used. Without it, the settings' `datacore_endpoint`.
    #[schema(example = "https://win-demo.cloud.example.com")]
    #[serde(default)]
    endpoint: Option<String>,
    #[schema(example = "rushes", min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
    bucket: String,
    /// The region that requests over S3 are signed for, by default `us-east-1`; a region's name is 1 to 63 letters,
    /// digits and hyphens
    #[schema(example = "eu-central-1", min_length = 1, max_length = 63)]
    #[serde(default)]
    region: Option<String>,
    /// Keys must begin with one of these.
    #[serde(default)]
    #[schema(max_items = 20)]
    prefixes: Vec<String>,
    /// Keys must end with one of these.
    #[serde(default)]
    #[schema(max_items = 20)]
    suffixes: Vec<String>,
    /// The media types that are processed: `image/*`, `video/mp4`. Without entries, or with `*/*`, everything is
    /// processed that may have visual content: text, audio, documents and archives are skipped by type or name, unknown
    /// objects by their first bytes; decoders decide about the rest. With entries, an object is processed if one of
    /// them matches its type: the type that its system has, or that of its name if the system's is generic or has no
    /// visual content where the name's has. `video/*` matches MXF, GXF, Ogg and RealMedia as well,
    /// `application/octet-stream` objects of unknown type, unless their first bytes show what they are. An exact type
    /// without visual content is processed as well.
    #[serde(default)]
    #[schema(max_items = 20)]
    mime_types: Vec<String>,
    /// `rate(5 minutes)` or `cron(0 12 * * ? *)`, UTC
    #[schema(example = "rate(5 minutes)")]
    schedule: String,
    #[serde(default = "default_active")]
    active: bool,
    /// What is done with its objects: `FacialRecognition`, `ObjectDetection`, `AutoTranslation`, or a list of them
    #[serde(default)]
    #[schema(example = "FacialRecognition")]
    processor: ProcessorNames,
    #[serde(default)]
    settings: SettingsIn,
    /// 1 to 10, by default 5; from 8 on, items take the short queue
    #[serde(default = "default_priority")]
    #[schema(minimum = 1, maximum = 10)]
    priority: u8,
    /// DataCore: `listing` (every key, over S3) or `search` (changed objects, over SCSP, with `credentials` as user and
    /// password)
    #[serde(default)]
    poll: Option<String>,
    /// With `search`: every so many scans all keys are listed, by default 60
    #[serde(default)]
    #[schema(minimum = 2, maximum = 10_000)]
    full_walk_every: Option<u32>,
    /// Results are also written beside the media, as `.ai/<name>.json`; a vault that cannot be written to does
    /// not fail the item.
    #[serde(default)]
    write_back: bool,
    /// Never returned. When a bucket is replaced without credentials, the stored ones are kept.
    #[serde(default)]
    pub(crate) credentials: Option<CredentialsIn>,
}

/// Settings of the processor.
#[derive(Deserialize, Serialize, Default, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct SettingsIn {
    /// Where the processors run: `embedded` (faces), `external`, or a backend per processor. Without it, as the
    /// application's settings say
    backend: Option<BackendNames>,
    /// Frames per second that are analysed, 0.1 to 10
    #[schema(minimum = 0.1, maximum = 10)]
    sample_fps: Option<f32>,
    /// Smallest face in pixels, 20 to 1000
    #[schema(minimum = 20, maximum = 1_000)]
    min_face_px: Option<u32>,
    /// Detections under this score are dropped. In a video a face has twice this score at least once (or 4, if that is
    /// less), or is seen for about a second
    #[schema(minimum = 0.001, maximum = 100)]
    score_threshold: Option<f64>,
    /// Objects under this confidence are dropped, 0 to 1
    #[schema(minimum = 0, maximum = 1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    min_confidence: Option<f64>,
    /// The language that is spoken, such as `en-US`; without it, the processor identifies it
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// Languages to translate into, at most 20; without entries, `es`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    targets: Vec<String>,
}

/// Credentials for the bucket's system.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CredentialsIn {
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-9;-~]+$")]
    access_key: String,
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    secret_key: String,
}

fn default_active() -> bool {
    true
}

impl CredentialsIn {
    /// The text that is sealed: `access key:secret key`.
    pub(crate) fn sealed_text(&self) -> Result<String, Problem> {
        let good = |it: &str| !it.is_empty() && it.len() <= 512 && it.bytes().all(|it| it.is_ascii_graphic());
        if good(&self.access_key) && !self.access_key.contains(':') && good(&self.secret_key) {
            Ok(format!("{}:{}", self.access_key, self.secret_key))
        } else {
            Err(Problem::invalid(
                "credentials",
                "accessKey and secretKey are 1 to 512 printable characters, the key without a colon",
            ))
        }
    }
}

impl BucketIn {
    /// The bucket, without its credentials.
    pub(crate) fn bucket(
        &self,
        app: AppId,
        id: BucketId,
        defaults: &Settings,
        allowed: &AllowedNetworks,
        now: OffsetDateTime,
    ) -> Result<Bucket, Problem> {
        let system = match self.system.parse() {
            Ok(it @ (MediaSystem::DataCore | MediaSystem::ObjectMatrix)) => it,
            _ => return Err(Problem::invalid("system", "the system is `datacore` or `objectmatrix`")),
        };
        let default = defaults.datacore_endpoint.clone().filter(|_| system == MediaSystem::DataCore);
        let none = || Problem::invalid("endpoint", "it is missing, here and in the settings");
        let endpoint = self.endpoint.clone().or(default).ok_or_else(none)?;
        let endpoint =
            check_endpoint(&endpoint, allowed).map_err(|error| Problem::invalid("endpoint", error.to_string()))?;
        let endpoint = endpoint.as_str().trim_end_matches('/').to_owned();
        let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_');
        if !(1..=255).contains(&self.bucket.len()) || !self.bucket.chars().all(plain) || self.bucket.starts_with('.') {
            return Err(Problem::invalid("bucket", "a bucket's name is 1 to 255 letters, digits, dots and hyphens"));
        }
        let label = |name: &String| {
            (1..=63).contains(&name.len())
                && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
                && !name.starts_with('-')
                && !name.ends_with('-')
        };
        if self.region.as_ref().is_some_and(|it| !label(it)) {
            return Err(Problem::invalid("region", "a region's name is 1 to 63 letters, digits and hyphens"));
        }
        for (field, list) in
            [("prefixes", &self.prefixes), ("suffixes", &self.suffixes), ("mimeTypes", &self.mime_types)]
        {
            if list.len() > 20 || list.iter().any(|it| it.is_empty() || it.len() > 255) {
                return Err(Problem::invalid(field, "at most 20 entries of 1 to 255 characters"));
            }
        }
        if self.prefixes.iter().any(|it| it.starts_with('/')) {
            return Err(Problem::invalid("prefixes", "keys do not begin with a slash"));
        }
        if let Some(wrong) = self.mime_types.iter().find(|it| it.split('/').count() != 2) {
            return Err(Problem::invalid("mimeTypes", format!("`{wrong}` is not of the form type/subtype or type/*")));
        }
        let processor = self.processor.validate()?;
        let settings = self.settings.validate(&processor)?;
        let schedule: ScanSchedule = self
            .schedule
            .parse()
            .map_err(|it: domain::schedule::InvalidSchedule| Problem::invalid("schedule", it.to_string()))?;
        if !(1..=10).contains(&self.priority) {
            return Err(Problem::invalid("priority", "1 to 10"));
        }
        let full_every = within("fullWalkEvery", self.full_walk_every, 60, 2, 10_000)?;
        let poll = match (self.poll.as_deref(), system) {
            (None | Some("listing"), _) => DiscoveryMode::Listing,
            // SCSP requests are not signed
            (Some("search"), MediaSystem::DataCore) if self.region.is_some() => {
                return Err(Problem::invalid("region", "a search is not signed for a region"));
            }
            (Some("search"), MediaSystem::DataCore) => DiscoveryMode::Search { full_every },
            _ => return Err(Problem::invalid("poll", "`listing`, or with datacore `search`")),
        };
        Ok(Bucket {
            id,
            app,
            system,
            endpoint,
            bucket: self.bucket.clone(),
            prefixes: self.prefixes.clone(),
            suffixes: self.suffixes.clone(),
            mime_types: self.mime_types.clone(),
            schedule,
            active: self.active,
            processor,
            settings,
            priority: self.priority,
            region: self.region.clone(),
            poll,
            write_back: self.write_back,
            credentials: None,
            created_at: now,
            updated_at: now,
        })
    }
}

impl SettingsIn {
    fn validate(&self, processors: &Processors) -> Result<ProcessorSettings, Problem> {
        let backends = self.backend.as_ref().map(|it| it.validate("settings.backend", processors)).transpose()?;
        if self.sample_fps.is_some_and(|it| !(0.1..=10.0).contains(&it)) {
            return Err(Problem::invalid("settings.sampleFps", "0.1 to 10"));
        }
        if self.min_face_px.is_some_and(|it| !(20..=1_000).contains(&it)) {
            return Err(Problem::invalid("settings.minFacePx", "20 to 1000"));
        }
        if self.score_threshold.is_some_and(|it| !(0.001..=100.0).contains(&it)) {
            return Err(Problem::invalid("settings.scoreThreshold", "0.001 to 100"));
        }
        if self.min_confidence.is_some_and(|it| !(0.0..=1.0).contains(&it)) {
            return Err(Problem::invalid("settings.minConfidence", "0 to 1"));
        }
        let tag =
            |it: &String| (2..=35).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        if self.source.as_ref().is_some_and(|it| !tag(it)) {
            return Err(Problem::invalid("settings.source", "a language such as `en-US`"));
        }
        if self.targets.len() > 20 || !self.targets.iter().all(tag) {
            return Err(Problem::invalid("settings.targets", "at most 20 languages such as `es`"));
        }
        Ok(ProcessorSettings {
            backends: backends.unwrap_or_default(),
            sample_fps: self.sample_fps,
            min_face_px: self.min_face_px,
            score_threshold: self.score_threshold,
            min_confidence: self.min_confidence,
            source: self.source.clone(),
            targets: self.targets.clone(),
        })
    }
}

/// A bucket, without its credentials.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BucketOut {
    pub(crate) id: String,
    system: String,
    endpoint: String,
    bucket: String,
    /// The region that requests over S3 are signed for; absent for the default, `us-east-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    mime_types: Vec<String>,
    schedule: String,
    active: bool,
    processor: ProcessorNames,
    settings: SettingsIn,
    priority: u8,
    poll: String,
    /// With `search`: every so many scans all keys are listed
    #[serde(skip_serializing_if = "Option::is_none")]
    full_walk_every: Option<u32>,
    write_back: bool,
    has_credentials: bool,
    created_at: String,
    updated_at: String,
    /// Why the last scan failed, or which object it could not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// The time of `lastError`.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_at: Option<String>,
    /// No scheduled scan before this time, after failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_scan_after: Option<String>,
    /// The running scan, if it has more than one page.
    #[serde(skip_serializing_if = "Option::is_none")]
    scanning: Option<String>,
    /// The last scan that was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_scan: Option<LastScanOut>,
}

/// The result or the progress of a scan.
#[derive(Serialize, ToSchema)]
pub(crate) struct LastScanOut {
    scan: String,
    listed: u64,
    /// Items that were new; in a dry run, those that would be processed
    found: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Objects that could not be read and were left out; the bucket's `lastError` names the first
    unreadable: u64,
    /// Nothing was stored
    dry: bool,
    /// It is still running
    running: bool,
}

impl BucketOut {
    /// The bucket as it is shown. `defaults` are the application's backends.
    pub(crate) fn new(bucket: &Bucket, scans: &ScanState, defaults: &Backends) -> Self {
        let settings = SettingsIn {
            backend: Some(BackendNames::shown(&bucket.processor, &bucket.settings.backends, defaults)),
            sample_fps: bucket.settings.sample_fps,
            min_face_px: bucket.settings.min_face_px,
            score_threshold: bucket.settings.score_threshold,
            min_confidence: bucket.settings.min_confidence,
            source: bucket.settings.source.clone(),
            targets: bucket.settings.targets.clone(),
        };
        Self {
            id: bucket.id.to_string(),
            system: bucket.system.name().to_owned(),
            endpoint: bucket.endpoint.clone(),
            bucket: bucket.bucket.clone(),
            region: bucket.region.clone(),
            prefixes: bucket.prefixes.clone(),
            suffixes: bucket.suffixes.clone(),
            mime_types: bucket.mime_types.clone(),
            schedule: bucket.schedule.to_string(),
            active: bucket.active,
            processor: ProcessorNames::shown(&bucket.processor),
            settings,
            priority: bucket.priority,
            poll: if bucket.poll == DiscoveryMode::Listing { "listing" } else { "search" }.to_owned(),
            full_walk_every: match bucket.poll {
                DiscoveryMode::Listing => None,
                DiscoveryMode::Search { full_every } => Some(full_every),
            },
            write_back: bucket.write_back,
            has_credentials: bucket.credentials.is_some(),
            created_at: rfc3339(bucket.created_at),
            updated_at: rfc3339(bucket.updated_at),
            last_error: scans.last_error.clone(),
            last_error_at: scans.failed_at().map(|it| rfc3339(from_millis(it))),
            next_scan_after: (scans.not_before > 0).then(|| rfc3339(from_millis(scans.not_before))),
            scanning: scans.running.as_ref().map(|it| it.0.clone()),
            last_scan: scans.last.as_ref().map(|scan| LastScanOut {
                scan: scan.scan.clone(),
                listed: scan.listed,
                found: scan.found,
                error: scan.error.clone(),
                unreadable: scan.unreadable,
                dry: scan.dry,
                running: scan.running,
            }),
        }
    }
}
