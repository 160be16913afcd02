//! A result document as an external processor sends it (processors, sections 3.4 and 5.6): read, checked, clamped, sorted.
//! Nothing in it is trusted; unknown members are dropped.

use serde::Deserialize;

use crate::JobId;
use crate::result::{BoundingBox, MediaInfo, Model, SCHEMA, Sample, TimeRange, Track, Warning};
use crate::transcript::{Cue, SpokenWord, Transcript};

/// The most characters of a label and of a model's id (section 3.4).
const MAX_NAME: usize = 200;
const MAX_MODELS: usize = 32;
/// The most languages of subtitles: each is two files, and the item's row names it.
const MAX_SUBTITLES: usize = 100;
/// What lies later than the media's duration plus this is dropped (section 3.4).
const MAX_BEHIND_END_MS: u64 = 1_000;

/// A document that breaks the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct InvalidResult {
    /// The first place that breaks it, such as `tracks[0].label`.
    pub place: String,
    pub reason: String,
}

/// What a result says. `asset`, `producer.kind` and `producer.backend` are ours to add.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedResult {
    pub models: Vec<Model>,
    /// `production`, `gist` or `demo`.
    pub quality: String,
    pub media: MediaInfo,
    pub tracks: Vec<Track>,
    pub transcript: Option<Transcript>,
    pub subtitles: Vec<Translation>,
    pub warnings: Vec<Warning>,
}

/// Subtitles in one language, as cues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    pub language: String,
    pub translated_from: Option<String>,
    pub cues: Vec<Cue>,
}

#[derive(Deserialize)]
struct Document {
    schema: String,
    job_id: String,
    producer: ProducerIn,
    media: MediaIn,
    #[serde(default)]
    tracks: Vec<TrackIn>,
    #[serde(default)]
    transcript: Option<Transcript>,
    #[serde(default)]
    subtitles: Vec<SubtitleIn>,
    warnings: Vec<Warning>,
}

#[derive(Deserialize)]
struct ProducerIn {
    models: Vec<ModelIn>,
    quality: Quality,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Quality {
    Production,
    Gist,
    Demo,
}

#[derive(Deserialize)]
struct ModelIn {
    id: String,
    #[serde(default)]
    sha256: Option<String>,
}

#[derive(Deserialize)]
struct MediaIn {
    #[serde(default)]
    duration_ms: Option<u64>,
    #[serde(default)]
    width: Option<u32>,
    #[serde(default)]
    height: Option<u32>,
    #[serde(default)]
    sample_fps: Option<f32>,
}

#[derive(Deserialize)]
struct TrackIn {
    id: String,
    #[serde(rename = "type")]
    kind: TrackType,
    label: String,
    #[serde(default)]
    person: Option<PersonIn>,
    #[serde(default)]
    ranges: Vec<RangeIn>,
    samples: Vec<SampleIn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum TrackType {
    Face,
    Object,
}

#[derive(Deserialize)]
struct PersonIn {
    collection: String,
    id: String,
    similarity: f64,
}

#[derive(Deserialize)]
struct RangeIn {
    start_ms: u64,
    end_ms: u64,
    confidence: f64,
}

#[derive(Deserialize)]
struct SampleIn {
    t_ms: u64,
    #[serde(default, rename = "box")]
    area: Option<BoundingBox>,
    confidence: f64,
}

#[derive(Deserialize)]
struct SubtitleIn {
    language: String,
    #[serde(default)]
    translated_from: Option<String>,
    #[serde(rename = "machine")]
    _machine: bool,
    #[serde(default)]
    cues: Vec<Cue>,
}

/// Reads and checks the document of a job.
///
/// # Errors
/// The first place that breaks the schema or names another job.
pub fn parse(bytes: &[u8], job: JobId) -> Result<ReceivedResult, InvalidResult> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let document: Document = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let place = error.path().to_string();
        InvalidResult {
            place: if place == "." { "the document".to_owned() } else { place },
            reason: error.inner().to_string(),
        }
    })?;
    json.end().map_err(|error| invalid("the document", error.to_string()))?;
    if document.schema != SCHEMA {
        return Err(invalid("schema", format!("it is not `{SCHEMA}`")));
    }
    if document.job_id.parse::<JobId>() != Ok(job) {
        return Err(invalid("job_id", "it is not this job's"));
    }
    let media = media(&document.media)?;
    let end = media.duration_ms.map_or(u64::MAX, |it| it.saturating_add(MAX_BEHIND_END_MS));
    let tracks =
        document.tracks.into_iter().enumerate().map(|(index, it)| track(index, it, end)).collect::<Result<_, _>>()?;
    let transcript = document.transcript.map(|it| transcript(it, end)).transpose()?;
    if document.subtitles.len() > MAX_SUBTITLES {
        return Err(invalid("subtitles", format!("more than {MAX_SUBTITLES}")));
    }
    let subtitles = document.subtitles.into_iter().enumerate();
    let subtitles = subtitles.map(|(index, it)| translation(index, it, end)).collect::<Result<_, _>>()?;
    Ok(ReceivedResult {
        models: models(document.producer.models)?,
        quality: match document.producer.quality {
            Quality::Production => "production",
            Quality::Gist => "gist",
            Quality::Demo => "demo",
        }
        .to_owned(),
        media,
        tracks,
        transcript,
        subtitles,
        warnings: document.warnings,
    })
}

