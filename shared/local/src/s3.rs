//! An emulator of S3 on plain files: a bucket is a folder, a key is a path. People may drop files into it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::cors::{self, CorsRequest};
use crate::digest::hex;
use crate::error::StackError;
use crate::listener::{base_url, serve_connections};
use crate::object_index::{ObjectEntry, ObjectIndex, modified_nanos};
use crate::random::random_id;
use crate::template::Model;

/// The service.
#[derive(Clone)]
pub(crate) struct S3Service {
    index: Arc<ObjectIndex>,
    /// Held from the check of a condition to the rename, so that one of many writers wins.
    write_lock: Arc<tokio::sync::Mutex<()>>,
}

/// Serves the template's buckets, with their CORS rules. `root` is the folder of the buckets, `file` the index. Returns
/// the URL and the server's task.
pub(crate) fn start(
    listener: tokio::net::TcpListener,
    root: &Path,
    file: &Path,
    model: &Model,
) -> Result<(String, tokio::task::JoinHandle<()>), StackError> {
    for name in &model.buckets {
        let path = root.join(name);
        std::fs::create_dir_all(&path).map_err(|it| StackError::Unwritable { path, source: it.into() })?;
    }
    let index =
        ObjectIndex::open(root, file).map_err(|it| StackError::Corrupt { path: file.to_owned(), source: it.into() })?;
    let buckets = S3Service { index: Arc::new(index), write_lock: Arc::default() };
    let mut builder = s3s::service::S3ServiceBuilder::new(buckets);
    builder.set_auth(s3s::auth::SimpleAuth::from_single("test", "test"));
    let (service, rules) = (builder.build(), Arc::new(model.cors.clone()));
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (service, rules) = (service.clone(), rules.clone());
        async move {
            let cors_request = CorsRequest::from_request(&request);
            let cors_headers = cors_request.as_ref().and_then(|it| it.response_headers(&rules));
            if cors_request.is_some_and(|it| it.is_preflight) {
                return Ok(cors::preflight(cors_headers));
            }
            let mut response = hyper::service::Service::call(&service, request).await?;
            response.headers_mut().extend(cors_headers.unwrap_or_default());
            Ok::<_, s3s::HttpError>(response)
        }
    });
    let url = base_url(&listener)?;
    Ok((url, tokio::spawn(serve_connections(listener, service))))
}

