//! Decides what a listed object becomes: nothing, a skipped item, or an item to process.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::bucket::{Bucket, ProcessorKind, Processors};
use crate::media_type::VisualContent;
use crate::{content_sniffing, media_type};

pub use crate::bucket::backoff;

/// The maximum size of an object: 5 GiB, half of a Lambda function's maximum ephemeral storage.
pub const MAX_OBJECT_BYTES: u64 = 5 << 30;

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    /// The ETag without quotes. Without an ETag, the time of modification ([`modified_etag`]).
    pub etag: String,
    pub size: u64,
    /// The type that the system declares, if it was requested.
    pub media_type: Option<String>,
}

/// The substitute for the ETag of an object without one: its `Last-Modified`, so that a change of equal size is a new
/// version. It contains a space, which no ETag does (RFC 9110, section 8.8.3).
pub fn modified_etag(modified: OffsetDateTime) -> String {
    format!("{MODIFIED_PREFIX}{}", crate::rfc3339(modified))
}

const MODIFIED_PREFIX: &str = "modified ";

/// The precondition of a download: the object is still the version that was listed (RFC 9110, section 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition<'a> {
    Etag(&'a str),
    /// `Last-Modified`, for an object without an ETag.
    Modified(OffsetDateTime),
    /// Neither was listed.
    None,
}

impl<'a> Precondition<'a> {
    /// The precondition for `Item::version` of an object of `size` bytes.
    pub fn of(version: &'a str, size: u64) -> Self {
        let etag = version.strip_suffix(&format!("-{size}")).unwrap_or(version);
        Self::of_etag(etag)
    }

    /// The precondition for an object's `etag`.
    pub fn of_etag(etag: &'a str) -> Self {
        match etag.strip_prefix(MODIFIED_PREFIX) {
            Some(at) => OffsetDateTime::parse(at, &Rfc3339).map_or(Self::None, Self::Modified),
            None if etag.is_empty() => Self::None,
            None => Self::Etag(etag),
        }
    }
}

/// What to do with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanDecision {
    /// Not a media object: a folder marker, a hidden file, or a key outside the bucket's filters.
    Ignore,
    /// Record a skipped item.
    Skip { media_type: String, reason: String },
    /// Undecided; [`decide_by_content`] decides by its first [`SNIFF_BYTES`](crate::content_sniffing::SNIFF_BYTES).
    Sniff { media_type: String },
    /// Record an item to process.
    Process { media_type: String },
}

/// Decides by the bucket's filters, the object's name and its declared type.
pub fn decide(bucket: &Bucket, object: &ListedObject) -> ScanDecision {
    let key = object.key.as_str();
    let name = key.rsplit('/').next().unwrap_or_default();
    let folder_marker = name.is_empty();
    // our own results are written to folders of this name
    let own_output = key.split('/').any(|it| it == ".ai");
    let temporary = own_output
        || name.starts_with('.')
        || name.starts_with('~')
        || name.ends_with(".tmp")
        || name.ends_with(".part");
    if folder_marker || temporary || !matches_filters(bucket, key) {
        return ScanDecision::Ignore;
    }
    let (media_type, visual) = media_type::classify(object.media_type.as_deref(), name);
    if object.size == 0 {
        return ScanDecision::Skip { media_type, reason: "the object is empty".to_owned() };
    }
    match eligibility(&bucket.processor, &bucket.mime_types, &media_type, visual) {
        Eligibility::No(reason) => ScanDecision::Skip { media_type, reason },
        _ if object.size > MAX_OBJECT_BYTES => {
            ScanDecision::Skip { media_type, reason: "the object is too large".to_owned() }
        }
        Eligibility::Unknown => ScanDecision::Sniff { media_type },
        Eligibility::Yes => ScanDecision::Process { media_type },
    }
}

/// Decides by the first bytes of an object. Content that is no media is skipped, with the type that was recognized.
pub fn decide_by_content(processors: &Processors, media_type: String, first: &[u8]) -> ScanDecision {
    match content_sniffing::sniff_non_visual(first) {
        Some(found) if !is_taken(processors, found, VisualContent::None) => {
            ScanDecision::Skip { media_type: found.to_owned(), reason: not_taken_reason(processors, found) }
        }
        Some(found) => ScanDecision::Process { media_type: found.to_owned() },
        None => ScanDecision::Process { media_type },
    }
}

/// Whether media of a type is processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eligibility {
    Yes,
    /// Undecided; its first bytes decide.
    Unknown,
    /// Not processed; the reason.
    No(String),
}

/// Whether media of a type is processed. With entries in `types`, only matching types are processed, even if they
/// suggest no visual content. Without entries, or with `*/*`, everything is processed that may hold what one of the
/// processors looks for.
pub fn eligibility(processors: &Processors, types: &[String], media_type: &str, visual: VisualContent) -> Eligibility {
    if media_type::accepts_everything(types) {
        return match visual {
            _ if !is_taken(processors, media_type, visual) => Eligibility::No(not_taken_reason(processors, media_type)),
            VisualContent::Unknown => Eligibility::Unknown,
            VisualContent::Likely | VisualContent::None => Eligibility::Yes,
        };
    }
    if !types.iter().any(|it| media_type::pattern_matches(it, media_type)) {
        return Eligibility::No(format!("{media_type} is not wanted: it is not among the types that are asked for"));
    }
    if visual == VisualContent::Unknown { Eligibility::Unknown } else { Eligibility::Yes }
}

/// Whether media of a type may hold what one of the processors looks for.
fn is_taken(processors: &Processors, media_type: &str, visual: VisualContent) -> bool {
    processors.iter().any(|kind| match kind {
        ProcessorKind::FacialRecognition | ProcessorKind::ObjectDetection => visual != VisualContent::None,
        ProcessorKind::AutoTranslation => {
            media_type.starts_with("audio/") || (visual != VisualContent::None && !media_type.starts_with("image/"))
        }
    })
}

