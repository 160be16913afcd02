//! An Iconik job: shows the work on an asset, fetches its media, writes the results back.

use std::path::Path;
use std::sync::Arc;

use domain::asset_manager::AssetManagerState;
use domain::item::{Item, ItemStatus, Problem, ResultSummary};
use domain::job::{Job, JobState};
use domain::processing::ABORTED;
use domain::processor::ProcessorKind;
use domain::result::ResultDocument;
use domain::settings::Settings;
use entry::{MessageError, clock};
use iconik::download::FetchError;
use iconik::job::{JobControl, status};
use iconik::segments::Segment;
use iconik::source::SourceChoice;
use iconik::{Iconik, IconikError, block};
use serde_json::json;
use uuid::Uuid;

use crate::context::Context;
use crate::outcome::ItemOutcome;

/// The work on one version of an asset.
pub(crate) struct IconikJob {
    iconik: Arc<Iconik>,
    settings: Arc<Settings>,
    state: AssetManagerState,
    asset: Uuid,
    version: Uuid,
    /// `None` if Iconik makes no job for this user.
    job: Option<Uuid>,
}

impl IconikJob {
    /// Connects to Iconik and creates the job, or continues the one that an earlier attempt created.
    pub(crate) async fn start(
        context: &Context,
        settings: &Arc<Settings>,
        item: &mut Item,
        job: &Job,
    ) -> Result<Result<Self, ItemOutcome>, MessageError> {
        let (Ok(asset), Ok(version)) = (item.key.parse(), item.version.parse()) else {
            return Ok(Err(ItemOutcome::Failed(Problem::new("internal", "the item names no asset and version"))));
        };
        let state = context.table.asset_manager(item.app).await?;
        let iconik = match context.connections.get(item.app, settings).await {
            Ok(iconik) => iconik,
            Err(error) => return Ok(Err(ItemOutcome::Failed(Problem::new("access_denied", error.to_string())))),
        };
        let asset_job = job.asset_job.as_ref().and_then(|it| it.parse().ok());
        let mut work = Self { iconik, settings: settings.clone(), state, asset, version, job: asset_job };
        if let Some(asset_job) = asset_job {
            // what is collected was shown as analysed before
            let (percent, text) = match job.state {
                JobState::Collecting => (80, "analysed".to_owned()),
                _ => (0, format!("attempt {}", job.attempts())),
            };
            return match work.iconik.job_progress(asset_job, percent, &text).await {
                Ok(JobControl::Continue) => Ok(Ok(work)),
                Ok(JobControl::Abort) => Ok(Err(aborted_outcome())),
                Err(error) => work.outcome_of(context, item, error).await.map(Err),
            };
        }
        let title = format!("{}: {}", job.processor.name(), item.display_name());
        match work.iconik.start_job(asset, job.processor.name(), &title, &item.id.to_string()).await {
            Ok(asset_job) => {
                work.job = Some(asset_job);
                if context.table.put_asset_job(item, job.hold(), &asset_job.to_string()).await? {
                    // as the row is now
                    item.revision += 1;
                    let own = item.jobs.iter_mut().filter(|it| it.processor == job.processor);
                    own.for_each(|it| it.asset_job = Some(asset_job.to_string()));
                }
            }
            // a job only shows the work: a user without the right to create one still gets the results
            Err(IconikError::Response { status: 400..=499, text }) => {
                tracing::warn!(item.id = %item.id, "Iconik takes no job for {}: {text}", item.display_name());
            }
            Err(error) => return work.outcome_of(context, item, error).await.map(Err),
        }
        Ok(Ok(work))
    }

    /// Fetches the asset's media into a file. Returns its SHA-256, in hex.
    pub(crate) async fn fetch(
        &self,
        context: &Context,
        item: &Item,
        file: &Path,
    ) -> Result<Result<String, ItemOutcome>, MessageError> {
        let media = match self.iconik.choose_source(self.asset, self.version, &item.media_type).await {
            Ok(SourceChoice::Fetch(media)) => media,
            Ok(SourceChoice::Wait) => {
                return Ok(Err(ItemOutcome::RetryLater(Problem::new(
                    "media_unreadable",
                    "the media is not there (any more)",
                ))));
            }
            Err(error) => return self.outcome_of(context, item, error).await.map(Err),
        };
        let sha256 = match self.iconik.fetch(self.asset, media, file).await {
            Ok(sha256) => sha256,
            Err(FetchError::Iconik(error)) => return self.outcome_of(context, item, error).await.map(Err),
            Err(error @ FetchError::Refused(_)) => {
                return Ok(Err(ItemOutcome::Failed(Problem::new("access_denied", error.to_string()))));
            }
            Err(error @ FetchError::TooLarge) => {
                return Ok(Err(ItemOutcome::RetryLater(Problem::new("too_large", error.to_string()))));
            }
            Err(error @ FetchError::Disk(_)) => {
                return Ok(Err(ItemOutcome::RetryLater(Problem::new("internal", error.to_string()))));
            }
        };
        let reported = self.report_progress(context, item, 20, "fetched").await?;
        Ok(reported.map(|()| sha256))
    }

