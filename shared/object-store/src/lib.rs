//! Buckets of media systems: the trait, its errors, and an adapter for each protocol.

mod body;
mod error;
mod interceptor;
mod listing;
mod s3;
mod scsp;
mod store;

use std::path::Path;

use aws_smithy_runtime_api::client::interceptors::Intercept;
use domain::bucket::{Bucket, DiscoveryMode};
use domain::ssrf::AllowedNetworks;
use time::OffsetDateTime;

pub use error::{ObjectStoreError, excerpt};
pub use listing::ListingPage;
pub use store::{Listing, ObjectStore};

/// The adapter for a bucket, to be used for a few minutes from `now` on. `since`, in milliseconds since 1970, limits a
/// search to objects that were changed from then on.
///
/// # Errors
/// `EndpointRefused` if the endpoint is not a URL that may be connected to.
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
            Self::S3(store) => store.list_page(token).await,
            Self::Scsp(store) => store.list_page(token).await,
        }
    }

    async fn verify_credentials(&self) -> Result<(), ObjectStoreError> {
        match self {
            Self::S3(store) => store.verify_credentials().await,
            Self::Scsp(store) => store.verify_credentials().await,
        }
    }

    async fn media_type(&self, key: &str) -> Result<Option<String>, ObjectStoreError> {
        match self {
            Self::S3(store) => store.media_type(key).await,
            Self::Scsp(store) => store.media_type(key).await,
        }
    }

    async fn first_bytes(&self, key: &str, max_bytes: usize) -> Result<Vec<u8>, ObjectStoreError> {
        match self {
            Self::S3(store) => store.first_bytes(key, max_bytes).await,
            Self::Scsp(store) => store.first_bytes(key, max_bytes).await,
        }
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<bool, ObjectStoreError> {
        match self {
            Self::S3(store) => store.put(key, bytes, media_type).await,
            Self::Scsp(store) => store.put(key, bytes, media_type).await,
        }
    }

    async fn fetch(&self, key: &str, version: &str, size: u64, to: &Path) -> Result<String, ObjectStoreError> {
        match self {
            Self::S3(store) => store.fetch(key, version, size, to).await,
            Self::Scsp(store) => store.fetch(key, version, size, to).await,
        }
    }

    async fn part(
        &self,
        key: &str,
        version: &str,
        size: u64,
        first: u64,
        last: u64,
    ) -> Result<Vec<u8>, ObjectStoreError> {
        match self {
            Self::S3(store) => store.part(key, version, size, first, last).await,
            Self::Scsp(store) => store.part(key, version, size, first, last).await,
        }
    }
}
