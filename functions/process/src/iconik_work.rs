//! The work on an asset, as Iconik sees it: a job, the media, the results.

use std::path::Path;
use std::sync::Arc;

use domain::item::{Item, Problem, Results, Status};
use domain::manager::State;
use domain::result::Document;
use domain::settings::Settings;
use entry::{Failure, clock};
use iconik::choice::Choice;
use iconik::download::FetchError;
use iconik::job::{Wish, status};
use iconik::segments::Segment;
use iconik::{Iconik, IconikError, block};
use serde_json::json;
use uuid::Uuid;

use crate::handler::Parts;
use crate::pipeline::End;

/// An asset that is being worked on.
pub(crate) struct IconikWork {
    iconik: Arc<Iconik>,
    settings: Arc<Settings>,
    state: State,
    asset: Uuid,
    version: Uuid,
    job: Option<Uuid>,
}

impl IconikWork {
    /// Opens the connection and makes the job, or moves on the one that an earlier attempt made.
    pub(crate) async fn begin(
        parts: &Parts,
        settings: &Arc<Settings>,
        item: &mut Item,
    ) -> Result<Result<Self, End>, Failure> {
        let (Ok(asset), Ok(version)) = (item.key.parse(), item.version.parse()) else {
            return Ok(Err(End::Fail(Problem::new("internal", "the item names no asset and version"))));
        };
        let state = parts.table.manager(item.app).await?;
        let iconik = match parts.connections.of(item.app, settings).await {
            Ok(it) => it,
            Err(error) => return Ok(Err(End::Fail(Problem::new("access_denied", error.to_string())))),
        };
        let job = item.job.as_ref().and_then(|it| it.parse().ok());
        let mut work = Self { iconik, settings: settings.clone(), state, asset, version, job };
        if let Some(job) = job {
            return match work.iconik.job_progress(job, 0, &format!("attempt {}", item.attempts)).await {
                Ok(Wish::GoOn) => Ok(Ok(work)),
                Ok(Wish::Abort) => Ok(Err(aborted())),
                Err(error) => work.ended(parts, item, error).await.map(Err),
            };
        }
        let title = format!("{}: {}", item.processor.name(), item.name());
        match work.iconik.start_job(asset, item.processor.name(), &title, &item.id.to_string()).await {
            Ok(job) => {
                item.job = Some(job.to_string());
                work.job = Some(job);
                parts.table.put_job(item, &job.to_string()).await?;
            }
            // a job shows the work; a user that may not make one still gets the results
            Err(IconikError::Answer { status: 400..=499, text }) => {
                tracing::warn!(item.id = %item.id, "Iconik takes no job for {}: {text}", item.name());
            }
            Err(error) => return work.ended(parts, item, error).await.map(Err),
        }
        Ok(Ok(work))
    }

    /// Fetches the asset's media as it is now.
    pub(crate) async fn fetch(&self, parts: &Parts, item: &Item, file: &Path) -> Result<Result<String, End>, Failure> {
        let media = match self.iconik.media(self.asset, self.version, &item.media_type).await {
            Ok(Choice::Fetch(media)) => media,
            Ok(Choice::Wait) => {
                return Ok(Err(End::Again(Problem::new("media_unreadable", "the media is not there (any more)"))));
            }
            Err(error) => return self.ended(parts, item, error).await.map(Err),
        };
        let sha256 = match self.iconik.fetch(self.asset, media, file).await {
            Ok(sha256) => sha256,
            Err(FetchError::Iconik(error)) => return self.ended(parts, item, error).await.map(Err),
            Err(error @ FetchError::Refused(_)) => {
                return Ok(Err(End::Fail(Problem::new("access_denied", error.to_string()))));
            }
            Err(error @ FetchError::Grown) => return Ok(Err(End::Again(Problem::new("too_large", error.to_string())))),
            Err(error @ FetchError::Disk(_)) => {
                return Ok(Err(End::Again(Problem::new("internal", error.to_string()))));
            }
        };
        self.progress(parts, item, 20, "fetched").await.map(|it| it.map(|()| sha256))
    }

