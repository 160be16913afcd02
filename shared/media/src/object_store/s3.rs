//! The S3 front ends of DataCore Swarm and Object Matrix: one client, and what each of them needs besides.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::list_objects::ListObjectsOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::Output;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use domain::bucket::MediaSystem;
use domain::media_type::is_generic;
use domain::scanning::Precondition;
use domain::ssrf::{AllowedNetworks, check_url};
use http::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::io::AsyncWriteExt;

use super::interceptor::{ListingInterceptor, NOT_S3};
use super::listing::ListingPage;
use super::{Listing, ObjectStore, ObjectStoreError};

/// Places of the older listing begin so: the last key follows.
const MARKER: &str = "marker:";

/// Places of the newer listing where it gives no token: the last key follows.
const AFTER: &str = "after:";

/// Places of the newer listing: its own token follows, which may be any text.
const TOKEN: &str = "token:";

/// What a system's front end needs besides plain S3.
#[derive(Debug, Clone, Copy)]
struct Quirks {
    /// An expired token is taken for an anonymous caller (Swarm, section 4.2.4): ask whether we are one.
    verifies_credentials: bool,
    /// The newer listing may be missing or broken (Object Matrix, section 5.4): fall back to the older one.
    falls_back_to_v1: bool,
    /// Types are asked for, one by one (Object Matrix, section 5.4).
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

/// A bucket, or a vault: path style, SigV4, no checksum trailers (section 4.1).
pub(super) struct S3Store {
    client: Client,
    /// The same with a secret that cannot be right: what it may see is what everybody may see.
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
        // one request per page is enough where all keys share a prefix; with several, each page filters
        let prefix = if let [one] = &bucket.prefixes[..] { Some(one.clone()) } else { None };
        let quirks = Quirks::for_system(bucket.system);
        let stranger =
            pair.filter(|_| quirks.verifies_credentials).map(|(key, _)| client(Some((key, "not-the-secret"))));
        Ok(Self {
            client: client(pair),
            wrong_secret_client: stranger,
            bucket: bucket.bucket.clone(),
            prefix,
            quirks,
            now,
        })
    }

    /// A page of the newer listing, behind a token or, where the system gives none, behind a key.
    async fn list_v2(&self, token: Option<&str>, after: Option<&str>) -> Result<Listing, ObjectStoreError> {
        let answer = ListingInterceptor::new(|| Output::erase(ListObjectsV2Output::builder().build()));
        let ask = self.client.list_objects_v2().bucket(&self.bucket).max_keys(1_000).encoding_type(EncodingType::Url);
        let ask = ask.set_prefix(self.prefix.clone()).set_continuation_token(token.map(str::to_owned));
        let ask = ask.set_start_after(after.map(str::to_owned)).customize().interceptor(answer.clone());
        ask.send().await.map_err(|it| self.error_from(it))?;
        let page = self.checked_page(&answer, after)?;
        // an answer in the older form comes from a system that does not know the newer one
        let older = !page.has_key_count && (page.next_continuation_token.is_none() || self.quirks.falls_back_to_v1);
        let next = match (&page.next_continuation_token, &page.last_key) {
            _ if !page.is_truncated.unwrap_or_default() => None,
            (Some(next), _) if !older && token != Some(next) => Some(format!("{TOKEN}{next}")),
            (_, Some(last)) if older => Some(format!("{MARKER}{last}")),
            (_, Some(last)) => Some(format!("{AFTER}{last}")),
            (_, None) => return Err(ObjectStoreError::IncompleteListing(NO_CONTINUATION)),
        };
        Ok(Listing { objects: page.objects, errors: page.errors, next_token: next })
    }

