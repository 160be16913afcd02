//! DataCore Swarm's own protocol, SCSP: a search by time is the cheaper poll (media systems, section 4.4).

use std::collections::BTreeMap;
use std::path::Path;

use domain::id::hex;
use domain::media_type::is_generic;
use domain::scanning::{ListedObject, Precondition, modified_etag};
use domain::ssrf::{AllowedNetworks, check_url};
use domain::{from_millis, rfc3339};
use http::header::{ETAG, HeaderMap, HeaderName, IF_MATCH, LAST_MODIFIED, RANGE};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use tokio::io::AsyncWriteExt;
use url::Url;

use super::{Listing, ObjectStore, ObjectStoreError};

/// ETags begin so that this API gave.
pub(super) const ORIGIN: &str = "scsp-";
/// Objects per page.
const PAGE_SIZE: usize = 1_000;
/// A page of answers is read to this size.
const MAX_LISTING_BYTES: usize = 8 << 20;
const REQUEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// A bucket of Swarm's, over SCSP.
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
        let prefix = if let [one] = &bucket.prefixes[..] { Some(one.clone()) } else { None };
        Ok(Self { http, root, domain, bucket: bucket.bucket.clone(), prefix, credentials, since, now })
    }

    /// The address of the bucket, or of an object in it. A URL cannot carry a key with a segment `.` or `..`, or with a
    /// tab or a line break: its parser takes them away, and the address would be another object's.
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
                // the operator stands between name and value: `last_modified>=2026-…`
                query.append_pair("last_modified>", &rfc3339(from_millis(since)));
            }
        }
        let mut answer = self
            .authenticated(self.http.get(url).timeout(REQUEST_TIMEOUT))
            .send()
            .await
            .map_err(|it| unreachable_error(&it))?;
        check_status(answer.status().as_u16(), false, answer.headers(), self.now)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|it| unreachable_error(&it))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_LISTING_BYTES {
                return Err(ObjectStoreError::UnexpectedResponse("far too much".to_owned()));
            }
        }
        let invalid = |_| ObjectStoreError::UnexpectedResponse("something that is no listing of Swarm's".to_owned());
        let entries: Vec<Value> = serde_json::from_slice(&bytes).map_err(invalid)?;
        let full = entries.len() >= PAGE_SIZE;
        let (mut objects, mut flaws, mut last) = (BTreeMap::new(), Vec::new(), None);
        for it in entries {
            last = it["name"].as_str().map(str::to_owned).or(last);
            match parse_object(it) {
                Ok(it) => drop(objects.insert(it.key.clone(), it)),
                Err(flaw) => flaws.push(flaw),
            }
        }
        let mut next = None;
        if full {
            let last = last.filter(|it| token != Some(it));
            next = Some(
                last.ok_or(ObjectStoreError::IncompleteListing("the page is full, and the next would be the same"))?,
            );
        }
        Ok(Listing { objects: objects.into_values().collect(), errors: flaws, next_token: next })
    }

    /// A search is answered to those who are known alone; to a stranger a public bucket shows the same, and all of it.
    async fn verify_credentials(&self) -> Result<(), ObjectStoreError> {
        Ok(())
    }

    async fn media_type(&self, _: &str) -> Result<Option<String>, ObjectStoreError> {
        Ok(None) // it came with the listing
    }

    /// Whoever knows no ranges sends the whole object (RFC 9110, section 14.2), of which no more is read.
    async fn first_bytes(&self, key: &str, most: usize) -> Result<Vec<u8>, ObjectStoreError> {
        let request = self
            .http
            .get(self.object_url(Some(key))?)
            .timeout(REQUEST_TIMEOUT)
            .header(RANGE, format!("bytes=0-{}", most - 1));
        let mut answer = self.authenticated(request).send().await.map_err(|it| unreachable_error(&it))?;
        check_status(answer.status().as_u16(), true, answer.headers(), self.now)?;
        let mut first = Vec::new();
        while first.len() < most
            && let Some(chunk) = answer.chunk().await.map_err(|it| unreachable_error(&it))?
        {
            first.extend_from_slice(&chunk);
        }
        first.truncate(most);
        Ok(first)
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, media_type: &str) -> Result<bool, ObjectStoreError> {
        let request = self
            .http
            .post(self.object_url(Some(key))?)
            .timeout(REQUEST_TIMEOUT)
            .header("content-type", media_type)
            .body(bytes);
        let answer = self.authenticated(request).send().await.map_err(|it| unreachable_error(&it))?;
        match answer.status().as_u16() {
            200..=299 => Ok(true),
            401 | 403 | 405 | 409 => Ok(false),
            status => Err(ObjectStoreError::UnexpectedResponse(status.to_string())),
        }
    }

    async fn fetch(&self, key: &str, version: &str, size: u64, to: &Path) -> Result<String, ObjectStoreError> {
        let mut request = self.authenticated(self.http.get(self.object_url(Some(key))?));
        // the listing's hash is the ETag of SCSP (section 4.5); that of another API proves nothing here
        let proof = Precondition::of(version, size);
        let proof =
            if let Precondition::Etag(it) = proof { it.strip_prefix(ORIGIN).map(Precondition::of_etag) } else { None };
        if let Some(Precondition::Etag(hash)) = proof {
            request = request.header(IF_MATCH, format!("\"{hash}\""));
        }
        let mut answer = request.send().await.map_err(|it| unreachable_error(&it))?;
        check_status(answer.status().as_u16(), true, answer.headers(), self.now)?;
        let header = |name: HeaderName| answer.headers().get(name)?.to_str().ok();
        let same = match proof {
            Some(Precondition::Etag(hash)) => header(ETAG).is_none_or(|it| it.trim_matches('"') == hash),
            Some(Precondition::Modified(at)) => header(LAST_MODIFIED)
                .and_then(|it| OffsetDateTime::parse(it, &Rfc2822).ok())
                .is_none_or(|it| it.unix_timestamp() == at.unix_timestamp()),
            _ => true,
        };
        if !same {
            return Err(ObjectStoreError::Replaced);
        }
        let mut file = tokio::fs::File::create(to).await.map_err(ObjectStoreError::Io)?;
        let (mut hash, mut written) = (Sha256::new(), 0_u64);
        loop {
            let chunk = tokio::time::timeout(REQUEST_TIMEOUT, answer.chunk()).await;
            let chunk = chunk.map_err(|_| ObjectStoreError::Unreachable("the media stopped coming".to_owned()))?;
            let Some(chunk) = chunk.map_err(|it| unreachable_error(&it))? else { break };
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
        Ok(hex(&hash.finalize()))
    }
}

