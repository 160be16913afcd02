//! Buckets of media systems, over S3: the port, and its errors.

mod s3;
mod scsp;

use std::path::Path;

use aws_smithy_runtime_api::client::interceptors::Intercept;
use domain::address::{Allowed, Refused};
use domain::bucket::{Bucket, Poll};
use domain::scanning::Object;

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
    #[error("the key has a segment `.` or `..`, which no URL can carry")]
    Key,
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
    /// The type that the system has for an object; `None` if it is not asked for it, or has none.
    fn media_type(&self, key: &str) -> impl Future<Output = Result<Option<String>, ObjectsError>>;
    /// Stores a small object beside the media; `false` if the system refuses, as a vault under retention does.
    fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> impl Future<Output = Result<bool, ObjectsError>>;
    /// Fetches an object of at most `size` bytes into a file; answers the SHA-256 of its bytes, in hex.
    fn fetch(&self, key: &str, size: u64, to: &Path) -> impl Future<Output = Result<String, ObjectsError>>;
}

/// The adapter that a bucket needs. With `since`, in milliseconds, a search finds what was changed from then on.
pub fn open(
    bucket: &Bucket,
    credentials: Option<(String, String)>,
    since: Option<i64>,
    allowed: &Allowed,
    meter: impl Intercept + Clone + 'static,
) -> Result<impl Objects, ObjectsError> {
    match bucket.poll {
        Poll::Listing => s3::Bucket::open(bucket, credentials, allowed, meter).map(Opened::S3),
        Poll::Search { .. } => scsp::Bucket::open(bucket, credentials, since, allowed).map(Opened::Scsp),
    }
}

enum Opened {
    S3(s3::Bucket),
    Scsp(scsp::Bucket),
}

impl Objects for Opened {
    async fn page(&self, token: Option<&str>) -> Result<Listing, ObjectsError> {
        match self {
            Self::S3(it) => it.page(token).await,
            Self::Scsp(it) => it.page(token).await,
        }
    }

    async fn probe(&self) -> Result<(), ObjectsError> {
        match self {
            Self::S3(it) => it.probe().await,
            Self::Scsp(it) => it.probe().await,
        }
    }

    async fn media_type(&self, key: &str) -> Result<Option<String>, ObjectsError> {
        match self {
            Self::S3(it) => it.media_type(key).await,
            Self::Scsp(it) => it.media_type(key).await,
        }
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<bool, ObjectsError> {
        match self {
            Self::S3(it) => it.put(key, bytes, media_type).await,
            Self::Scsp(it) => it.put(key, bytes, media_type).await,
        }
    }

    async fn fetch(&self, key: &str, size: u64, to: &Path) -> Result<String, ObjectsError> {
        match self {
            Self::S3(it) => it.fetch(key, size, to).await,
            Self::Scsp(it) => it.fetch(key, size, to).await,
        }
    }
}
