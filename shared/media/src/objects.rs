//! Buckets of media systems, over S3: the port, and its adapter for DataCore Swarm.

use std::net::IpAddr;
use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::SdkError;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use domain::address::{Allowed, Refused, judge};
use domain::bucket::{Bucket, System};
use domain::scanning::Object;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

/// A page of a listing; with `next`, there is more.
#[derive(Debug)]
pub struct Listing {
    pub objects: Vec<Object>,
    pub next: Option<String>,
}

/// What went wrong at the system's end, in words for its user.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    #[error("the endpoint is refused: {0}")]
    Endpoint(#[from] Refused),
    #[error("the credentials are refused ({0}); a Swarm token lives 24 hours unless it was made with a longer life")]
    Credentials(String),
    #[error(
        "the credentials are taken for anonymous: a signed request was answered, but so was one with a wrong secret; the token has probably expired"
    )]
    Anonymous,
    #[error("there is no bucket of that name")]
    NoBucket,
    #[error("there is no such object any more")]
    NoObject,
    #[error("the endpoint answered {0}")]
    Answer(String),
    #[error("the endpoint could not be reached: {0}")]
    Unreachable(String),
    #[error("could not write to the temporary folder")]
    Disk(#[source] std::io::Error),
    #[error("the object is larger than the listing said")]
    Grown,
}

/// What the product needs of a system that keeps media in buckets.
pub trait Objects {
    /// One page of a listing, behind `token`.
    fn page(&self, token: Option<&str>) -> impl Future<Output = Result<Listing, ObjectsError>>;
    /// Whether the system takes us for who we are.
    fn probe(&self) -> impl Future<Output = Result<(), ObjectsError>>;
    /// Fetches an object of at most `size` bytes into a file; answers the SHA-256 of its bytes, in hex.
    fn fetch(&self, key: &str, size: u64, to: &Path) -> impl Future<Output = Result<String, ObjectsError>>;
}

/// The adapter that a bucket needs.
pub fn open(
    bucket: &Bucket,
    credentials: Option<(String, String)>,
    allowed: &Allowed,
    meter: impl Intercept + Clone + 'static,
) -> Result<impl Objects, ObjectsError> {
    match bucket.system {
        System::DataCore => Swarm::open(bucket, credentials, allowed, meter),
    }
}

/// DataCore Swarm's S3 front end (media systems, section 4): path style, SigV4, no checksum trailers.
struct Swarm {
    client: Client,
    /// The same with a secret that cannot be right: what it may see is what everybody may see.
    stranger: Option<Client>,
    bucket: String,
    prefix: Option<String>,
}

impl Swarm {
    fn open(
        bucket: &Bucket,
        credentials: Option<(String, String)>,
        allowed: &Allowed,
        meter: impl Intercept + Clone + 'static,
    ) -> Result<Self, ObjectsError> {
        let endpoint = judge(&bucket.endpoint, allowed)?;
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_with_resolver(Judging(allowed.clone()));
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
        let stranger = pair.map(|(key, _)| client(Some((key, "not-the-secret"))));
        Ok(Self { client: client(pair), stranger, bucket: bucket.bucket.clone(), prefix })
    }
}

impl Objects for Swarm {
    async fn page(&self, token: Option<&str>) -> Result<Listing, ObjectsError> {
        let ask = self.client.list_objects_v2().bucket(&self.bucket).max_keys(1_000);
        let ask = ask.set_prefix(self.prefix.clone()).set_continuation_token(token.map(str::to_owned));
        let answer = ask.send().await.map_err(failed)?;
        let objects = answer.contents.unwrap_or_default().into_iter().filter_map(|it| {
            let etag = it.e_tag.unwrap_or_default().trim_matches('"').to_owned();
            Some(Object { key: it.key?, etag, size: u64::try_from(it.size.unwrap_or(0)).unwrap_or(0) })
        });
        let next = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
        Ok(Listing { objects: objects.collect(), next })
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
        Ok(hash.finalize().iter().map(|it| format!("{it:02x}")).collect())
    }
}

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
                (_, 200..=299) => ObjectsError::Answer("something that is not S3".to_owned()),
                _ => ObjectsError::Answer(format!("{status} {code}").trim().to_owned()),
            }
        }
        SdkError::ResponseError(_) => ObjectsError::Answer("something that is not S3".to_owned()),
        _ => {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            ObjectsError::Unreachable(cause.to_string().chars().take(200).collect())
        }
    }
}

/// Resolves names of buckets' endpoints, and refuses what is not to be called.
#[derive(Debug, Clone)]
struct Judging(Allowed);

impl ResolveDns for Judging {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            let found: Vec<IpAddr> = found.map(|it| it.ip()).collect();
            match found.iter().find(|it| !self.0.permits(**it)) {
                Some(it) => Err(ResolveDnsError::new(Refused::Address(*it))),
                None => Ok(found),
            }
        })
    }
}