    /// Writes the results to the asset (segments, metadata fields, a history entry), then finishes the job.
    pub(crate) async fn write_back(
        &self,
        context: &Context,
        item: &Item,
        processor: ProcessorKind,
        document: &ResultDocument,
        results: &ResultSummary,
    ) -> Result<Result<(), ItemOutcome>, MessageError> {
        if let Err(outcome) = self.report_progress(context, item, 80, "analysed").await? {
            return Ok(Err(outcome));
        }
        let written = async {
            let track = processor.name();
            self.iconik.replace_segments(self.asset, self.version, track, &document_segments(document)).await?;
            if let Some(view) = self.settings.iconik_metadata_view.as_ref().and_then(|it| it.parse().ok()) {
                let mut fields = vec![("AI_Status", json!("Done")), ("AI_Processor", json!(track))];
                if processor == ProcessorKind::FacialRecognition {
                    fields.push(("AI_Faces", json!(results.faces)));
                }
                self.iconik.put_metadata(self.asset, self.version, view, &fields).await?;
            }
            let text = match processor {
                ProcessorKind::FacialRecognition => format!("{track}: {} found", results.faces),
                ProcessorKind::ObjectDetection => format!("{track}: {} found", results.objects),
                ProcessorKind::AutoTranslation => format!("{track}: {} cues", results.cues),
            };
            match self.iconik.put_history(self.asset, "FACE_RECOGNITION", &text, self.job).await {
                Ok(()) => {}
                // the history entry is informative: a retry for it alone would write the other results twice
                Err(IconikError::Unauthorized(reason)) => return Err(IconikError::Unauthorized(reason)),
                Err(error) => {
                    tracing::warn!(item.id = %item.id, "no history entry for {}: {error}", item.display_name())
                }
            }
            match self.job {
                Some(job) => self.iconik.end_job(job, status(ItemStatus::Completed), None).await,
                None => Ok(()),
            }
        };
        match written.await {
            Ok(()) => Ok(Ok(())),
            Err(error @ IconikError::Response { status: 400..=499, .. }) => {
                Ok(Err(ItemOutcome::Failed(Problem::new("write_back_failed", error.to_string()))))
            }
            Err(error) => self.outcome_of(context, item, error).await.map(Err),
        }
    }

    async fn report_progress(
        &self,
        context: &Context,
        item: &Item,
        percent: u8,
        text: &str,
    ) -> Result<Result<(), ItemOutcome>, MessageError> {
        let Some(job) = self.job else { return Ok(Ok(())) };
        match self.iconik.job_progress(job, percent, text).await {
            Ok(JobControl::Continue) => Ok(Ok(())),
            Ok(JobControl::Abort) => Ok(Err(aborted_outcome())),
            Err(error) => self.outcome_of(context, item, error).await.map(Err),
        }
    }

    /// What an Iconik error means for the item. Refused credentials block the application's connection until they are
    /// changed.
    async fn outcome_of(
        &self,
        context: &Context,
        item: &Item,
        error: IconikError,
    ) -> Result<ItemOutcome, MessageError> {
        match error {
            IconikError::Unauthorized(reason) => {
                block(&context.table, item.app, &self.state, &reason, clock::now()).await?;
                Ok(ItemOutcome::Postponed(Problem::new(
                    "postponed",
                    format!("Iconik refuses the credentials: {reason}"),
                )))
            }
            IconikError::RateLimited(_) => Ok(ItemOutcome::Postponed(Problem::new("postponed", error.to_string()))),
            IconikError::NotFound => {
                Ok(ItemOutcome::Failed(Problem::new("media_unreadable", "the asset is gone from Iconik")))
            }
            error if error.is_transient() => Ok(ItemOutcome::RetryLater(Problem::new("internal", error.to_string()))),
            error => Ok(ItemOutcome::Failed(Problem::new("access_denied", error.to_string()))),
        }
    }
}

/// Closes the Iconik job of a job that ends without results, so that it does not stay open in Iconik.
pub(crate) async fn close_job(context: &Context, settings: &Arc<Settings>, item: &Item, ended: &Job) {
    let Some(job) = ended.asset_job.as_ref().and_then(|it| it.parse().ok()) else { return };
    let reason = ended.error.as_ref().map(|it| it.message.as_str());
    let aborted = ended.error.as_ref().is_some_and(|it| it.code == ABORTED);
    let status = status(ended.state.item_status());
    let closed = match context.connections.get(item.app, settings).await {
        Ok(iconik) => iconik.end_job(job, if aborted { "ABORTED" } else { status }, reason).await,
        Err(error) => Err(error),
    };
    if let Err(error) = closed {
        tracing::warn!(item.id = %item.id, "the job of {} stays open in Iconik: {error}", item.display_name());
    }
}

fn aborted_outcome() -> ItemOutcome {
    ItemOutcome::Skipped(Problem::new(ABORTED, "its job was aborted in Iconik"))
}

/// One segment for each time range of each track. A still has no ranges, and so no segments.
fn document_segments(document: &ResultDocument) -> Vec<Segment> {
    let mut all = Vec::new();
    for (number, track) in document.tracks.iter().enumerate() {
        for range in &track.ranges {
            all.push(Segment {
                text: format!("{} {} ({:.2})", track.label, number + 1, range.confidence),
                start_ms: range.start_ms,
                end_ms: range.end_ms,
            });
        }
    }
    all
}
