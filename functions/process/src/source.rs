//! Where an item's bytes come from, and where its results go back to.

use std::path::Path;
use std::sync::Arc;

use domain::bucket::{Bucket, MediaSystem, ProcessorSettings};
use domain::item::{Item, Problem, ResultSummary};
use domain::processing::POSTPONED;
use domain::result::ResultDocument;
use domain::settings::Settings;
use entry::{Failure, clock};
use media::object_store::{ObjectStore, ObjectStoreError, open};

use crate::handler::Context;
use crate::iconik_job::IconikJob;
use crate::pipeline::ItemOutcome;

/// An item's source.
pub(crate) enum Source {
    Bucket(Box<Bucket>),
    Iconik(Box<IconikJob>),
}

impl Source {
    /// The source of an item that is held. The item learns its job, if it gets one.
    pub(crate) async fn open(
        parts: &Context,
        settings: &Arc<Settings>,
        item: &mut Item,
    ) -> Result<Result<Self, ItemOutcome>, Failure> {
        if item.system == MediaSystem::Iconik {
            return Ok(IconikJob::start(parts, settings, item).await?.map(|it| Self::Iconik(Box::new(it))));
        }
        let bucket = match item.bucket_id {
            Some(id) => parts.table.bucket(item.app, id).await?,
            None => None,
        };
        let removed = || ItemOutcome::Failed(Problem::new("access_denied", "the bucket of this item was removed"));
        Ok(bucket.map(|it| Self::Bucket(Box::new(it))).ok_or_else(removed))
    }

    /// The settings of the processor for what comes from here.
    pub(crate) fn processor_settings(&self) -> ProcessorSettings {
        match self {
            Self::Bucket(it) => it.settings.clone(),
            Self::Iconik(_) => ProcessorSettings::default(),
        }
    }

    /// Fetches the item's bytes into a file; answers their SHA-256, in hex.
    pub(crate) async fn fetch(
        &self,
        parts: &Context,
        item: &Item,
        file: &Path,
    ) -> Result<Result<String, ItemOutcome>, Failure> {
        match self {
            Self::Iconik(it) => it.fetch(parts, item, file).await,
            Self::Bucket(bucket) => {
                let credentials = parts.secrets.bucket_credentials(bucket).await?;
                let fetched = match open(
                    bucket,
                    credentials,
                    None,
                    clock::now(),
                    &parts.allowed_networks,
                    parts.meter.counter("media"),
                ) {
                    Ok(objects) => objects.fetch(&item.key, &item.version, item.size, file).await,
                    Err(error) => Err(error),
                };
                Ok(fetched.map_err(outcome_of))
            }
        }
    }

    /// The item whose bytes at this place were the same; versions of an asset are each looked at.
    pub(crate) async fn skip_if_same_content(
        &self,
        parts: &Context,
        item: &Item,
        sha256: &str,
    ) -> Result<Option<ItemOutcome>, Failure> {
        let Self::Bucket(_) = self else { return Ok(None) };
        let same = parts.table.same_content(item, sha256).await?;
        Ok(same.map(|other| {
            ItemOutcome::Skipped(Problem::new(
                "same_content",
                format!("its bytes are those of {other}, which is completed"),
            ))
        }))
    }

    /// Writes results back to where the media came from.
    pub(crate) async fn write_back(
        &self,
        parts: &Context,
        item: &Item,
        document: &ResultDocument,
        results: &ResultSummary,
    ) -> Result<Result<(), ItemOutcome>, Failure> {
        match self {
            Self::Iconik(it) => it.write_back(parts, item, document, results).await,
            Self::Bucket(bucket) if bucket.write_back => {
                let credentials = parts.secrets.bucket_credentials(bucket).await?;
                let json = serde_json::to_vec(document)?;
                let put = match open(
                    bucket,
                    credentials,
                    None,
                    clock::now(),
                    &parts.allowed_networks,
                    parts.meter.counter("media"),
                ) {
                    Ok(objects) => objects.put(&sidecar_key(&item.key), json, "application/json").await,
                    Err(error) => Err(error),
                };
                match put {
                    Ok(true) => Ok(Ok(())),
                    Ok(false) => {
                        // a vault under retention: the results are kept with us alone, and nothing has failed
                        tracing::warn!(item.id = %item.id, "{} refuses to be written to; its results are kept here alone", item.bucket);
                        Ok(Ok(()))
                    }
                    Err(error) => Ok(Err(outcome_of(error))),
                }
            }
            Self::Bucket(_) => Ok(Ok(())),
        }
    }
}

/// Where the results of an object are written: `a/b.jpg` has `a/.ai/b.jpg.json`.
fn sidecar_key(key: &str) -> String {
    match key.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.ai/{name}.json"),
        None => format!(".ai/{key}.json"),
    }
}

fn outcome_of(error: ObjectStoreError) -> ItemOutcome {
    let problem = |code: &str| Problem::new(code, error.to_string());
    match error {
        ObjectStoreError::Replaced => ItemOutcome::Skipped(problem("superseded")),
        ObjectStoreError::NoObject | ObjectStoreError::NoBucket | ObjectStoreError::UnsupportedKey => {
            ItemOutcome::Failed(problem("media_unreadable"))
        }
        ObjectStoreError::EndpointRefused(_) => ItemOutcome::Failed(problem("access_denied")),
        ObjectStoreError::Credentials(_) | ObjectStoreError::Anonymous => {
            ItemOutcome::RetryLater(problem("access_denied"))
        }
        ObjectStoreError::ClockSkew(_) => ItemOutcome::Postponed(problem(POSTPONED)),
        ObjectStoreError::Busy { after, .. } => ItemOutcome::PostponedFor(problem(POSTPONED), after),
        ObjectStoreError::UnexpectedResponse(_)
        | ObjectStoreError::IncompleteListing(_)
        | ObjectStoreError::Unreachable(_)
        | ObjectStoreError::Io(_) => ItemOutcome::RetryLater(problem("internal")),
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
