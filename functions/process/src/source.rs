//! Where an item's bytes come from, and where its results go back to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::bucket::{Bucket, MediaSystem, ProcessorKind, ProcessorSettings};
use domain::item::{Item, Problem, ResultSummary};
use domain::job::Job;
use domain::result::ResultDocument;
use domain::settings::Settings;
use entry::{MessageError, clock};
use iconik::IconikError;
use media::workspace::{self, TempDir};
use object_store::ObjectStore;

use crate::context::Context;
use crate::iconik_job::IconikJob;
use crate::outcome::ItemOutcome;

/// Where an item's media lies.
pub(crate) enum Source {
    Bucket(Box<Bucket>),
    Iconik(Box<IconikJob>),
}

/// An item's media in a file, which is removed with this.
pub(crate) struct FetchedMedia {
    pub(crate) file: PathBuf,
    /// SHA-256 of its bytes, in hex.
    pub(crate) sha256: String,
    _folder: TempDir,
}

/// The bucket that an item lies in; `None` for an asset, or if the bucket was removed.
pub(crate) async fn bucket_of(context: &Context, item: &Item) -> Result<Option<Bucket>, MessageError> {
    match item.bucket_id {
        Some(id) => Ok(context.table.bucket(item.app, id).await?),
        None => Ok(None),
    }
}

