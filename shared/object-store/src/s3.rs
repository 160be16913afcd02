//! The S3 gateways of DataCore Swarm and Object Matrix: one client, with the quirks of each.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects::ListObjectsOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::Output;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::byte_stream::error::Error as ByteStreamError;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use domain::bucket::MediaSystem;
use domain::media_type::is_generic;
use domain::scanning::Precondition;
use domain::ssrf::{AllowedNetworks, check_url};
use http::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use time::OffsetDateTime;

use crate::body::{PartBody, read_first, write_to_file};
use crate::error::ObjectStoreError;
use crate::interceptor::{ListingInterceptor, NOT_S3};
use crate::listing::ListingPage;
use crate::store::{Listing, ObjectStore, single_prefix};

/// A token of ListObjects: this prefix, then the last key.
const MARKER_PREFIX: &str = "marker:";

/// A token of ListObjectsV2 whose response had none: this prefix, then the last key.
const START_AFTER_PREFIX: &str = "after:";

/// A token of ListObjectsV2: this prefix, then the response's own token, which may be any text.
const TOKEN_PREFIX: &str = "token:";

/// Where a gateway differs from Amazon S3.
#[derive(Debug, Clone, Copy)]
struct Quirks {
    /// The gateway serves a request with an expired token as an anonymous one (Swarm, section 4.2.4): ask whether ours is.
    verifies_credentials: bool,
    /// ListObjectsV2 may be missing or broken (Object Matrix, section 5.4): fall back to ListObjects.
    falls_back_to_v1: bool,
    /// Media types are read with HeadObject, one by one (Object Matrix, section 5.4).
    heads_objects: bool,
}

impl Quirks {
    fn for_system(system: MediaSystem) -> Self {
        match system {
            MediaSystem::ObjectMatrix => {
                Self { verifies_credentials: false, falls_back_to_v1: true, heads_objects: true }
            }
            MediaSystem::DataCore | MediaSystem::Iconik => {
                Self { verifies_credentials: true, falls_back_to_v1: false, heads_objects: false }
            }
        }
    }
}

/// A bucket or a vault: path-style addresses, SigV4, no checksum trailers (section 4.1).
pub(super) struct S3Store {
    client: Client,
    /// The same access key with a wrong secret: it sees what anonymous callers see.
    wrong_secret_client: Option<Client>,
    bucket: String,
    prefix: Option<String>,
    quirks: Quirks,
    now: OffsetDateTime,
}