    /// Writes the results: segments, metadata, a line of history; then the job is done.
    pub(crate) async fn write_back(
        &self,
        parts: &Parts,
        item: &Item,
        document: &Document,
        results: &Results,
    ) -> Result<Result<(), End>, Failure> {
        if let Err(end) = self.progress(parts, item, 80, "analysed").await? {
            return Ok(Err(end));
        }
        let written = async {
            let track = item.processor.name();
            self.iconik.replace_segments(self.asset, self.version, track, &segments(document)).await?;
            if let Some(view) = self.settings.iconik_metadata_view.as_ref().and_then(|it| it.parse().ok()) {
                let fields =
                    [("AI_Status", json!("Done")), ("AI_Processor", json!(track)), ("AI_Faces", json!(results.faces))];
                self.iconik.put_metadata(self.asset, self.version, view, &fields).await?;
            }
            let text = format!("{track}: {} found", results.faces);
            match self.iconik.put_history(self.asset, "FACE_RECOGNITION", &text, self.job).await {
                Ok(()) => {}
                // nobody's results depend on the line, and a second one would be a lie
                Err(IconikError::Unauthorized(why)) => return Err(IconikError::Unauthorized(why)),
                Err(error) => tracing::warn!(item.id = %item.id, "no line of history for {}: {error}", item.name()),
            }
            match self.job {
                Some(job) => self.iconik.end_job(job, status(Status::Completed), None).await,
                None => Ok(()),
            }
        };
        match written.await {
            Ok(()) => Ok(Ok(())),
            Err(error @ IconikError::Answer { status: 400..=499, .. }) => {
                Ok(Err(End::Fail(Problem::new("write_back_failed", error.to_string()))))
            }
            Err(error) => self.ended(parts, item, error).await.map(Err),
        }
    }

    async fn progress(&self, parts: &Parts, item: &Item, percent: u8, text: &str) -> Result<Result<(), End>, Failure> {
        let Some(job) = self.job else { return Ok(Ok(())) };
        match self.iconik.job_progress(job, percent, text).await {
            Ok(Wish::GoOn) => Ok(Ok(())),
            Ok(Wish::Abort) => Ok(Err(aborted())),
            Err(error) => self.ended(parts, item, error).await.map(Err),
        }
    }

    /// What an error of Iconik's means for the item.
    async fn ended(&self, parts: &Parts, item: &Item, error: IconikError) -> Result<End, Failure> {
        match error {
            IconikError::Unauthorized(why) => {
                block(&parts.table, item.app, &self.state, &why, clock::now()).await?;
                Ok(End::Postpone(Problem::new("postponed", format!("Iconik refuses the credentials: {why}"))))
            }
            IconikError::Busy(_) => Ok(End::Postpone(Problem::new("postponed", error.to_string()))),
            IconikError::NotFound => Ok(End::Fail(Problem::new("media_unreadable", "the asset is gone from Iconik"))),
            error if error.passes() => Ok(End::Again(Problem::new("internal", error.to_string()))),
            error => Ok(End::Fail(Problem::new("access_denied", error.to_string()))),
        }
    }
}

/// Ends the job of an item that comes to an end without results, so that nobody at Iconik waits for it.
pub(crate) async fn close_job(parts: &Parts, settings: &Arc<Settings>, item: &Item) {
    let Some(job) = item.job.as_ref().and_then(|it| it.parse().ok()) else { return };
    let why = item.error.as_ref().map(|it| it.message.as_str());
    let (aborted, status) = (item.error.as_ref().is_some_and(|it| it.code == "aborted"), status(item.status));
    let closed = match parts.connections.of(item.app, settings).await {
        Ok(iconik) => iconik.end_job(job, if aborted { "ABORTED" } else { status }, why).await,
        Err(error) => Err(error),
    };
    if let Err(error) = closed {
        tracing::warn!(item.id = %item.id, "the job of {} stays open in Iconik: {error}", item.name());
    }
}

fn aborted() -> End {
    End::Skip(Problem::new("aborted", "its job was aborted in Iconik"))
}

/// A segment for each time that each face was seen; a still has no time, and so no segment.
fn segments(document: &Document) -> Vec<Segment> {
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
