//! DataCore Swarm's own protocol, SCSP. Its search by time of change is cheaper than a listing (media systems, section 4.4).

use std::collections::BTreeMap;
use std::path::Path;

use domain::media_type::is_generic;
use domain::scanning::{ListedObject, Precondition, modified_etag};
use domain::ssrf::{AllowedNetworks, check_url};
use domain::{from_millis, rfc3339};
use http::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_MATCH, LAST_MODIFIED, RANGE};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use url::Url;

use crate::body::{PartBody, read_first, write_to_file};
use crate::error::{ObjectStoreError, excerpt};
use crate::store::{Listing, ObjectStore, single_prefix};

/// The prefix of ETags from this API.
pub(super) const ETAG_PREFIX: &str = "scsp-";
/// Objects per page.
const PAGE_SIZE: usize = 1_000;
/// Bytes of a page, at most.
const MAX_LISTING_BYTES: usize = 8 << 20;
const REQUEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// A Swarm bucket over SCSP.
pub(super) struct ScspStore {
    http: guard::Client,
    root: Url,
    domain: String,
    bucket: String,
    prefix: Option<String>,
    credentials: Option<(String, String)>,
    since: Option<i64>,
    now: OffsetDateTime,
}

/// An entry of a search (section 4.4).
#[derive(Deserialize)]
struct SearchEntry {
    name: String,
    #[serde(default)]
    hash: String,
    #[serde(default)]
    last_modified: String,
    bytes: u64,
    #[serde(default)]
    content_type: Option<String>,
}

impl ScspStore {
    pub(super) fn open(
        bucket: &domain::bucket::Bucket,
        credentials: Option<(String, String)>,
        since: Option<i64>,
        now: OffsetDateTime,
        allowed: &AllowedNetworks,
    ) -> Result<Self, ObjectStoreError> {
        let root = check_url(&bucket.endpoint, allowed)?;
        let http = guard::client(allowed, None).map_err(|it| ObjectStoreError::Unreachable(it.to_string()))?;
        let domain = root.host_str().unwrap_or_default().to_owned();
        let (name, prefix) = (bucket.bucket.clone(), single_prefix(bucket));
        Ok(Self { http, root, domain, bucket: name, prefix, credentials, since, now })
    }

    /// The URL of the bucket, or of an object in it.
    ///
    /// # Errors
    /// `UnsupportedKey` for a key with a segment `.` or `..`, a tab or a line break: a URL parser removes them, so that the
    /// URL would name another object (WHATWG URL).
    fn object_url(&self, key: Option<&str>) -> Result<Url, ObjectStoreError> {
        let mut url = self.root.clone();
        if key.is_some_and(|it| it.contains(['\t', '\n', '\r']) || it.split('/').any(|it| matches!(it, "." | ".."))) {
            return Err(ObjectStoreError::UnsupportedKey);
        }
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().push(&self.bucket).extend(key.into_iter().flat_map(|it| it.split('/')));
        }
        url.query_pairs_mut().append_pair("domain", &self.domain);
        Ok(url)
    }

    /// The response with a version of an object, or with a range of it, which comes within [`REQUEST_TIMEOUT`].
    ///
    /// # Errors
    /// `Replaced` if another version is there.
    async fn get_version(
        &self,
        key: &str,
        version: &str,
        size: u64,
        range: Option<String>,
    ) -> Result<guard::Response, ObjectStoreError> {
        let mut request = self.authenticated(self.http.get(self.object_url(Some(key))?));
        if let Some(range) = range {
            request = request.header(RANGE, range).timeout(REQUEST_TIMEOUT);
        }
        // the listing's hash is the ETag of SCSP (section 4.5); that of another API proves nothing here
        let precondition = match Precondition::of(version, size) {
            Precondition::Etag(etag) => etag.strip_prefix(ETAG_PREFIX).map(Precondition::of_etag),
            _ => None,
        };
        if let Some(Precondition::Etag(hash)) = precondition {
            request = request.header(IF_MATCH, format!("\"{hash}\""));
        }
        let response = request.send().await.map_err(unreachable_error)?;
        check_status(response.status().as_u16(), true, response.headers(), self.now)?;
        let header = |name: HeaderName| response.headers().get(name)?.to_str().ok();
        let same = match precondition {
            Some(Precondition::Etag(hash)) => header(ETAG).is_none_or(|it| it.trim_matches('"') == hash),
            Some(Precondition::Modified(at)) => header(LAST_MODIFIED)
                .and_then(|it| OffsetDateTime::parse(it, &Rfc2822).ok())
                .is_none_or(|it| it.unix_timestamp() == at.unix_timestamp()),
            _ => true,
        };
        if same { Ok(response) } else { Err(ObjectStoreError::Replaced) }
    }

    fn authenticated(&self, request: guard::Request) -> guard::Request {
        match &self.credentials {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }
}

