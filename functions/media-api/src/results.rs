//! `/api/v1/Media/Items/{id}/Results/{processor}` and `/api/v1/Media/Items/{id}/Subtitles/{file}`: a processor's result in
//! pages, and its subtitles as files.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::cursor;
use domain::item::{Item, ResultSummary};
use domain::job::Job;
use domain::result::{ResultDocument, Sample, TimeRange, Track};
use domain::transcript::{Cue, Subtitle, SubtitleFormat};
use entry::http::auth::Caller;
use entry::http::{Problem, ProblemType, QueryParams};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::context::Context;
use crate::item::{find, read_object};
use crate::processors;

/// Entries of a page, by default and at most: Lambda answers with 6 MB.
const DEFAULT_LIMIT: usize = 1_000;
const MAX_LIMIT: usize = 10_000;

/// The part of a result that is wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResultParameters {
    /// With the boxes: the samples of each track. By default `true`
    boxes: Option<bool>,
    /// Only what was seen or said at or after this time, in milliseconds from the start of the media
    from: Option<u64>,
    /// Only what was seen or said at or before this time, in milliseconds
    to: Option<u64>,
    /// Entries of a page: tracks, boxes and cues; 1 to 10000, by default 1000
    limit: Option<usize>,
    /// The `next` of the previous page
    cursor: Option<String>,
}

/// A page of a processor's result.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResultOut {
    item: String,
    processor: String,
    job_id: String,
    /// `embedded`, `aws` or `external`
    backend: String,
    /// `production`, `gist` or `demo`
    quality: String,
    #[schema(value_type = Vec<Object>)]
    models: Vec<Value>,
    /// Properties of the media and of its analysis
    #[schema(value_type = Object)]
    media: Value,
    /// `id`, `type`, `label`, `person` (a possible match, or null), `ranges` and, with `boxes`, `samples`. A track that is
    /// continued from the previous page has its `id` and `ranges` again.
    #[schema(value_type = Vec<Object>)]
    tracks: Vec<Track>,
    /// The spoken language, and its cues: `i`, `s` and `e` (milliseconds), `text`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    transcript: Option<Value>,
    subtitles: Vec<SubtitleOut>,
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Value>,
    /// Send it as `cursor` to get the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A subtitle file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubtitleOut {
    language: String,
    /// The spoken language; null if these are its own subtitles
    translated_from: Option<String>,
    /// `vtt` or `srt`
    format: String,
    /// Written by a machine
    machine: bool,
    /// The path of the file
    url: String,
}

impl SubtitleOut {
    fn new(item: &Item, subtitle: &Subtitle) -> Self {
        let format = subtitle.format.extension();
        Self {
            language: subtitle.language.clone(),
            translated_from: subtitle.translated_from.clone(),
            format: format.to_owned(),
            machine: subtitle.machine,
            url: format!("/api/v1/Media/Items/{}/Subtitles/{}.{format}", item.id, subtitle.language),
        }
    }
}

/// A part of a result.
struct Part {
    boxes: bool,
    from: u64,
    to: u64,
    offset: usize,
    limit: usize,
}

impl Part {
    fn new(wanted: &ResultParameters) -> Result<Self, Problem> {
        let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::invalid("limit", format!("1 to {MAX_LIMIT}")));
        }
        let offset = wanted.cursor.as_deref().map(cursor::decode::<usize>).transpose();
        let offset = offset.map_err(|it| Problem::invalid("cursor", it.to_string()))?.unwrap_or(0);
        let (from, to) = (wanted.from.unwrap_or(0), wanted.to.unwrap_or(u64::MAX));
        Ok(Self { boxes: wanted.boxes.unwrap_or(true), from, to, offset, limit })
    }

    fn overlaps(&self, start: u64, end: u64) -> bool {
        start <= self.to && end >= self.from
    }

    /// The tracks and cues of the part, and the offset of the next page. A track counts as one entry, and each of its
    /// samples as one more.
    fn cut(&self, document: &ResultDocument) -> (Vec<Track>, Vec<Cue>, Option<usize>) {
        let (mut position, end) = (0, self.offset.saturating_add(self.limit));
        let mut take = || {
            position += 1;
            (self.offset..end).contains(&(position - 1))
        };
        let mut tracks = Vec::new();
        for track in &document.tracks {
            let ranges = track.ranges.iter().filter(|it| self.overlaps(it.start_ms, it.end_ms));
            let ranges: Vec<TimeRange> = ranges.cloned().collect();
            let samples = track.samples.iter().filter(|it| self.overlaps(it.t_ms, it.t_ms));
            let mut samples: Vec<Sample> = samples.copied().collect();
            if ranges.is_empty() && samples.is_empty() {
                continue;
            }
            let is_first = take();
            samples.retain(|_| self.boxes && take());
            if is_first || !samples.is_empty() {
                let (id, kind, label) = (track.id.clone(), track.kind.clone(), track.label.clone());
                tracks.push(Track { id, kind, label, person: track.person.clone(), ranges, samples });
            }
        }
        let cues = document.transcript.iter().flat_map(|it| &it.cues);
        let cues = cues.filter(|it| self.overlaps(it.start_ms, it.end_ms)).filter(|_| take());
        let cues: Vec<Cue> = cues.cloned().collect();
        (tracks, cues, (position > end).then_some(end))
    }
}

