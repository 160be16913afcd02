//! Buckets of media systems, over S3: the port, and its errors.

mod interceptor;
mod listing;
mod s3;
mod scsp;

use std::path::Path;

use aws_smithy_runtime_api::client::interceptors::Intercept;
use domain::bucket::{Bucket, DiscoveryMode};
use domain::scanning::ListedObject;
use domain::ssrf::{AddressError, AllowedNetworks};
use guard::retry_after;
use http::header::HeaderMap;
use time::OffsetDateTime;

/// A page of a listing; with `next`, there is more. Without it, the system has said that this is all.
#[derive(Debug)]
pub struct Listing {
    /// Each key once.
    pub objects: Vec<ListedObject>,
    /// Why elements were left out, one sentence each.
    pub errors: Vec<String>,
    pub next_token: Option<String>,
}

/// What went wrong at the system's end, in words for its user.
#[derive(Debug, thiserror::Error)]
pub enum ObjectStoreError {
    #[error("the endpoint is refused: {0}")]
    EndpointRefused(#[from] AddressError),
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
    #[error("the key has a segment `.` or `..`, which no URL can carry")]
    UnsupportedKey,
    #[error("the endpoint answered {0}")]
    UnexpectedResponse(String),
    /// It says for how many seconds it wants to be left alone.
    #[error("the endpoint answered {answer}, and asks to wait {after} seconds")]
    Busy { answer: String, after: u64 },
    /// The credentials may be right: a signature holds for a quarter of an hour by the system's clock.
    #[error("the endpoint's clock and ours are too far apart ({0}); the credentials were not looked at")]
    ClockSkew(String),
    #[error("the listing is not whole: {0}")]
    IncompleteListing(&'static str),
    #[error("the endpoint could not be reached: {0}")]
    Unreachable(String),
    #[error("could not write to the temporary folder")]
    Io(#[source] std::io::Error),
    #[error("the object was replaced since it was listed; the next scan finds what is there now")]
    Replaced,
}

impl ObjectStoreError {
    /// A refusal that is neither of credentials nor of an object, with the answer's headers.
    fn from_response(answer: String, headers: &HeaderMap, now: OffsetDateTime) -> Self {
        match retry_after(headers, now) {
            Some(after) => Self::Busy { answer, after },
            None => Self::UnexpectedResponse(answer),
        }
    }
}

/// What the product needs of a system that keeps media in buckets.
pub trait ObjectStore {
    /// One page of a listing, behind `token`.
    fn list_page(&self, token: Option<&str>) -> impl Future<Output = Result<Listing, ObjectStoreError>>;
    /// Whether the system takes us for who we are.
    fn verify_credentials(&self) -> impl Future<Output = Result<(), ObjectStoreError>>;
    /// The type that the system has for an object; `None` if it is not asked for it, or has none.
    fn media_type(&self, key: &str) -> impl Future<Output = Result<Option<String>, ObjectStoreError>>;
    /// The first bytes of an object, at most so many; fewer if it has no more.
    fn first_bytes(&self, key: &str, max_bytes: usize) -> impl Future<Output = Result<Vec<u8>, ObjectStoreError>>;
    /// Stores a small object beside the media; `false` if the system refuses, as a vault under retention does.
    fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> impl Future<Output = Result<bool, ObjectStoreError>>;
    /// Fetches a version of an object ([`domain::item::Item::version`]) of `size` bytes into a file; answers the SHA-256 of
    /// its bytes, in hex. Other bytes than those that were listed are [`ObjectsError::Replaced`].
    fn fetch(
        &self,
        key: &str,
        version: &str,
        size: u64,
        to: &Path,
    ) -> impl Future<Output = Result<String, ObjectStoreError>>;
}

/// The adapter that a bucket needs, for a few minutes from `now` on. With `since`, in milliseconds, a search finds what was
/// changed from then on.
pub fn open(
    bucket: &Bucket,
    credentials: Option<(String, String)>,
    since: Option<i64>,
    now: OffsetDateTime,
    allowed: &AllowedNetworks,
    meter: impl Intercept + Clone + 'static,
) -> Result<impl ObjectStore, ObjectStoreError> {
    match bucket.poll {
        DiscoveryMode::Listing => s3::S3Store::open(bucket, credentials, now, allowed, meter).map(AnyObjectStore::S3),
        DiscoveryMode::Search { .. } => {
            scsp::ScspStore::open(bucket, credentials, since, now, allowed).map(AnyObjectStore::Scsp)
        }
    }
}

enum AnyObjectStore {
    S3(s3::S3Store),
    Scsp(scsp::ScspStore),
}

impl ObjectStore for AnyObjectStore {
    async fn list_page(&self, token: Option<&str>) -> Result<Listing, ObjectStoreError> {
        match self {
            Self::S3(it) => it.list_page(token).await,
            Self::Scsp(it) => it.list_page(token).await,
        }
    }

    async fn verify_credentials(&self) -> Result<(), ObjectStoreError> {
        match self {
            Self::S3(it) => it.verify_credentials().await,
            Self::Scsp(it) => it.verify_credentials().await,
        }
    }

    async fn media_type(&self, key: &str) -> Result<Option<String>, ObjectStoreError> {
        match self {
            Self::S3(it) => it.media_type(key).await,
            Self::Scsp(it) => it.media_type(key).await,
        }
    }

    async fn first_bytes(&self, key: &str, most: usize) -> Result<Vec<u8>, ObjectStoreError> {
        match self {
            Self::S3(it) => it.first_bytes(key, most).await,
            Self::Scsp(it) => it.first_bytes(key, most).await,
        }
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<bool, ObjectStoreError> {
        match self {
            Self::S3(it) => it.put(key, bytes, media_type).await,
            Self::Scsp(it) => it.put(key, bytes, media_type).await,
        }
    }

    async fn fetch(&self, key: &str, version: &str, size: u64, to: &Path) -> Result<String, ObjectStoreError> {
        match self {
            Self::S3(it) => it.fetch(key, version, size, to).await,
            Self::Scsp(it) => it.fetch(key, version, size, to).await,
        }
    }
}
