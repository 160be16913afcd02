//! The S3 front ends of DataCore Swarm and Object Matrix: one client, and what each of them needs besides.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use domain::address::{Allowed, judge};
use domain::bucket::System;
use domain::scanning::Object;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::{Listing, Objects, ObjectsError};

/// Tokens of the older listing begin so: the last key follows.
const MARKER: &str = "marker:";

/// What a system's front end needs besides plain S3.
#[derive(Debug, Clone, Copy)]
struct Quirks {
    /// An expired token is taken for an anonymous caller (Swarm, section 4.2.4): ask whether we are one.
    probes: bool,
    /// The newer listing may be missing or broken (Object Matrix, section 5.4): fall back to the older one.
    older_listing: bool,
    /// Types are asked for, one by one (Object Matrix, section 5.4).
    asks_types: bool,
}

impl Quirks {
    fn of(system: System) -> Self {
        match system {
            System::ObjectMatrix => Self { probes: false, older_listing: true, asks_types: true },
            System::DataCore | System::Iconik => Self { probes: true, older_listing: false, asks_types: false },
        }
    }
}

/// A bucket, or a vault: path style, SigV4, no checksum trailers (section 4.1).
pub(super) struct Bucket {
    client: Client,
    /// The same with a secret that cannot be right: what it may see is what everybody may see.
    stranger: Option<Client>,
    bucket: String,
    prefix: Option<String>,
    quirks: Quirks,
}

impl Bucket {
    pub(super) fn open(
        bucket: &domain::bucket::Bucket,
        credentials: Option<(String, String)>,
        allowed: &Allowed,
        meter: impl Intercept + Clone + 'static,
    ) -> Result<Self, ObjectsError> {
        let endpoint = judge(&bucket.endpoint, allowed)?;
        let http = guard::aws::client(allowed);
        let client = |credentials: Option<(&str, &str)>| {
            let config = aws_sdk_s3::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .endpoint_url(endpoint.as_str().trim_end_matches('/'))
                .region(Region::new("us-east-1"))
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
                .retry_config(RetryConfig::standard().with_max_attempts(3))
                .timeout_config(
                    TimeoutConfig::builder()
                        .connect_timeout(std::time::Duration::from_secs(3))
                        .read_timeout(std::time::Duration::from_secs(20))
                        .build(),
                )
                .interceptor(meter.clone())
                .http_client(http.clone());
            Client::from_conf(match credentials {
                Some((key, secret)) => {
                    config.credentials_provider(Credentials::new(key, secret, None, None, "bucket")).build()
                }
                None => config.allow_no_auth().build(),
            })
        };
        let pair = credentials.as_ref().map(|(key, secret)| (key.as_str(), secret.as_str()));
        // one request per page is enough where all keys share a prefix; with several, each page filters
        let prefix = if let [one] = &bucket.prefixes[..] { Some(one.clone()) } else { None };
        let quirks = Quirks::of(bucket.system);
        let stranger = pair.filter(|_| quirks.probes).map(|(key, _)| client(Some((key, "not-the-secret"))));
        Ok(Self { client: client(pair), stranger, bucket: bucket.bucket.clone(), prefix, quirks })
    }

    async fn newer(&self, token: Option<&str>) -> Result<Listing, ObjectsError> {
        let ask = self.client.list_objects_v2().bucket(&self.bucket).max_keys(1_000);
        let ask = ask.set_prefix(self.prefix.clone()).set_continuation_token(token.map(str::to_owned));
        let answer = ask.send().await.map_err(failed)?;
        let objects: Vec<Object> = answer.contents.unwrap_or_default().into_iter().filter_map(object).collect();
        let truncated = answer.is_truncated == Some(true);
        let mut next = answer.next_continuation_token.filter(|it| truncated && token != Some(it.as_str()));
        if truncated && self.quirks.older_listing && (next.is_none() || answer.key_count.is_none()) {
            // it says that there is more, and not where: on by the last key
            next = objects.last().map(|it| format!("{MARKER}{}", it.key));
        }
        Ok(Listing { objects, next })
    }

    async fn older(&self, marker: Option<&str>) -> Result<Listing, ObjectsError> {
        let ask = self.client.list_objects().bucket(&self.bucket).max_keys(1_000);
        let ask = ask.set_prefix(self.prefix.clone()).set_marker(marker.map(str::to_owned));
        let answer = ask.send().await.map_err(failed)?;
        let objects: Vec<Object> = answer.contents.unwrap_or_default().into_iter().filter_map(object).collect();
        let last = answer.next_marker.or_else(|| objects.last().map(|it| it.key.clone()));
        // a marker that does not move would go round for ever
        let next = last.filter(|it| answer.is_truncated == Some(true) && marker != Some(it.as_str()));
        Ok(Listing { objects, next: next.map(|it| format!("{MARKER}{it}")) })
    }
}

