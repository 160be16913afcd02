//! What the product needs of an object store.

use std::path::Path;

use domain::bucket::Bucket;
use domain::scanning::ListedObject;

use crate::error::ObjectStoreError;

/// One page of a listing.
#[derive(Debug)]
pub struct Listing {
    /// Each key once.
    pub objects: Vec<ListedObject>,
    /// Why entries were left out, one sentence each.
    pub errors: Vec<String>,
    /// Continues the listing. `None`: the store has said that this page is the last.
    pub next_token: Option<String>,
}

/// A media system that keeps objects in buckets.
pub trait ObjectStore {
    /// The page of the listing that `token` continues, or the first one.
    fn list_page(&self, token: Option<&str>) -> impl Future<Output = Result<Listing, ObjectStoreError>>;
    /// Whether the store accepts the credentials: some stores serve a request with refused ones as an anonymous one.
    fn verify_credentials(&self) -> impl Future<Output = Result<(), ObjectStoreError>>;
    /// The media type that the store has for an object. `None` if it has none, or listings contain it.
    fn media_type(&self, key: &str) -> impl Future<Output = Result<Option<String>, ObjectStoreError>>;
    /// The first bytes of an object, at most `max_bytes`.
    fn first_bytes(&self, key: &str, max_bytes: usize) -> impl Future<Output = Result<Vec<u8>, ObjectStoreError>>;
    /// Stores a small object. `false` if the store refuses writes, as a vault under retention does.
    fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> impl Future<Output = Result<bool, ObjectStoreError>>;
    /// Fetches a version of an object ([`domain::item::Item::version`]) of `size` bytes into a file. Returns the SHA-256
    /// of its bytes, in hex. Bytes other than those that were listed are [`ObjectStoreError::Replaced`].
    fn fetch(
        &self,
        key: &str,
        version: &str,
        size: u64,
        to: &Path,
    ) -> impl Future<Output = Result<String, ObjectStoreError>>;
    /// The bytes of a version of an object of `size` bytes from `first` to `last`, both included. If another version is there, it is
    /// [`ObjectStoreError::Replaced`].
    fn part(
        &self,
        key: &str,
        version: &str,
        size: u64,
        first: u64,
        last: u64,
    ) -> impl Future<Output = Result<Vec<u8>, ObjectStoreError>> + Send;
}

/// The prefix to list with: a bucket's only one. With several, each page is filtered afterwards.
pub(super) fn single_prefix(bucket: &Bucket) -> Option<String> {
    if let [prefix] = &bucket.prefixes[..] { Some(prefix.clone()) } else { None }
}
