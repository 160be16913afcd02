//! Where an item's bytes come from, and where its results go back to.

use std::path::Path;
use std::sync::Arc;

use domain::bucket::{Bucket, ProcessorSettings, System};
use domain::item::{Item, Problem, Results};
use domain::processing::POSTPONED;
use domain::result::Document;
use domain::settings::Settings;
use entry::{Failure, clock};
use media::objects::{Objects, ObjectsError, open};

use crate::handler::Parts;
use crate::iconik_work::IconikWork;
use crate::pipeline::End;

/// An item's source.
pub(crate) enum Source {
    Bucket(Box<Bucket>),
    Iconik(Box<IconikWork>),
}

impl Source {
    /// The source of an item that is held. The item learns its job, if it gets one.
    pub(crate) async fn of(
        parts: &Parts,
        settings: &Arc<Settings>,
        item: &mut Item,
    ) -> Result<Result<Self, End>, Failure> {
        if item.system == System::Iconik {
            return Ok(IconikWork::begin(parts, settings, item).await?.map(|it| Self::Iconik(Box::new(it))));
        }
        let bucket = match item.bucket_id {
            Some(id) => parts.table.bucket(item.app, id).await?,
            None => None,
        };
        let removed = || End::Fail(Problem::new("access_denied", "the bucket of this item was removed"));
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
    pub(crate) async fn fetch(&self, parts: &Parts, item: &Item, file: &Path) -> Result<Result<String, End>, Failure> {
        match self {
            Self::Iconik(it) => it.fetch(parts, item, file).await,
            Self::Bucket(bucket) => {
                let credentials = parts.secrets.of_bucket(bucket).await?;
                let fetched =
                    match open(bucket, credentials, None, clock::now(), &parts.allowed, parts.meter.counter("media")) {
                        Ok(objects) => objects.fetch(&item.key, &item.version, item.size, file).await,
                        Err(error) => Err(error),
                    };
                Ok(fetched.map_err(ended))
            }
        }
    }

    /// The item whose bytes at this place were the same; versions of an asset are each looked at.
    pub(crate) async fn same(&self, parts: &Parts, item: &Item, sha256: &str) -> Result<Option<End>, Failure> {
        let Self::Bucket(_) = self else { return Ok(None) };
        let same = parts.table.same_content(item, sha256).await?;
        Ok(same.map(|other| {
            End::Skip(Problem::new("same_content", format!("its bytes are those of {other}, which is completed")))
        }))
    }

    /// Writes results back to where the media came from.
    pub(crate) async fn write_back(
        &self,
        parts: &Parts,
        item: &Item,
        document: &Document,
        results: &Results,
    ) -> Result<Result<(), End>, Failure> {
        match self {
            Self::Iconik(it) => it.write_back(parts, item, document, results).await,
            Self::Bucket(bucket) if bucket.write_back => {
                let credentials = parts.secrets.of_bucket(bucket).await?;
                let json = serde_json::to_vec(document)?;
                let put =
                    match open(bucket, credentials, None, clock::now(), &parts.allowed, parts.meter.counter("media")) {
                        Ok(objects) => objects.put(&beside(&item.key), json, "application/json").await,
                        Err(error) => Err(error),
                    };
                match put {
                    Ok(true) => Ok(Ok(())),
                    Ok(false) => {
                        // a vault under retention: the results are kept with us alone, and nothing has failed
                        tracing::warn!(item.id = %item.id, "{} refuses to be written to; its results are kept here alone", item.bucket);
                        Ok(Ok(()))
                    }
                    Err(error) => Ok(Err(ended(error))),
                }
            }
            Self::Bucket(_) => Ok(Ok(())),
        }
    }
}

/// Where the results of an object are written: `a/b.jpg` has `a/.ai/b.jpg.json`.
fn beside(key: &str) -> String {
    match key.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.ai/{name}.json"),
        None => format!(".ai/{key}.json"),
    }
}

fn ended(error: ObjectsError) -> End {
    let problem = |code: &str| Problem::new(code, error.to_string());
    match error {
        ObjectsError::Replaced => End::Skip(problem("superseded")),
        ObjectsError::NoObject | ObjectsError::NoBucket | ObjectsError::Key => End::Fail(problem("media_unreadable")),
        ObjectsError::Endpoint(_) => End::Fail(problem("access_denied")),
        ObjectsError::Credentials(_) | ObjectsError::Anonymous => End::Again(problem("access_denied")),
        ObjectsError::Clock(_) => End::Postpone(problem(POSTPONED)),
        ObjectsError::Busy { after, .. } => End::Wait(problem(POSTPONED), after),
        ObjectsError::Answer(_) | ObjectsError::Unproved(_) | ObjectsError::Unreachable(_) | ObjectsError::Disk(_) => {
            End::Again(problem("internal"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_lie_beside_the_media() {
        assert_eq!((beside("a/b/c.jpg").as_str(), beside("c.jpg").as_str()), ("a/b/.ai/c.jpg.json", ".ai/c.jpg.json"));
    }
}
