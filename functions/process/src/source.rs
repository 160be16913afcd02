//! Where an item's bytes come from, and where its results go back to.

use std::path::Path;
use std::sync::Arc;

use domain::bucket::{Bucket, MediaSystem, ProcessorSettings};
use domain::item::{Item, Problem, ResultSummary};
use domain::result::ResultDocument;
use domain::settings::Settings;
use entry::{MessageError, clock};
use object_store::ObjectStore;

use crate::context::Context;
use crate::iconik_job::IconikJob;
use crate::outcome::ItemOutcome;

/// Where an item's media lies.
pub(crate) enum Source {
    Bucket(Box<Bucket>),
    Iconik(Box<IconikJob>),
}

impl Source {
    /// The source of a claimed item. Sets `item.job` if Iconik makes a job for it.
    pub(crate) async fn open(
        context: &Context,
        settings: &Arc<Settings>,
        item: &mut Item,
    ) -> Result<Result<Self, ItemOutcome>, MessageError> {
        if item.system == MediaSystem::Iconik {
            return Ok(IconikJob::start(context, settings, item).await?.map(|it| Self::Iconik(Box::new(it))));
        }
        let bucket = match item.bucket_id {
            Some(id) => context.table.bucket(item.app, id).await?,
            None => None,
        };
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

    /// Fetches the item's bytes into a file. Returns their SHA-256, in hex.
    pub(crate) async fn fetch(
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
    pub(crate) async fn skip_if_same_content(
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
        document: &ResultDocument,
        results: &ResultSummary,
    ) -> Result<Result<(), ItemOutcome>, MessageError> {
        match self {
            Self::Iconik(job) => job.write_back(context, item, document, results).await,
            Self::Bucket(bucket) if bucket.write_back => {
                let json = serde_json::to_vec(document)?;
                let put = match context.object_store(bucket, clock::now()).await? {
                    Ok(store) => store.put(&sidecar_key(&item.key), json, "application/json").await,
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

/// The key of an object's sidecar file: `a/b.jpg` has `a/.ai/b.jpg.json`.
fn sidecar_key(key: &str) -> String {
    match key.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.ai/{name}.json"),
        None => format!(".ai/{key}.json"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_lie_beside_the_media() {
        assert_eq!(
            (sidecar_key("a/b/c.jpg").as_str(), sidecar_key("c.jpg").as_str()),
            ("a/b/.ai/c.jpg.json", ".ai/c.jpg.json")
        );
    }
}