    /// A page of the older listing, behind a key.
    async fn list_v1(&self, marker: Option<&str>) -> Result<Listing, ObjectStoreError> {
        let answer = ListingInterceptor::new(|| Output::erase(ListObjectsOutput::builder().build()));
        let ask = self.client.list_objects().bucket(&self.bucket).max_keys(1_000).encoding_type(EncodingType::Url);
        let ask = ask.set_prefix(self.prefix.clone()).set_marker(marker.map(str::to_owned));
        ask.customize().interceptor(answer.clone()).send().await.map_err(|it| self.error_from(it))?;
        let page = self.checked_page(&answer, marker)?;
        let mut next = None;
        if page.is_truncated.unwrap_or_default() {
            // a marker that does not move would go round for ever
            let last = page.next_marker.or(page.last_key).filter(|it| marker != Some(it));
            next = Some(format!("{MARKER}{}", last.ok_or(ObjectStoreError::IncompleteListing(NO_CONTINUATION))?));
        }
        Ok(Listing { objects: page.objects, errors: page.errors, next_token: next })
    }

    /// The page that came behind a key, if it says whether it is the last and does not hold that key again.
    fn checked_page(&self, answer: &ListingInterceptor, after: Option<&str>) -> Result<ListingPage, ObjectStoreError> {
        let page = answer.take_page().map_err(ObjectStoreError::UnexpectedResponse)?;
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
        if let Some(marker) = token.and_then(|it| it.strip_prefix(MARKER)) {
            return self.list_v1(Some(marker)).await;
        }
        if let Some(after) = token.and_then(|it| it.strip_prefix(AFTER)) {
            return match self.list_v2(None, Some(after)).await {
                // it knows no `start-after` either: the older listing has another name for it
                Err(ObjectStoreError::IncompleteListing(_)) => self.list_v1(Some(after)).await,
                other => other,
            };
        }
        let token = token.map(|it| it.strip_prefix(TOKEN).unwrap_or(it));
        match self.list_v2(token, None).await {
            Err(ObjectStoreError::UnexpectedResponse(why))
                if self.quirks.falls_back_to_v1 && token.is_none() && is_v2_unsupported(&why) =>
            {
                self.list_v1(None).await
            }
            other => other,
        }
    }

    /// An expired Swarm token is no error: the request goes on as an anonymous one (section 4.2.4), and a bucket that
    /// everybody may read looks empty or partial. So if a wrong secret is answered as well, ours counts for nothing.
    async fn verify_credentials(&self) -> Result<(), ObjectStoreError> {
        let Some(stranger) = &self.wrong_secret_client else { return Ok(()) };
        let answer = ListingInterceptor::new(|| Output::erase(ListObjectsV2Output::builder().build()));
        let ask = stranger.list_objects_v2().bucket(&self.bucket).max_keys(1).customize().interceptor(answer);
        match ask.send().await {
            Ok(_) => Err(ObjectStoreError::Anonymous),
            Err(SdkError::ServiceError(it)) if it.raw().status().is_client_error() => Ok(()),
            Err(error) => Err(self.error_from(error)), // it has not told us which of both we are
        }
    }

    async fn media_type(&self, key: &str) -> Result<Option<String>, ObjectStoreError> {
        if !self.quirks.heads_objects {
            return Ok(None);
        }
        let answer =
            self.client.head_object().bucket(&self.bucket).key(key).send().await.map_err(|it| self.error_from(it))?;
        Ok(answer.content_type.filter(|it| !is_generic(it)))
    }

    /// Whoever knows no ranges sends the whole object (RFC 9110, section 14.2), of which no more is read.
    async fn first_bytes(&self, key: &str, most: usize) -> Result<Vec<u8>, ObjectStoreError> {
        let get = self.client.get_object().bucket(&self.bucket).key(key).range(format!("bytes=0-{}", most - 1));
        let mut answer = get.send().await.map_err(|it| self.error_from(it))?;
        let mut first = Vec::new();
        while first.len() < most
            && let Some(chunk) = answer.body.next().await
        {
            first.extend_from_slice(&chunk.map_err(|it| ObjectStoreError::Unreachable(it.to_string()))?);
        }
        first.truncate(most);
        Ok(first)
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<bool, ObjectStoreError> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(media_type);
        match put.body(ByteStream::from(bytes)).send().await {
            Ok(_) => Ok(true),
            Err(error) => match self.error_from(error) {
                ObjectStoreError::Credentials(code) if !CREDENTIAL_ERROR_CODES.contains(&code.as_str()) => Ok(false),
                ObjectStoreError::UnexpectedResponse(why) if ["405", "409"].iter().any(|it| why.starts_with(it)) => {
                    Ok(false)
                }
                error => Err(error),
            },
        }
    }