impl ObjectStore for ScspStore {
    async fn list_page(&self, token: Option<&str>) -> Result<Listing, ObjectStoreError> {
        let mut url = self.object_url(None)?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("format", "json").append_pair("fields", "name,content_type,bytes,last_modified,hash");
            query.append_pair("sort", "name").append_pair("size", &PAGE_SIZE.to_string());
            if let Some(prefix) = &self.prefix {
                query.append_pair("prefix", prefix);
            }
            if let Some(marker) = token {
                query.append_pair("marker", marker);
            }
            if let Some(since) = self.since {
                // the operator is part of the name: `last_modified>=2026-…`
                query.append_pair("last_modified>", &rfc3339(from_millis(since)));
            }
        }
        let mut response =
            self.authenticated(self.http.get(url).timeout(REQUEST_TIMEOUT)).send().await.map_err(unreachable_error)?;
        check_status(response.status().as_u16(), false, response.headers(), self.now)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable_error)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_LISTING_BYTES {
                return Err(ObjectStoreError::UnexpectedResponse("far too much".to_owned()));
            }
        }
        let invalid = |_| ObjectStoreError::UnexpectedResponse("something that is no listing of Swarm's".to_owned());
        let entries: Vec<Value> = serde_json::from_slice(&bytes).map_err(invalid)?;
        let full = entries.len() >= PAGE_SIZE;
        let (mut objects, mut errors, mut last) = (BTreeMap::new(), Vec::new(), None);
        for entry in entries {
            last = entry["name"].as_str().map(str::to_owned).or(last);
            match parse_object(entry) {
                Ok(object) => drop(objects.insert(object.key.clone(), object)),
                Err(reason) => errors.push(reason),
            }
        }
        let mut next = None;
        if full {
            let last = last.filter(|it| token != Some(it));
            next = Some(
                last.ok_or(ObjectStoreError::IncompleteListing("the page is full, and the next would be the same"))?,
            );
        }
        Ok(Listing { objects: objects.into_values().collect(), errors, next_token: next })
    }

    /// Nothing to verify: a search needs accepted credentials, or a public bucket, which shows all its objects to everybody.
    async fn verify_credentials(&self) -> Result<(), ObjectStoreError> {
        Ok(())
    }

    async fn media_type(&self, _: &str) -> Result<Option<String>, ObjectStoreError> {
        Ok(None) // listings contain it
    }

    async fn first_bytes(&self, key: &str, max_bytes: usize) -> Result<Vec<u8>, ObjectStoreError> {
        let request = self
            .http
            .get(self.object_url(Some(key))?)
            .timeout(REQUEST_TIMEOUT)
            .header(RANGE, format!("bytes=0-{}", max_bytes - 1));
        let mut response = self.authenticated(request).send().await.map_err(unreachable_error)?;
        check_status(response.status().as_u16(), true, response.headers(), self.now)?;
        read_first(max_bytes, async || response.chunk().await.map_err(unreachable_error)).await
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<bool, ObjectStoreError> {
        let request = self
            .http
            .post(self.object_url(Some(key))?)
            .timeout(REQUEST_TIMEOUT)
            .header("content-type", media_type)
            .body(bytes);
        let response = self.authenticated(request).send().await.map_err(unreachable_error)?;
        match response.status().as_u16() {
            200..=299 => Ok(true),
            401 | 403 | 405 | 409 => Ok(false),
            status => Err(ObjectStoreError::UnexpectedResponse(status.to_string())),
        }
    }

    async fn fetch(&self, key: &str, version: &str, size: u64, to: &Path) -> Result<String, ObjectStoreError> {
        let mut response = self.get_version(key, version, size, None).await?;
        write_to_file(to, size, async || {
            let chunk = tokio::time::timeout(REQUEST_TIMEOUT, response.chunk()).await;
            let chunk = chunk.map_err(|_| ObjectStoreError::Unreachable("the media stopped coming".to_owned()))?;
            chunk.map_err(unreachable_error)
        })
        .await
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
        let range = response.headers().get(CONTENT_RANGE).and_then(|it| it.to_str().ok());
        let mut part = PartBody::new(range, first, last)?;
        while let Some(chunk) = response.chunk().await.map_err(unreachable_error)? {
            if !part.take(&chunk) {
                break;
            }
        }
        part.end()
    }
}