fn invalid(place: impl Into<String>, reason: impl Into<String>) -> InvalidResult {
    InvalidResult { place: place.into(), reason: reason.into() }
}

fn fraction(place: String, value: f64) -> Result<f64, InvalidResult> {
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(invalid(place, "it is not between 0 and 1")) }
}

fn models(models: Vec<ModelIn>) -> Result<Vec<Model>, InvalidResult> {
    if models.len() > MAX_MODELS {
        return Err(invalid("producer.models", format!("more than {MAX_MODELS}")));
    }
    let model = |(index, model): (usize, ModelIn)| {
        let is_hash = |it: &String| it.len() == 64 && it.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        if model.id.chars().count() > MAX_NAME {
            return Err(invalid(format!("producer.models[{index}].id"), format!("more than {MAX_NAME} characters")));
        }
        if model.sha256.as_ref().is_some_and(|it| !is_hash(it)) {
            return Err(invalid(format!("producer.models[{index}].sha256"), "no SHA-256 in lower-case hex"));
        }
        Ok(Model { id: model.id, sha256: model.sha256 })
    };
    models.into_iter().enumerate().map(model).collect()
}

fn media(media: &MediaIn) -> Result<MediaInfo, InvalidResult> {
    if media.width == Some(0) || media.height == Some(0) {
        return Err(invalid("media", "a width or height of 0"));
    }
    if media.sample_fps.is_some_and(|it| it <= 0.0) {
        return Err(invalid("media.sample_fps", "it is not above 0"));
    }
    Ok(MediaInfo {
        duration_ms: media.duration_ms,
        width: media.width,
        height: media.height,
        sample_fps: media.sample_fps,
        ..MediaInfo::default()
    })
}

fn track(index: usize, track: TrackIn, end: u64) -> Result<Track, InvalidResult> {
    let at = |member: &str| format!("tracks[{index}].{member}");
    if track.label.chars().count() > MAX_NAME {
        return Err(invalid(at("label"), format!("more than {MAX_NAME} characters")));
    }
    let person = match track.person {
        Some(person) => {
            let similarity = fraction(at("person.similarity"), person.similarity)?;
            Some(serde_json::json!({ "collection": person.collection, "id": person.id, "similarity": similarity }))
        }
        None => None,
    };
    let mut ranges = Vec::new();
    for (number, range) in track.ranges.into_iter().enumerate() {
        let confidence = fraction(at(&format!("ranges[{number}].confidence")), range.confidence)?;
        if range.start_ms <= range.end_ms && range.start_ms <= end {
            let (start_ms, end_ms) = (range.start_ms, range.end_ms.min(end));
            ranges.push(TimeRange { start_ms, end_ms, confidence, ..TimeRange::default() });
        }
    }
    ranges.sort_by_key(|it| (it.start_ms, it.end_ms));
    let mut samples = Vec::new();
    for (number, sample) in track.samples.into_iter().enumerate() {
        let confidence = fraction(at(&format!("samples[{number}].confidence")), sample.confidence)?;
        // a box outside of the picture is dropped with its sample; without a box the sample stays (section 3.4)
        let area = sample.area.map_or(Some(BoundingBox::EMPTY), BoundingBox::clamped);
        if let Some(bounding_box) = area.filter(|_| sample.t_ms <= end) {
            samples.push(Sample { t_ms: sample.t_ms, bounding_box, confidence });
        }
    }
    samples.sort_by_key(|it| it.t_ms);
    let (kind, label) = match track.kind {
        TrackType::Face => ("face", "face".to_owned()),
        TrackType::Object => ("object", track.label.to_lowercase()),
    };
    Ok(Track { id: track.id, kind: kind.to_owned(), label, person, ranges, samples })
}

fn transcript(transcript: Transcript, end: u64) -> Result<Transcript, InvalidResult> {
    let language = language("transcript.language", transcript.language)?;
    if let Some(confidence) = transcript.language_confidence {
        fraction("transcript.language_confidence".to_owned(), confidence)?;
    }
    let mut words = Vec::new();
    for (index, word) in transcript.words.into_iter().enumerate() {
        if let Some(confidence) = word.confidence {
            fraction(format!("transcript.words[{index}].c"), confidence)?;
        }
        if word.start_ms <= word.end_ms && word.start_ms <= end {
            words.push(word);
        }
    }
    words.sort_by_key(|it: &SpokenWord| it.start_ms);
    let cues = cues(transcript.cues, end);
    Ok(Transcript { language, language_confidence: transcript.language_confidence, words, cues })
}