    async fn fetch(&self, key: &str, version: &str, size: u64, to: &Path) -> Result<String, ObjectStoreError> {
        let proof = match Precondition::of(version, size) {
            Precondition::Etag(it) if it.starts_with(super::scsp::ORIGIN) => Precondition::None, // never compared across APIs (4.5)
            proof => proof,
        };
        let get = self.client.get_object().bucket(&self.bucket).key(key);
        // a weak one never matches (RFC 9110, section 13.1.1)
        let strong =
            if let Precondition::Etag(it) = proof { Some(it).filter(|it| !it.starts_with("W/")) } else { None };
        let get = get.set_if_match(strong.map(|it| format!("\"{it}\"")));
        let mut answer = get.send().await.map_err(|it| self.error_from(it))?;
        let same = match (proof, &answer.e_tag, &answer.last_modified) {
            (Precondition::Etag(listed), Some(now), _) => opaque_tag(listed) == opaque_tag(now),
            (Precondition::Modified(listed), _, Some(now)) => listed.unix_timestamp() == now.secs(), // a header has no fractions
            _ => true,
        };
        if !same {
            return Err(ObjectStoreError::Replaced);
        }
        let mut file = tokio::fs::File::create(to).await.map_err(ObjectStoreError::Io)?;
        let (mut hash, mut written) = (Sha256::new(), 0_u64);
        while let Some(chunk) = answer.body.next().await {
            let chunk = chunk.map_err(|it| ObjectStoreError::Unreachable(it.to_string()))?;
            written += chunk.len() as u64;
            if written > size {
                return Err(ObjectStoreError::Replaced);
            }
            hash.update(&chunk);
            file.write_all(&chunk).await.map_err(ObjectStoreError::Io)?;
        }
        file.flush().await.map_err(ObjectStoreError::Io)?;
        if written < size {
            return Err(ObjectStoreError::Replaced);
        }
        Ok(domain::id::hex(&hash.finalize()))
    }
}

/// An ETag without what does not tell it from others: quotes, and the mark of a weak one.
fn opaque_tag(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

/// Whether an answer says that the newer listing is not known.
fn is_v2_unsupported(answer: &str) -> bool {
    ["400", "405", "501"].iter().any(|it| answer.starts_with(it)) || answer == NOT_S3
}

/// Refusals of who we are, not of what we ask for (Amazon S3, "Error responses").
const CREDENTIAL_ERROR_CODES: [&str; 6] =
    ["401", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"];

/// Why a listing cannot be gone on with.
const NO_CONTINUATION: &str = "the endpoint says that there is more, and not where it goes on";

/// The headers of an answer that say when to come again.
fn retry_headers(answer: &HttpResponse) -> HeaderMap {
    let header = |name: HeaderName| Some((name.clone(), answer.headers().get(name.as_str())?.parse().ok()?));
    [RETRY_AFTER, DATE].into_iter().filter_map(header).collect()
}

impl S3Store {
    /// What a request's failure means.
    fn error_from<E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + 'static>(
        &self,
        error: SdkError<E, HttpResponse>,
    ) -> ObjectStoreError {
        match &error {
            SdkError::ServiceError(it) => {
                let (code, status) = (it.err().code().unwrap_or_default().to_owned(), it.raw().status().as_u16());
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
                        let answer = format!("{status} {code}").trim().to_owned();
                        ObjectStoreError::from_response(answer, &retry_headers(it.raw()), self.now)
                    }
                }
            }
            SdkError::ResponseError(_) => ObjectStoreError::UnexpectedResponse(NOT_S3.to_owned()),
            _ => {
                let mut cause: &dyn std::error::Error = &error;
                while let Some(inner) = cause.source() {
                    cause = inner;
                }
                ObjectStoreError::Unreachable(cause.to_string().chars().take(200).collect())
            }
        }
    }
}