impl S3Store {
    pub(super) fn open(
        bucket: &domain::bucket::Bucket,
        credentials: Option<(String, String)>,
        now: OffsetDateTime,
        allowed: &AllowedNetworks,
        meter: impl Intercept + Clone + 'static,
    ) -> Result<Self, ObjectStoreError> {
        let endpoint = check_url(&bucket.endpoint, allowed)?;
        let http = guard::aws::client(allowed);
        let client = |credentials: Option<(&str, &str)>| {
            let config = aws_sdk_s3::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .endpoint_url(endpoint.as_str().trim_end_matches('/'))
                .region(Region::new(bucket.region().to_owned()))
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
        let quirks = Quirks::for_system(bucket.system);
        let wrong_secret_client =
            pair.filter(|_| quirks.verifies_credentials).map(|(key, _)| client(Some((key, "not-the-secret"))));
        Ok(Self {
            client: client(pair),
            wrong_secret_client,
            bucket: bucket.bucket.clone(),
            prefix: single_prefix(bucket),
            quirks,
            now,
        })
    }

    /// A page of ListObjectsV2: after a token or, where the gateway gives none, after a key.
    async fn list_v2(&self, token: Option<&str>, after: Option<&str>) -> Result<Listing, ObjectStoreError> {
        let interceptor = ListingInterceptor::new(|| Output::erase(ListObjectsV2Output::builder().build()));
        let request =
            self.client.list_objects_v2().bucket(&self.bucket).max_keys(1_000).encoding_type(EncodingType::Url);
        let request = request.set_prefix(self.prefix.clone()).set_continuation_token(token.map(str::to_owned));
        let request = request.set_start_after(after.map(str::to_owned)).customize().interceptor(interceptor.clone());
        request.send().await.map_err(|it| self.error_from(it))?;
        let page = self.checked_page(&interceptor, after)?;
        // a response without a `KeyCount` is that of ListObjects: the gateway does not implement ListObjectsV2
        let is_v1 = !page.has_key_count && (page.next_continuation_token.is_none() || self.quirks.falls_back_to_v1);
        let next = match (&page.next_continuation_token, &page.last_key) {
            _ if !page.is_truncated.unwrap_or_default() => None,
            (Some(next), _) if !is_v1 && token != Some(next) => Some(format!("{TOKEN_PREFIX}{next}")),
            (_, Some(last)) if is_v1 => Some(format!("{MARKER_PREFIX}{last}")),
            (_, Some(last)) => Some(format!("{START_AFTER_PREFIX}{last}")),
            (_, None) => return Err(ObjectStoreError::IncompleteListing(NO_CONTINUATION)),
        };
        Ok(Listing { objects: page.objects, errors: page.errors, next_token: next })
    }

    /// A page of ListObjects, after a key.
    async fn list_v1(&self, marker: Option<&str>) -> Result<Listing, ObjectStoreError> {
        let interceptor = ListingInterceptor::new(|| Output::erase(ListObjectsOutput::builder().build()));
        let request = self.client.list_objects().bucket(&self.bucket).max_keys(1_000).encoding_type(EncodingType::Url);
        let request = request.set_prefix(self.prefix.clone()).set_marker(marker.map(str::to_owned));
        request.customize().interceptor(interceptor.clone()).send().await.map_err(|it| self.error_from(it))?;
        let page = self.checked_page(&interceptor, marker)?;
        let mut next = None;
        if page.is_truncated.unwrap_or_default() {
            // the same marker again would list the same page for ever
            let last = page.next_marker.or(page.last_key).filter(|it| marker != Some(it));
            next =
                Some(format!("{MARKER_PREFIX}{}", last.ok_or(ObjectStoreError::IncompleteListing(NO_CONTINUATION))?));
        }
        Ok(Listing { objects: page.objects, errors: page.errors, next_token: next })
    }

    /// The response with a version of an object, or with a range of it.
    ///
    /// # Errors
    /// `Replaced` if another version is there.
    async fn get_version(
        &self,
        key: &str,
        version: &str,
        size: u64,
        range: Option<String>,
    ) -> Result<GetObjectOutput, ObjectStoreError> {
        let precondition = match Precondition::of(version, size) {
            // ETags are not compared across APIs (section 4.5)
            Precondition::Etag(etag) if etag.starts_with(crate::scsp::ETAG_PREFIX) => Precondition::None,
            precondition => precondition,
        };
        let get = self.client.get_object().bucket(&self.bucket).key(key).set_range(range);
        let strong_etag = match precondition {
            Precondition::Etag(etag) if !etag.starts_with("W/") => Some(etag), // a weak one never matches (RFC 9110, section 13.1.1)
            _ => None,
        };
        let get = get.set_if_match(strong_etag.map(|etag| format!("\"{etag}\"")));
        let response = get.send().await.map_err(|it| self.error_from(it))?;
        let same = match (precondition, &response.e_tag, &response.last_modified) {
            (Precondition::Etag(listed), Some(current), _) => opaque_tag(listed) == opaque_tag(current),
            // a header has no fractions of a second
            (Precondition::Modified(listed), _, Some(current)) => listed.unix_timestamp() == current.secs(),
            _ => true,
        };
        if same { Ok(response) } else { Err(ObjectStoreError::Replaced) }
    }

    /// The page of a response.
    ///
    /// # Errors
    /// `IncompleteListing` if the page does not say whether it is the last, or contains the key that it should follow.
    fn checked_page(
        &self,
        interceptor: &ListingInterceptor,
        after: Option<&str>,
    ) -> Result<ListingPage, ObjectStoreError> {
        let page = interceptor.take_page().map_err(ObjectStoreError::UnexpectedResponse)?;
        if page.is_truncated.is_none() {
            return Err(ObjectStoreError::IncompleteListing("the endpoint does not say whether there is more"));
        }
        if after.is_some_and(|after| page.objects.iter().any(|it| it.key == after)) {
            return Err(ObjectStoreError::IncompleteListing(NO_CONTINUATION));
        }
        Ok(page)
    }
}

impl ObjectStore for S3Store {
    async fn list_page(&self, token: Option<&str>) -> Result<Listing, ObjectStoreError> {
        if let Some(marker) = token.and_then(|it| it.strip_prefix(MARKER_PREFIX)) {
            return self.list_v1(Some(marker)).await;
        }
        if let Some(after) = token.and_then(|it| it.strip_prefix(START_AFTER_PREFIX)) {
            return match self.list_v2(None, Some(after)).await {
                // the gateway ignores `start-after`: ListObjects calls it `marker`
                Err(ObjectStoreError::IncompleteListing(_)) => self.list_v1(Some(after)).await,
                other => other,
            };
        }
        let token = token.map(|it| it.strip_prefix(TOKEN_PREFIX).unwrap_or(it));
        match self.list_v2(token, None).await {
            Err(ObjectStoreError::UnexpectedResponse(response))
                if self.quirks.falls_back_to_v1 && token.is_none() && is_v2_unsupported(&response) =>
            {
                self.list_v1(None).await
            }
            other => other,
        }
    }

    /// Swarm serves a request with an expired token as an anonymous one (section 4.2.4), so that a public bucket looks empty
    /// or partial. If a request with a wrong secret succeeds as well, ours proves nothing.
    async fn verify_credentials(&self) -> Result<(), ObjectStoreError> {
        let Some(wrong_secret_client) = &self.wrong_secret_client else { return Ok(()) };
        let interceptor = ListingInterceptor::new(|| Output::erase(ListObjectsV2Output::builder().build()));
        let request =
            wrong_secret_client.list_objects_v2().bucket(&self.bucket).max_keys(1).customize().interceptor(interceptor);
        match request.send().await {
            Ok(_) => Err(ObjectStoreError::Anonymous),
            Err(SdkError::ServiceError(it)) if it.raw().status().is_client_error() => Ok(()),
            Err(error) => Err(self.error_from(error)), // undecided
        }
    }