/// The object of an entry, or why it is none. Its ETag has a prefix, since Swarm's hash is not the ETag of its S3 gateway.
fn parse_object(entry: Value) -> Result<ListedObject, String> {
    let name = entry["name"].as_str().unwrap_or("an object without a name").to_owned();
    let entry: SearchEntry = serde_json::from_value(entry).map_err(|error| format!("`{}`: {error}", excerpt(&name)))?;
    let etag = if entry.hash.is_empty() {
        let at = OffsetDateTime::parse(&entry.last_modified, &Rfc3339);
        modified_etag(
            at.map_err(|_| format!("`{}`: it has neither a hash nor a date that can be read", excerpt(&name)))?,
        )
    } else {
        entry.hash
    };
    Ok(ListedObject {
        key: entry.name,
        etag: format!("{ETAG_PREFIX}{etag}"),
        size: entry.bytes,
        media_type: entry.content_type.filter(|it| !is_generic(it)),
    })
}

/// The error of a response's status. `object` tells a request for an object from one for the bucket.
fn check_status(status: u16, object: bool, headers: &HeaderMap, now: OffsetDateTime) -> Result<(), ObjectStoreError> {
    match status {
        200..=299 => Ok(()),
        401 | 403 => Err(ObjectStoreError::Credentials(status.to_string())),
        404 if object => Err(ObjectStoreError::NoObject),
        404 => Err(ObjectStoreError::NoBucket),
        412 if object => Err(ObjectStoreError::Replaced),
        _ => Err(ObjectStoreError::from_response(status.to_string(), headers, now)),
    }
}

fn unreachable_error<E: std::error::Error + 'static>(error: E) -> ObjectStoreError {
    ObjectStoreError::unreachable(&error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_without_a_hash_has_its_date_and_a_bad_one_says_why() {
        let date = "2026-11-21T09:00:00.000000Z";
        let good = parse_object(json!({ "name": "a", "bytes": 7, "last_modified": date })).unwrap();
        assert_eq!(good.etag, "scsp-modified 2026-11-21T09:00:00Z");
        assert_eq!(Precondition::of("scsp-h1-7", 7), Precondition::Etag("scsp-h1"));
        for (entry, want) in [
            (json!({ "name": "b\u{7}", "bytes": "many" }), "`b\\u{7}`: "),
            (json!({ "bytes": 7 }), "`an object without a name`: "),
            (json!({ "name": "c", "bytes": 7, "last_modified": "yesterday" }), "`c`: it has neither"),
            (json!("text"), "`an object without a name`: "),
        ] {
            let error = parse_object(entry).unwrap_err();
            assert!(error.starts_with(want), "{error}");
        }
    }
}