/// Removes what was written of a processor's result at the item's source: our segments, and the content of the sidecar
/// file (a store may keep earlier versions of it).
///
/// # Errors
/// The source does not answer, or refuses.
pub(crate) async fn remove_written(
    context: &Context,
    settings: &Arc<Settings>,
    item: &Item,
    processor: ProcessorKind,
    bucket: Option<Bucket>,
) -> Result<(), MessageError> {
    if item.system == MediaSystem::Iconik {
        let (Ok(asset), Ok(version)) = (item.key.parse(), item.version.parse()) else { return Ok(()) };
        let iconik = context.connections.get(item.app, settings).await?;
        return match iconik.replace_segments(asset, version, processor.name(), &[]).await {
            Ok(()) | Err(IconikError::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        };
    }
    if let Some(bucket) = bucket.filter(|it| it.write_back) {
        let store = context.object_store(&bucket, clock::now()).await??;
        let deleted = serde_json::json!({ "deleted": domain::rfc3339(clock::now()) }).to_string().into_bytes();
        store.put(&sidecar_key(&item.key, processor), deleted, "application/json").await?;
    }
    Ok(())
}

impl Source {
    /// The source of a claimed job's item. The item's job names the Iconik job, if Iconik makes one for it.
    pub(crate) async fn open(
        context: &Context,
        settings: &Arc<Settings>,
        item: &mut Item,
        job: &Job,
        bucket: Option<Bucket>,
    ) -> Result<Result<Self, ItemOutcome>, MessageError> {
        if item.system == MediaSystem::Iconik {
            return Ok(IconikJob::start(context, settings, item, job).await?.map(|it| Self::Iconik(Box::new(it))));
        }
        let removed = || ItemOutcome::Failed(Problem::new("access_denied", "the bucket of this item was removed"));
        Ok(bucket.map(|it| Self::Bucket(Box::new(it))).ok_or_else(removed))
    }

    /// The settings of the processor: the bucket's, or the defaults for Iconik.
    pub(crate) fn processor_settings(&self) -> ProcessorSettings {
        match self {
            Self::Bucket(bucket) => bucket.settings.clone(),
            Self::Iconik(_) => ProcessorSettings::default(),
        }
    }

    /// Fetches the item's media into a folder of its own, unless the same bytes have been looked at.
    pub(crate) async fn fetch_media(
        &self,
        context: &Context,
        settings: &Settings,
        item: &Item,
    ) -> Result<Result<FetchedMedia, ItemOutcome>, MessageError> {
        let folder = match workspace::create(settings.temp_folder.as_deref()) {
            Ok(folder) => folder,
            Err(error) => {
                let problem = Problem::new("internal", format!("no temporary folder: {error}"));
                return Ok(Err(ItemOutcome::RetryLater(problem)));
            }
        };
        let file = folder.path().join("media");
        let sha256 = match self.fetch(context, item, &file).await? {
            Ok(sha256) => sha256,
            Err(outcome) => return Ok(Err(outcome)),
        };
        Ok(match self.skip_if_same_content(context, item, &sha256).await? {
            Some(outcome) => Err(outcome),
            None => Ok(FetchedMedia { file, sha256, _folder: folder }),
        })
    }

    /// Fetches the item's bytes into a file. Returns their SHA-256, in hex.
    async fn fetch(
        &self,
        context: &Context,
        item: &Item,
        file: &Path,
    ) -> Result<Result<String, ItemOutcome>, MessageError> {
        match self {
            Self::Iconik(job) => job.fetch(context, item, file).await,
            Self::Bucket(bucket) => {
                let fetched = match context.object_store(bucket, clock::now()).await? {
                    Ok(store) => store.fetch(&item.key, &item.version, item.size, file).await,
                    Err(error) => Err(error),
                };
                Ok(fetched.map_err(ItemOutcome::from))
            }
        }
    }

    /// `Skipped` with `same_content` if the item that was completed last for this key has the same bytes. Versions of an
    /// Iconik asset are never skipped.
    async fn skip_if_same_content(
        &self,
        context: &Context,
        item: &Item,
        sha256: &str,
    ) -> Result<Option<ItemOutcome>, MessageError> {
        let Self::Bucket(_) = self else { return Ok(None) };
        let same = context.table.same_content(item, sha256).await?;
        Ok(same.map(|other| {
            ItemOutcome::Skipped(Problem::new(
                "same_content",
                format!("its bytes are those of {other}, which is completed"),
            ))
        }))
    }

    /// Writes the results back to the source, if it is configured to take them.
    pub(crate) async fn write_back(
        &self,
        context: &Context,
        item: &Item,
        processor: ProcessorKind,
        document: &ResultDocument,
        results: &ResultSummary,
    ) -> Result<Result<(), ItemOutcome>, MessageError> {
        match self {
            Self::Iconik(job) => job.write_back(context, item, processor, document, results).await,
            Self::Bucket(bucket) if bucket.write_back => {
                let json = serde_json::to_vec(document)?;
                let put = match context.object_store(bucket, clock::now()).await? {
                    Ok(store) => store.put(&sidecar_key(&item.key, processor), json, "application/json").await,
                    Err(error) => Err(error),
                };
                match put {
                    Ok(true) => Ok(Ok(())),
                    Ok(false) => {
                        // a vault under retention is no failure: the results stay in our own bucket
                        tracing::warn!(item.id = %item.id, "{} refuses writes; the results are stored here only", item.bucket);
                        Ok(Ok(()))
                    }
                    Err(error) => Ok(Err(error.into())),
                }
            }
            Self::Bucket(_) => Ok(Ok(())),
        }
    }
}

/// The key of an object's sidecar file: `a/b.jpg` has `a/.ai/b.jpg.json` for faces, as it was before there were other
/// processors, and `a/.ai/b.jpg.object_detection.json` for objects.
fn sidecar_key(key: &str, processor: ProcessorKind) -> String {
    let (folder, name) = match key.rsplit_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name),
        None => (String::new(), key),
    };
    match processor {
        ProcessorKind::FacialRecognition => format!("{folder}.ai/{name}.json"),
        other => format!("{folder}.ai/{name}.{}.json", other.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_lie_beside_the_media() {
        let check = |key: &str, processor, want: &str| assert_eq!(sidecar_key(key, processor), want);
        check("a/b/c.jpg", ProcessorKind::FacialRecognition, "a/b/.ai/c.jpg.json");
        check("c.jpg", ProcessorKind::FacialRecognition, ".ai/c.jpg.json");
        check("a/c.jpg", ProcessorKind::ObjectDetection, "a/.ai/c.jpg.object_detection.json");
    }
}