/// A processor's result, in pages: tracks with their ranges and boxes, and the transcript.
#[utoipa::path(get, path = "/api/v1/Media/Items/{id}/Results/{processor}", tag = "Items", security(("keys" = [])),
    params(("id" = String, Path), ("processor" = String, Path), ResultParameters),
    responses((status = 200, body = ResultOut), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn get(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((id, processor)): Path<(String, String)>,
    QueryParams(wanted): QueryParams<ResultParameters>,
) -> Result<Json<ResultOut>, Problem> {
    let item = find(&context, app, &id).await?;
    let (job, results) = result_of(&item, &processor)?;
    let part = Part::new(&wanted)?;
    let document = read_object(&context, &results.document).await?.ok_or_else(none)?;
    let document: ResultDocument = serde_json::from_slice(&document)?;
    let (tracks, cues, next) = part.cut(&document);
    let transcript = document
        .transcript
        .as_ref()
        .map(|it| json!({ "language": it.language, "languageConfidence": it.language_confidence, "cues": cues }));
    let values = |list: Value| list.as_array().cloned().unwrap_or_default();
    Ok(Json(ResultOut {
        item: item.id.to_string(),
        processor: job.processor.name().to_owned(),
        job_id: item.job_id(job.processor).to_string(),
        backend: document.producer.backend,
        quality: document.producer.quality,
        models: values(json!(document.producer.models)),
        media: json!(document.media),
        tracks,
        transcript,
        subtitles: document.subtitles.iter().map(|it| SubtitleOut::new(&item, it)).collect(),
        warnings: values(json!(document.warnings)),
        next: next.map(|it| cursor::encode(&it)),
    }))
}

/// Subtitles as a file: `es.vtt` (WebVTT) or `es.srt` (SubRip), by the language and the format of the result's `subtitles`.
#[utoipa::path(get, path = "/api/v1/Media/Items/{id}/Subtitles/{file}", tag = "Items", security(("keys" = [])),
    params(("id" = String, Path), ("file" = String, Path)),
    responses((status = 200, content_type = "text/vtt", body = String), (status = 404, body = Problem)))]
pub(crate) async fn subtitles(
    State(context): State<Context>,
    Caller(app): Caller,
    Path((id, file)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let item = find(&context, app, &id).await?;
    let none = || Problem::new(ProblemType::NoResult, "the item has no such subtitles");
    let (language, extension) = file.rsplit_once('.').ok_or_else(none)?;
    let format = SubtitleFormat::ALL.into_iter().find(|it| it.extension() == extension).ok_or_else(none)?;
    let mut summaries = item.all_jobs().filter_map(|it| it.results);
    let results = summaries.find(|it| it.languages.iter().any(|it| it == language)).ok_or_else(none)?;
    let folder = results.document.rsplit_once('/').map_or("", |it| it.0);
    let bytes = read_object(&context, &format!("{folder}/{language}.{extension}")).await?.ok_or_else(none)?;
    let headers = [(header::CONTENT_TYPE, format.media_type()), (header::CACHE_CONTROL, "private, max-age=60")];
    Ok((headers, bytes).into_response())
}

pub(crate) fn none() -> Problem {
    Problem::new(ProblemType::NoResult, "the item has no result of this processor")
}

/// The job of a processor that has a result.
fn result_of(item: &Item, processor: &str) -> Result<(Job, ResultSummary), Problem> {
    let job = item.job(processors::kind("processor", processor)?);
    let results = job.results.clone().filter(|_| item.processor.contains(job.processor)).ok_or_else(none)?;
    Ok((job, results))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> ResultDocument {
        let sample =
            |t: u64| json!({ "t_ms": t, "box": { "x": 0.1, "y": 0.1, "w": 0.2, "h": 0.2 }, "confidence": 0.5 });
        let track = |id: &str, from: u64| {
            json!({
                "id": id, "type": "object", "label": "cat", "person": null,
                "ranges": [{ "start_ms": from, "end_ms": from + 1_500, "confidence": 0.5 }],
                "samples": [sample(from), sample(from + 500), sample(from + 1_000)],
            })
        };
        let document = json!({
            "schema": "processor-result/1", "job_id": "j", "asset": { "id": "i", "version": "v", "sha256": "" },
            "producer": { "kind": "object_detection", "backend": "external", "models": [], "quality": "demo" },
            "media": {}, "tracks": [track("t1", 0), track("t2", 5_000)], "warnings": [],
            "transcript": { "language": "en-US", "cues": [{ "i": 1, "s": 0, "e": 900, "text": "a" }] },
        });
        serde_json::from_value(document).unwrap()
    }

    fn part(offset: usize, limit: usize) -> Part {
        Part { boxes: true, from: 0, to: u64::MAX, offset, limit }
    }

    #[test]
    fn pages_hold_everything_once() {
        for limit in 1..12 {
            let (mut samples, mut cues, mut offset, mut pages) = (0, 0, Some(0), 0);
            while let Some(at) = offset {
                let (tracks, said, next) = part(at, limit).cut(&document());
                samples += tracks.iter().map(|it| it.samples.len()).sum::<usize>();
                (cues, offset, pages) = (cues + said.len(), next, pages + 1);
            }
            assert_eq!((samples, cues, pages), (6, 1, 9_usize.div_ceil(limit)), "{limit}");
        }
    }

    #[test]
    fn a_time_window_holds_what_overlaps_it() {
        let window = |from, to| {
            let (tracks, cues, _) = Part { from, to, ..part(0, 100) }.cut(&document());
            let tracks: Vec<(String, usize)> = tracks.into_iter().map(|it| (it.id, it.samples.len())).collect();
            (tracks, cues.len())
        };
        assert_eq!(window(900, 1_200), (vec![("t1".to_owned(), 1)], 1));
        assert_eq!(window(5_400, 9_000), (vec![("t2".to_owned(), 2)], 0));
        assert_eq!(window(2_000, 4_000), (vec![], 0));
        let without = Part { boxes: false, ..part(0, 100) }.cut(&document());
        assert!(without.0.iter().all(|it| it.samples.is_empty()) && without.0.len() == 2);
    }
}