fn translation(index: usize, subtitle: SubtitleIn, end: u64) -> Result<Translation, InvalidResult> {
    let language = language(&format!("subtitles[{index}].language"), subtitle.language)?;
    let translated_from = match subtitle.translated_from {
        Some(it) => Some(self::language(&format!("subtitles[{index}].translated_from"), it)?),
        None => None,
    };
    Ok(Translation { language, translated_from, cues: cues(subtitle.cues, end) })
}

/// A language tag (RFC 5646): it becomes part of a file's name.
fn language(place: &str, tag: String) -> Result<String, InvalidResult> {
    let plain = tag.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    let good = plain && (2..=35).contains(&tag.len()) && tag.as_bytes()[0].is_ascii_alphabetic();
    if good { Ok(tag) } else { Err(invalid(place, "no language tag such as `en-US`")) }
}

/// The cues that lie within the media, by time, numbered from 1.
fn cues(mut cues: Vec<Cue>, end: u64) -> Vec<Cue> {
    cues.retain(|it| it.start_ms <= it.end_ms && it.start_ms <= end);
    cues.sort_by_key(|it| (it.start_ms, it.end_ms));
    for (number, cue) in (1..).zip(&mut cues) {
        cue.number = number;
    }
    cues
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::processor::ProcessorKind;
    use crate::{AppId, ItemId};

    fn job() -> JobId {
        let app = AppId::random([7; 16]);
        JobId::of(app, ItemId::of(app, &["a"]), ProcessorKind::ObjectDetection)
    }

    fn document() -> Value {
        json!({
            "schema": SCHEMA, "job_id": job().to_string(), "producer": { "models": [{ "id": "m" }], "quality": "demo" },
            "media": { "duration_ms": 14_000 }, "warnings": [], "new": 1,
            "tracks": [{
                "id": "t1", "type": "object", "label": "Cat", "ranges": [{ "start_ms": 8_000, "end_ms": 99_000, "confidence": 0.5 }],
                "samples": [
                    { "t_ms": 9_000, "box": { "x": -0.1, "y": 0.5, "w": 0.3, "h": 0.9 }, "confidence": 0.4 },
                    { "t_ms": 8_000, "box": null, "confidence": 0.5 },
                    { "t_ms": 8_500, "box": { "x": 1.5, "y": 0.5, "w": 0.3, "h": 0.9 }, "confidence": 0.4 },
                    { "t_ms": 15_001, "confidence": 0.4 },
                ],
            }],
            "transcript": { "language": "en-US", "cues": [
                { "i": 7, "s": 900, "e": 1_000, "text": "b" }, { "i": 1, "s": 100, "e": 200, "text": "a" }, { "i": 2, "s": 300, "e": 200, "text": "c" },
            ] },
            "subtitles": [{ "language": "es", "translated_from": "en-US", "machine": true, "cues": [] }],
        })
    }

    #[test]
    fn what_lies_outside_is_clamped_or_dropped() {
        let read = parse(document().to_string().as_bytes(), job()).unwrap();
        let track = &read.tracks[0];
        assert_eq!((track.label.as_str(), track.ranges[0].end_ms), ("cat", 15_000));
        let times: Vec<u64> = track.samples.iter().map(|it| it.t_ms).collect();
        assert_eq!(times, [8_000, 9_000]);
        assert!(track.samples[0].bounding_box.is_empty());
        let clamped = track.samples[1].bounding_box;
        assert_eq!((clamped.x, clamped.h), (0.0, 0.5));
        let cues = read.transcript.unwrap().cues;
        assert_eq!(cues.iter().map(|it| (it.number, it.text.as_str())).collect::<Vec<_>>(), [(1, "a"), (2, "b")]);
    }

    #[test]
    fn what_breaks_the_schema_is_named_by_its_first_place() {
        let check = |place: &str, value: Value, want: &str| {
            let mut document = document();
            *document.pointer_mut(place).unwrap() = value;
            let refused = parse(document.to_string().as_bytes(), job()).unwrap_err();
            assert!(refused.to_string().starts_with(want), "{refused}, not {want}");
        };
        check("/schema", json!("processor-result/2"), "schema");
        check("/job_id", json!("0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"), "job_id");
        check("/producer/quality", json!("best"), "producer.quality");
        check("/producer/models/0/id", json!("x".repeat(201)), "producer.models[0].id");
        check("/tracks/0/type", json!("animal"), "tracks[0].type");
        check("/tracks/0/ranges/0/confidence", json!(1.5), "tracks[0].ranges[0].confidence");
        check("/tracks/0/samples/0/t_ms", json!(-1), "tracks[0].samples[0].t_ms");
        check("/transcript/language", json!("../en"), "transcript.language");
        check("/subtitles/0/language", json!(""), "subtitles[0].language");
        let many = |count| json!(vec![json!({ "language": "es", "machine": true, "cues": [] }); count]);
        check("/subtitles", many(MAX_SUBTITLES + 1), "subtitles: more than 100");
        assert_eq!(parse(b"[]", job()).unwrap_err().place, "the document");
        assert!(parse(b"", job()).is_err());
    }
}
