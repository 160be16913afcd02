//! Buckets of media systems, over S3: the port, and its errors.

mod answer;
mod listing;
mod s3;
mod scsp;

use std::path::Path;

use aws_smithy_runtime_api::client::interceptors::Intercept;
use domain::address::{Allowed, Refused};
use domain::bucket::{Bucket, Poll};
use domain::scanning::Object;
use guard::retry_after;
use http::header::HeaderMap;
use time::OffsetDateTime;

/// A page of a listing; with `next`, there is more. Without it, the system has said that this is all.
#[derive(Debug)]
pub struct Listing {
    /// Each key once.
    pub objects: Vec<Object>,
    /// Why elements were left out, one sentence each.
    pub flaws: Vec<String>,
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
    /// It says for how many seconds it wants to be left alone.
    #[error("the endpoint answered {answer}, and asks to wait {after} seconds")]
    Busy { answer: String, after: u64 },
    /// The credentials may be right: a signature holds for a quarter of an hour by the system's clock.
    #[error("the endpoint's clock and ours are too far apart ({0}); the credentials were not looked at")]
    Clock(String),
    #[error("the listing is not whole: {0}")]
    Unproved(&'static str),
    #[error("the endpoint could not be reached: {0}")]
    Unreachable(String),
    #[error("could not write to the temporary folder")]
    Disk(#[source] std::io::Error),
    #[error("the object was replaced since it was listed; the next scan finds what is there now")]
    Replaced,
}

impl ObjectsError {
    /// A refusal that is neither of credentials nor of an object, with the answer's headers.
    fn refused(answer: String, headers: &HeaderMap, now: OffsetDateTime) -> Self {
        match retry_after(headers, now) {
            Some(after) => Self::Busy { answer, after },
            None => Self::Answer(answer),
        }
    }
}

/// What the product needs of a system that keeps media in buckets.
pub trait Objects {
    /// One page of a listing, behind `token`.
    fn page(&self, token: Option<&str>) -> impl Future<Output = Result<Listing, ObjectsError>>;
    /// Whether the system takes us for who we are.
    fn probe(&self) -> impl Future<Output = Result<(), ObjectsError>>;
    /// The type that the system has for an object; `None` if it is not asked for it, or has none.
    fn media_type(&self, key: &str) -> impl Future<Output = Result<Option<String>, ObjectsError>>;
    /// The first bytes of an object, at most so many; fewer if it has no more.
    fn first_bytes(&self, key: &str, most: usize) -> impl Future<Output = Result<Vec<u8>, ObjectsError>>;
    /// Stores a small object beside the media; `false` if the system refuses, as a vault under retention does.
    fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> impl Future<Output = Result<bool, ObjectsError>>;
    /// Fetches a version of an object ([`domain::item::Item::version`]) of `size` bytes into a file; answers the SHA-256 of
    /// its bytes, in hex. Other bytes than those that were listed are [`ObjectsError::Replaced`].
    fn fetch(
        &self,
        key: &str,
        version: &str,
        size: u64,
        to: &Path,
    ) -> impl Future<Output = Result<String, ObjectsError>>;
}

/// The adapter that a bucket needs, for a few minutes from `now` on. With `since`, in milliseconds, a search finds what was
/// changed from then on.
pub fn open(
    bucket: &Bucket,
    credentials: Option<(String, String)>,
    since: Option<i64>,
    now: OffsetDateTime,
    allowed: &Allowed,
    meter: impl Intercept + Clone + 'static,
) -> Result<impl Objects, ObjectsError> {
    match bucket.poll {
        Poll::Listing => s3::Bucket::open(bucket, credentials, now, allowed, meter).map(Opened::S3),
        Poll::Search { .. } => scsp::Bucket::open(bucket, credentials, since, now, allowed).map(Opened::Scsp),
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

    async fn first_bytes(&self, key: &str, most: usize) -> Result<Vec<u8>, ObjectsError> {
        match self {
            Self::S3(it) => it.first_bytes(key, most).await,
            Self::Scsp(it) => it.first_bytes(key, most).await,
        }
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<bool, ObjectsError> {
        match self {
            Self::S3(it) => it.put(key, bytes, media_type).await,
            Self::Scsp(it) => it.put(key, bytes, media_type).await,
        }
    }

    async fn fetch(&self, key: &str, version: &str, size: u64, to: &Path) -> Result<String, ObjectsError> {
        match self {
            Self::S3(it) => it.fetch(key, version, size, to).await,
            Self::Scsp(it) => it.fetch(key, version, size, to).await,
        }
    }
}