    async fn media_type(&self, key: &str) -> Result<Option<String>, ObjectStoreError> {
        if !self.quirks.heads_objects {
            return Ok(None);
        }
        let response =
            self.client.head_object().bucket(&self.bucket).key(key).send().await.map_err(|it| self.error_from(it))?;
        Ok(response.content_type.filter(|it| !is_generic(it)))
    }

    async fn first_bytes(&self, key: &str, max_bytes: usize) -> Result<Vec<u8>, ObjectStoreError> {
        let get = self.client.get_object().bucket(&self.bucket).key(key).range(format!("bytes=0-{}", max_bytes - 1));
        let mut response = get.send().await.map_err(|it| self.error_from(it))?;
        read_first(max_bytes, async || response.body.next().await.transpose().map_err(body_error)).await
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<bool, ObjectStoreError> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(media_type);
        match put.body(ByteStream::from(bytes)).send().await {
            Ok(_) => Ok(true),
            Err(error) => match self.error_from(error) {
                ObjectStoreError::Credentials(code) if !CREDENTIAL_ERROR_CODES.contains(&code.as_str()) => Ok(false),
                ObjectStoreError::UnexpectedResponse(response)
                    if ["405", "409"].iter().any(|it| response.starts_with(it)) =>
                {
                    Ok(false)
                }
                error => Err(error),
            },
        }
    }

    async fn fetch(&self, key: &str, version: &str, size: u64, to: &Path) -> Result<String, ObjectStoreError> {
        let mut response = self.get_version(key, version, size, None).await?;
        write_to_file(to, size, async || response.body.next().await.transpose().map_err(body_error)).await
    }

    async fn part(
        &self,
        key: &str,
        version: &str,
        size: u64,
        first: u64,
        last: u64,
    ) -> Result<Vec<u8>, ObjectStoreError> {
        let mut response = self.get_version(key, version, size, Some(format!("bytes={first}-{last}"))).await?;
        let mut part = PartBody::new(response.content_range.as_deref(), first, last)?;
        while let Some(chunk) = response.body.next().await.transpose().map_err(body_error)? {
            if !part.take(&chunk) {
                break;
            }
        }
        part.end()
    }
}

/// The connection broke within a body.
fn body_error(error: ByteStreamError) -> ObjectStoreError {
    ObjectStoreError::Unreachable(error.to_string())
}

/// The opaque tag of an ETag (RFC 9110, section 8.8.3): without quotes and the mark of a weak one.
fn opaque_tag(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

/// Whether a response says that ListObjectsV2 is not implemented.
fn is_v2_unsupported(response: &str) -> bool {
    ["400", "405", "501"].iter().any(|it| response.starts_with(it)) || response == NOT_S3
}

/// Error codes that concern the credentials, not the right to do something (Amazon S3, "Error responses").
const CREDENTIAL_ERROR_CODES: [&str; 6] =
    ["401", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"];

/// Why a listing cannot be continued.
const NO_CONTINUATION: &str = "the endpoint says that there is more, and not where it goes on";

/// The headers of a response that `Retry-After` is computed from.
fn retry_headers(response: &HttpResponse) -> HeaderMap {
    let header = |name: HeaderName| Some((name.clone(), response.headers().get(name.as_str())?.parse().ok()?));
    [RETRY_AFTER, DATE].into_iter().filter_map(header).collect()
}

impl S3Store {
    /// The error of a failed request.
    fn error_from<E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + 'static>(
        &self,
        error: SdkError<E, HttpResponse>,
    ) -> ObjectStoreError {
        match &error {
            SdkError::ServiceError(service) => {
                let code = service.err().code().unwrap_or_default().to_owned();
                let status = service.raw().status().as_u16();
                match (code.as_str(), status) {
                    ("NoSuchBucket", _) => ObjectStoreError::NoBucket,
                    ("NoSuchKey", _) => ObjectStoreError::NoObject,
                    (_, 412) => ObjectStoreError::Replaced,
                    ("RequestTimeTooSkewed" | "RequestExpired", _) => ObjectStoreError::ClockSkew(code),
                    (_, 401 | 403) => {
                        ObjectStoreError::Credentials(if code.is_empty() { status.to_string() } else { code })
                    }
                    (_, 404) => ObjectStoreError::NoObject,
                    (_, 200..=299) => ObjectStoreError::UnexpectedResponse(NOT_S3.to_owned()),
                    _ => {
                        let response = format!("{status} {code}").trim().to_owned();
                        ObjectStoreError::from_response(response, &retry_headers(service.raw()), self.now)
                    }
                }
            }
            SdkError::ResponseError(_) => ObjectStoreError::UnexpectedResponse(NOT_S3.to_owned()),
            _ => ObjectStoreError::unreachable(&error),
        }
    }
}