impl S3Service {
    fn require_bucket(&self, bucket: &str) -> S3Result<()> {
        let plain = !bucket.starts_with('.') && !bucket.contains('/');
        if plain && self.index.folder(bucket).is_dir() { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    fn entry(&self, bucket: &str, key: &str) -> S3Result<ObjectEntry> {
        self.require_bucket(bucket)?;
        self.index.get(bucket, key).map_err(internal_error)?.ok_or_else(|| s3_error!(NoSuchKey))
    }

    async fn write_object(&self, input: &mut PutObjectInput, path: &Path) -> std::io::Result<(String, u64)> {
        // beside the buckets, so that the rename does not cross file systems
        let temporary = self.index.folder(".incoming").join(random_id());
        for folder in [path.parent(), temporary.parent()].into_iter().flatten() {
            tokio::fs::create_dir_all(folder).await?;
        }
        let mut file = tokio::fs::File::create(&temporary).await?;
        let (mut hash, mut size) = (Md5::new(), 0);
        if let Some(mut body) = input.body.take() {
            while let Some(chunk) = body.next().await {
                let chunk = chunk.map_err(std::io::Error::other)?;
                hash.update(&chunk);
                size += chunk.len() as u64;
                file.write_all(&chunk).await?;
            }
        }
        file.flush().await?;
        drop(file);
        tokio::fs::rename(&temporary, path).await?;
        Ok((hex(&hash.finalize()), size))
    }
}

#[async_trait::async_trait]
impl S3 for S3Service {
    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        std::fs::create_dir_all(self.index.folder(&request.input.bucket)).map_err(internal_error)?;
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.require_bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let mut input = request.input;
        self.require_bucket(&input.bucket)?;
        let _write_guard = self.write_lock.lock().await;
        let existing = self.index.get(&input.bucket, &input.key).map_err(internal_error)?;
        if input.if_none_match.is_some() && existing.is_some() {
            return Err(s3_error!(PreconditionFailed));
        }
        let path = self.index.object_path(&input.bucket, &input.key);
        let (etag, size) = self.write_object(&mut input, &path).await.map_err(internal_error)?;
        let file = std::fs::metadata(&path).map_err(internal_error)?;
        let metadata = serde_json::to_string(&input.metadata.unwrap_or_default()).map_err(internal_error)?;
        let content_type = input.content_type.map(|it| it.to_string());
        let entry = ObjectEntry {
            key: input.key,
            path,
            etag: etag.clone(),
            size,
            modified: modified_nanos(&file),
            content_type,
            metadata,
        };
        self.index.put(&input.bucket, &entry).map_err(internal_error)?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(etag)), ..Default::default() }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let entry = self.entry(&request.input.bucket, &request.input.key)?;
        check_if_match(&entry, request.input.if_match.as_ref())?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(entry.size as i64),
            content_type: entry.content_type.as_deref().and_then(|it| it.parse().ok()),
            e_tag: Some(ETag::Strong(entry.etag.clone())),
            last_modified: Some(last_modified(&entry)),
            metadata: serde_json::from_str(&entry.metadata).ok(),
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let entry = self.entry(&input.bucket, &input.key)?;
        check_if_match(&entry, input.if_match.as_ref())?;
        let range = match input.range {
            Some(range) => range.check(entry.size)?,
            None => 0..entry.size,
        };
        let mut file = tokio::fs::File::open(&entry.path).await.map_err(internal_error)?;
        file.seek(std::io::SeekFrom::Start(range.start)).await.map_err(internal_error)?;
        let length = range.end - range.start;
        let chunks =
            futures_util::stream::try_unfold((file.take(length), vec![0; 1 << 16]), async |(mut file, mut buffer)| {
                let read = file.read(&mut buffer).await?;
                let chunk = Bytes::copy_from_slice(&buffer[..read]);
                Ok::<_, std::io::Error>((read > 0).then_some((chunk, (file, buffer))))
            });
        let partial =
            input.range.map(|_| format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), entry.size));
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::wrap(Box::pin(chunks.map_err(|it: std::io::Error| it)))),
            content_length: Some(length as i64),
            content_range: partial,
            content_type: entry.content_type.as_deref().and_then(|it| it.parse().ok()),
            e_tag: Some(ETag::Strong(entry.etag.clone())),
            last_modified: Some(last_modified(&entry)),
            metadata: serde_json::from_str(&entry.metadata).ok(),
            ..Default::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        if let Ok(entry) = self.entry(&input.bucket, &input.key) {
            std::fs::remove_file(&entry.path).map_err(internal_error)?;
            self.index.remove(&input.bucket, &input.key).map_err(internal_error)?;
        }
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        self.require_bucket(&input.bucket)?;
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "listings with a delimiter are not part of the local stack"));
        }
        let max_keys = usize::try_from(input.max_keys.unwrap_or(1_000).clamp(0, 1_000)).unwrap_or(1_000);
        // a token is the last key, so that XML can carry it
        let token =
            input.continuation_token.as_deref().map(|it| percent_decode_str(it).decode_utf8_lossy().into_owned());
        let after = token.or_else(|| input.start_after.clone()).unwrap_or_default();
        let encodes_keys = input.encoding_type.as_ref().is_some_and(|it| it.as_str() == EncodingType::URL);
        let shown_key = |it: &str| if encodes_keys { url_encoded(it) } else { it.to_owned() };
        let (index, bucket, prefix) =
            (self.index.clone(), input.bucket.clone(), input.prefix.clone().unwrap_or_default());
        let is_first_page = input.continuation_token.is_none();
        let listing = tokio::task::spawn_blocking(move || {
            if is_first_page {
                index.refresh(&bucket)?;
            }
            index.list(&bucket, &prefix, &after, max_keys + 1)
        });
        let mut entries = listing.await.map_err(internal_error)?.map_err(internal_error)?;
        let truncated = entries.len() > max_keys;
        entries.truncate(max_keys);
        let next = entries.last().filter(|_| truncated).map(|it| url_encoded(&it.key));
        let contents: Vec<Object> = entries.iter().map(|it| listing_entry(it, shown_key(&it.key))).collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix.as_deref().map(shown_key),
            start_after: input.start_after.as_deref().map(shown_key),
            encoding_type: input.encoding_type,
            max_keys: Some(max_keys as i32),
            key_count: Some(contents.len() as i32),
            is_truncated: Some(truncated),
            continuation_token: input.continuation_token,
            next_continuation_token: next,
            contents: Some(contents),
            ..Default::default()
        }))
    }
}

/// A key as `encoding-type=url` encodes it (Amazon S3, ListObjectsV2): a space is `+`, a slash stays.
fn url_encoded(key: &str) -> String {
    utf8_percent_encode(key, &ENCODED).to_string().replace("%20", "+")
}

/// The characters that are encoded.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*');

fn listing_entry(entry: &ObjectEntry, key: String) -> Object {
    Object {
        key: Some(key),
        size: Some(entry.size as i64),
        e_tag: Some(ETag::Strong(entry.etag.clone())),
        last_modified: Some(last_modified(entry)),
        ..Default::default()
    }
}

/// `If-Match` (RFC 9110, section 13.1.1).
fn check_if_match(entry: &ObjectEntry, wanted: Option<&IfMatch>) -> S3Result<()> {
    match wanted.and_then(IfMatch::as_etag) {
        Some(wanted) if wanted.as_strong() != Some(&entry.etag) => Err(s3_error!(PreconditionFailed)),
        _ => Ok(()),
    }
}

fn last_modified(entry: &ObjectEntry) -> Timestamp {
    let time = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(entry.modified))
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    Timestamp::from(time)
}

fn internal_error(error: impl std::fmt::Display) -> s3s::S3Error {
    s3_error!(InternalError, "the local bucket failed: {error}")
}