fn not_taken_reason(processors: &Processors, media_type: &str) -> String {
    let reason = match processors.first() {
        _ if !processors.is_single() => "none of the processors takes it",
        ProcessorKind::FacialRecognition | ProcessorKind::ObjectDetection => "the processor looks at pictures",
        ProcessorKind::AutoTranslation => "the processor listens to speech",
    };
    format!("{media_type} is not wanted: {reason}")
}

fn matches_filters(bucket: &Bucket, key: &str) -> bool {
    let lower = key.to_lowercase();
    let prefix = bucket.prefixes.is_empty() || bucket.prefixes.iter().any(|it| key.starts_with(it.as_str()));
    let suffix = bucket.suffixes.is_empty() || bucket.suffixes.iter().any(|it| lower.ends_with(&it.to_lowercase()));
    prefix && suffix
}

#[cfg(test)]
pub(crate) mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::bucket::MediaSystem;
    use crate::{AppId, BucketId};

    pub(crate) fn bucket() -> Bucket {
        Bucket {
            id: BucketId::random([1; 16]),
            app: AppId::random([2; 16]),
            system: MediaSystem::DataCore,
            endpoint: "https://win-demo.cloud.example.com".into(),
            bucket: "rushes".into(),
            prefixes: vec![],
            suffixes: vec![],
            mime_types: vec![],
            schedule: "rate(1 minute)".parse().unwrap(),
            active: true,
            processor: ProcessorKind::FacialRecognition.into(),
            settings: Default::default(),
            priority: 5,
            region: None,
            poll: Default::default(),
            write_back: false,
            credentials: None,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[track_caller]
    fn check(bucket: &Bucket, key: &str, size: u64, want: &str) {
        let object = ListedObject { key: key.into(), etag: "e".into(), size, media_type: None };
        let got = match decide(bucket, &object) {
            ScanDecision::Ignore => "ignore".to_owned(),
            ScanDecision::Skip { reason, .. } => reason,
            ScanDecision::Sniff { media_type } => format!("look: {media_type}"),
            ScanDecision::Process { media_type } => media_type,
        };
        assert_eq!(got, want);
    }

    #[test]
    fn judges_by_filters_then_by_type() {
        let plain = bucket();
        check(&plain, "a/photo.JPG", 1, "image/jpeg");
        check(&plain, "a/clip.mp4", 1, "video/mp4");
        check(&plain, "a/", 0, "ignore");
        check(&plain, "a/.DS_Store", 9, "ignore");
        check(&plain, "a/clip.mp4.part", 9, "ignore");
        check(&plain, "notes.txt", 9, "text/plain is not wanted: the processor looks at pictures");
        check(&plain, "small.MXF", 9, "application/mxf");
        check(&plain, "small", 9, "look: application/octet-stream");
        check(&plain, "huge", MAX_OBJECT_BYTES + 1, "the object is too large");
        check(&plain, "main.ts", 9, "look: video/mp2t");
        check(&plain, "empty.png", 0, "the object is empty");
        check(&plain, "huge.mov", MAX_OBJECT_BYTES + 1, "the object is too large");
        let strict = Bucket {
            prefixes: vec!["in/".into()],
            suffixes: vec![".MP4".into()],
            mime_types: vec!["video/*".into()],
            ..bucket()
        };
        check(&strict, "in/clip.mp4", 1, "video/mp4");
        check(&strict, "out/clip.mp4", 1, "ignore");
        check(&strict, "in/photo.jpg", 1, "ignore");
        let only = |it: &str| Bucket { mime_types: vec![it.into()], ..bucket() };
        let not = |it: &str| format!("{it} is not wanted: it is not among the types that are asked for");
        check(&only("image/png"), "a.jpg", 1, &not("image/jpeg"));
        check(&only("image/png"), "a", 1, &not("application/octet-stream"));
        check(&only("application/mxf"), "a.mxf", 1, "application/mxf");
        check(&only("application/mxf"), "a.mov", 1, &not("video/quicktime"));
        check(&only("video/*"), "a.mxf", 1, "application/mxf");
        check(&only("video/*"), "a.ts", 1, "look: video/mp2t");
        check(&only("application/octet-stream"), "a", 1, "look: application/octet-stream");
        check(&only("application/pdf"), "a.pdf", 1, "application/pdf");
        check(&only("*/*"), "a.pdf", 1, "application/pdf is not wanted: the processor looks at pictures");
    }

    #[test]
    fn the_first_bytes_keep_away_what_is_no_media() {
        let judged =
            |first: &[u8]| decide_by_content(&ProcessorKind::FacialRecognition.into(), "video/mp2t".into(), first);
        let reason = "text/plain is not wanted: the processor looks at pictures".to_owned();
        assert_eq!(judged(b"export {};\n"), ScanDecision::Skip { media_type: "text/plain".into(), reason });
        assert_eq!(judged(b"\x47\x40\x11\x10\0"), ScanDecision::Process { media_type: "video/mp2t".into() });
    }

    #[test]
    fn a_version_says_what_proves_it() {
        let at = time::macros::datetime!(2026-11-21 12:00:00.5 UTC);
        let version = format!("{}-7", modified_etag(at));
        assert_eq!(version, "modified 2026-11-21T12:00:00.5Z-7");
        assert_eq!(Precondition::of(&version, 7), Precondition::Modified(at));
        assert_eq!(Precondition::of("61368-oid-7", 7), Precondition::Etag("61368-oid"));
        assert_eq!(Precondition::of("-7", 7), Precondition::None);
    }
}