impl Objects for Bucket {
    async fn page(&self, token: Option<&str>) -> Result<Listing, ObjectsError> {
        if let Some(marker) = token.and_then(|it| it.strip_prefix(MARKER)) {
            return self.older(Some(marker)).await;
        }
        match self.newer(token).await {
            Err(ObjectsError::Answer(why)) if self.quirks.older_listing && token.is_none() && unknown(&why) => {
                self.older(None).await
            }
            other => other,
        }
    }

    /// An expired Swarm token is no error: the request goes on as an anonymous one (section 4.2.4), and a bucket that
    /// everybody may read looks empty or partial. So if a wrong secret is answered as well, ours counts for nothing.
    async fn probe(&self) -> Result<(), ObjectsError> {
        let Some(stranger) = &self.stranger else { return Ok(()) };
        match stranger.list_objects_v2().bucket(&self.bucket).max_keys(1).send().await {
            Ok(_) => Err(ObjectsError::Anonymous),
            Err(_) => Ok(()),
        }
    }

    async fn media_type(&self, key: &str) -> Result<Option<String>, ObjectsError> {
        if !self.quirks.asks_types {
            return Ok(None);
        }
        let answer = self.client.head_object().bucket(&self.bucket).key(key).send().await.map_err(failed)?;
        let known = |it: &String| !it.is_empty() && !it.ends_with("/octet-stream");
        Ok(answer.content_type.map(|it| it.to_ascii_lowercase()).filter(known))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<bool, ObjectsError> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(media_type);
        match put.body(ByteStream::from(bytes)).send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(it)) if matches!(it.raw().status().as_u16(), 401 | 403 | 405 | 409) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    async fn fetch(&self, key: &str, size: u64, to: &Path) -> Result<String, ObjectsError> {
        let mut answer = self.client.get_object().bucket(&self.bucket).key(key).send().await.map_err(failed)?;
        let mut file = tokio::fs::File::create(to).await.map_err(ObjectsError::Disk)?;
        let (mut hash, mut written) = (Sha256::new(), 0_u64);
        while let Some(chunk) = answer.body.next().await {
            let chunk = chunk.map_err(|it| ObjectsError::Unreachable(it.to_string()))?;
            written += chunk.len() as u64;
            if written > size {
                return Err(ObjectsError::Grown);
            }
            hash.update(&chunk);
            file.write_all(&chunk).await.map_err(ObjectsError::Disk)?;
        }
        file.flush().await.map_err(ObjectsError::Disk)?;
        Ok(domain::id::hex(&hash.finalize()))
    }
}

fn object(it: aws_sdk_s3::types::Object) -> Option<Object> {
    // opaque: never taken for an MD5
    let etag = it.e_tag.unwrap_or_default().trim_matches('"').to_owned();
    let size = u64::try_from(it.size.unwrap_or(0)).unwrap_or(0);
    Some(Object { key: it.key?, etag, size, media_type: None })
}

/// Whether an answer says that the newer listing is not known.
fn unknown(answer: &str) -> bool {
    ["400", "405", "501"].iter().any(|it| answer.starts_with(it)) || answer == NOT_S3
}

/// An answer without the form of S3.
const NOT_S3: &str = "something that is not S3";

fn failed<E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + 'static>(
    error: SdkError<E, HttpResponse>,
) -> ObjectsError {
    match &error {
        SdkError::ServiceError(it) => {
            let (code, status) = (it.err().code().unwrap_or_default().to_owned(), it.raw().status().as_u16());
            match (code.as_str(), status) {
                ("NoSuchBucket", _) => ObjectsError::NoBucket,
                ("NoSuchKey", _) => ObjectsError::NoObject,
                (_, 401 | 403) => ObjectsError::Credentials(if code.is_empty() { status.to_string() } else { code }),
                (_, 404) => ObjectsError::NoObject,
                (_, 200..=299) => ObjectsError::Answer(NOT_S3.to_owned()),
                _ => ObjectsError::Answer(format!("{status} {code}").trim().to_owned()),
            }
        }
        SdkError::ResponseError(_) => ObjectsError::Answer(NOT_S3.to_owned()),
        _ => {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            ObjectsError::Unreachable(cause.to_string().chars().take(200).collect())
        }
    }
}