/// An entry as an object, or why it is none. Swarm's own hash is no ETag of its S3 front end: it says where it comes from.
fn parse_object(entry: Value) -> Result<ListedObject, String> {
    let name = entry["name"].as_str().unwrap_or("an object without a name").to_owned();
    let shown = || name.chars().take(100).flat_map(char::escape_debug).collect::<String>();
    let it: SearchEntry = serde_json::from_value(entry).map_err(|why| format!("`{}`: {why}", shown()))?;
    let etag = if it.hash.is_empty() {
        let at = OffsetDateTime::parse(&it.last_modified, &Rfc3339);
        modified_etag(at.map_err(|_| format!("`{}`: it has neither a hash nor a date that can be read", shown()))?)
    } else {
        it.hash
    };
    Ok(ListedObject {
        key: it.name,
        etag: format!("{ORIGIN}{etag}"),
        size: it.bytes,
        media_type: it.content_type.filter(|it| !is_generic(it)),
    })
}

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

fn unreachable_error(error: &(dyn std::error::Error + 'static)) -> ObjectStoreError {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    ObjectStoreError::Unreachable(cause.to_string().chars().take(200).collect())
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
        for (entry, why) in [
            (json!({ "name": "b\u{7}", "bytes": "many" }), "`b\\u{7}`: "),
            (json!({ "bytes": 7 }), "`an object without a name`: "),
            (json!({ "name": "c", "bytes": 7, "last_modified": "yesterday" }), "`c`: it has neither"),
            (json!("text"), "`an object without a name`: "),
        ] {
            let flaw = parse_object(entry).unwrap_err();
            assert!(flaw.starts_with(why), "{flaw}");
        }
    }
}
