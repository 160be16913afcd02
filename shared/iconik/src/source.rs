//! Which bytes of a version are fetched: those of a proxy or of the original (section 3.10.6).
//!
//! Iconik makes an MP4 of each video and a JPEG of each still image that it can decode, whatever the original's format.
//! A proxy with pictures therefore proves that the original has visual content. Frames and posters of a video are not
//! proxies (section 3.10.1).

use domain::ingest::{Media, Original};
use domain::media_type::{self, OCTET_STREAM, VisualContent};
use uuid::Uuid;

use crate::files::{File, Proxy};

/// What to fetch: the id of a proxy or file, and its size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaSource {
    Proxy(Uuid, u64),
    File(Uuid, u64),
}

impl MediaSource {
    /// In bytes.
    pub fn size(self) -> u64 {
        match self {
            Self::Proxy(_, size) | Self::File(_, size) => size,
        }
    }
}

/// What the files and proxies of a version allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceChoice {
    Fetch(MediaSource),
    /// There is no usable file or proxy yet.
    Wait,
}

/// How often a command waits for a proxy before the original is taken in its place: proxies are made minutes after
/// their files were closed.
pub const MAX_PROXY_WAITS: u32 = 4;

/// A larger original image is not fetched if there may be a proxy.
const MAX_DIRECT_IMAGE_BYTES: u64 = 64 << 20;

/// What an original is, by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OriginalKind {
    Video,
    /// A still image that our decoders read.
    DecodableImage,
    /// A still image that may need its proxy: HEIC, TIFF, RAW, PSD, …
    OtherImage,
    /// A document of which Iconik may make an image.
    Document,
    Audio,
    /// It has no visual content, and gets no proxy that has.
    Other,
    Unknown,
}

impl OriginalKind {
    fn of(original: &str) -> Self {
        let is = |types: &[&str]| types.iter().any(|it| media_type::pattern_matches(it, original));
        if is(&["image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp"]) {
            Self::DecodableImage
        } else if media_type::is_image(original) {
            Self::OtherImage
        } else if media_type::is_video(original) {
            Self::Video
        } else if is(&["application/pdf", "application/postscript", "application/illustrator", "application/x-indd"]) {
            Self::Document
        } else if is(&["audio/ogg"]) {
            Self::Unknown // videos in Ogg are named `.ogg` as well
        } else if is(&["audio/*"]) {
            Self::Audio
        } else if media_type::classify_type(original) == VisualContent::None {
            Self::Other
        } else {
            Self::Unknown
        }
    }

    /// The media types of the proxies that Iconik makes of it.
    fn proxies(self) -> &'static [&'static str] {
        match self {
            Self::Video => &["video/mp4"],
            Self::DecodableImage | Self::OtherImage | Self::Document => &["image/jpeg"],
            Self::Unknown => &["video/mp4", "image/jpeg"],
            Self::Audio | Self::Other => &[],
        }
    }
}

/// The original and the media of a version, for [`domain::ingest::plan`]. `media_type` and `visual` are those of the
/// original; `attempt` counts how often its command has waited.
pub fn describe<'a>(
    (media_type, visual): (&'a str, VisualContent),
    version: Uuid,
    proxies: &[Proxy],
    files: &[File],
    attempt: u32,
) -> (Original<'a>, Media) {
    let kind = match OriginalKind::of(media_type) {
        OriginalKind::Unknown if visual == VisualContent::None => OriginalKind::Other,
        kind => kind,
    };
    let visual = if kind == OriginalKind::Audio { VisualContent::None } else { visual };
    let media = match choose_for_kind(kind, version, proxies, files, attempt) {
        _ if files.is_empty() && proxies.is_empty() => Media::NotUploaded,
        SourceChoice::Fetch(MediaSource::Proxy(id, size)) => {
            Media::Ready { size, proxy: proxies.iter().find(|it| it.id == id).map(proxy_media_type) }
        }
        SourceChoice::Fetch(MediaSource::File(_, size)) => Media::Ready { size, proxy: None },
        SourceChoice::Wait => {
            Media::Pending { expected_proxies: if attempt < MAX_PROXY_WAITS { kind.proxies() } else { &[] } }
        }
    };
    (Original { media_type, visual }, media)
}

/// Chooses the bytes of a version whose original is of the type `original`: for a video its smallest proxy; for a still
/// image the original if our decoders read it and it is not large, else its largest proxy. Without a proxy the original
/// is taken after [`MAX_PROXY_WAITS`], unless its storage has no download links.
pub fn choose_source(original: &str, version: Uuid, proxies: &[Proxy], files: &[File], attempt: u32) -> SourceChoice {
    choose_for_kind(OriginalKind::of(original), version, proxies, files, attempt)
}

fn choose_for_kind(kind: OriginalKind, version: Uuid, proxies: &[Proxy], files: &[File], attempt: u32) -> SourceChoice {
    let proxies = || proxies.iter().filter(|it| is_available(&it.status, it.version_id, it.size, version));
    let video = proxies().filter(|it| media_type::is_video(&proxy_media_type(it))).min_by_key(|it| it.size);
    let still = proxies().filter(|it| media_type::is_image(&proxy_media_type(it))).max_by_key(|it| it.size);
    let proxy = match kind {
        OriginalKind::Video => video,
        OriginalKind::DecodableImage | OriginalKind::OtherImage => still.or(video),
        OriginalKind::Document | OriginalKind::Other | OriginalKind::Unknown => video.or(still),
        OriginalKind::Audio => None,
    };
    let file = original(version, files);
    let at_once = kind == OriginalKind::DecodableImage && file.is_some_and(|it| it.size <= MAX_DIRECT_IMAGE_BYTES);
    match (proxy, file) {
        (_, Some(it)) if at_once => SourceChoice::Fetch(MediaSource::File(it.id, it.size)),
        (Some(it), _) => SourceChoice::Fetch(MediaSource::Proxy(it.id, it.size)),
        (None, Some(it)) if attempt >= MAX_PROXY_WAITS => SourceChoice::Fetch(MediaSource::File(it.id, it.size)),
        (None, _) => SourceChoice::Wait,
    }
}

/// Whether the choice for a version depends on its proxies: not if its original is taken at once, nor for audio.
pub fn needs_proxies(original_type: &str, version: Uuid, files: &[File]) -> bool {
    let kind = OriginalKind::of(original_type);
    let at_once = kind == OriginalKind::DecodableImage
        && matches!(choose_for_kind(kind, version, &[], files, 0), SourceChoice::Fetch(_));
    !at_once && kind != OriginalKind::Audio
}

/// The largest original file that is closed and has a download link.
fn original(version: Uuid, files: &[File]) -> Option<&File> {
    let available = files.iter().filter(|it| is_available(&it.status, it.version_id, it.size, version));
    let linked = available.filter(|it| it.storage_method.as_deref() != Some("FILE"));
    linked.filter(|it| it.kind.as_deref().is_none_or(|it| it == "FILE")).max_by_key(|it| it.size)
}

fn is_available(status: &str, of: Option<Uuid>, size: u64, version: Uuid) -> bool {
    status == "CLOSED" && of.is_none_or(|it| it == version) && size > 0
}

/// The media type of the original and its visual content, by the name of its largest file; `None` if the name does not
/// tell. Iconik's files have no media type.
pub fn original_media_type(version: Uuid, files: &[File]) -> Option<(String, VisualContent)> {
    let mut files: Vec<&File> = files.iter().filter(|it| it.version_id.is_none_or(|it| it == version)).collect();
    files.sort_by_key(|it| std::cmp::Reverse(it.size));
    let name = |it: &&File| it.original_name.clone().or_else(|| it.name.clone());
    let types = files.iter().filter_map(name).map(|it| media_type::classify(None, &it));
    types.into_iter().find(|it| it.0 != OCTET_STREAM)
}

/// The media type of a proxy: its codec reveals audio in an MP4, its name the rest. Without both it counts as a video,
/// like most.
fn proxy_media_type(proxy: &Proxy) -> String {
    let formats = [&proxy.codec, &proxy.format].into_iter().flatten().map(|it| it.to_ascii_lowercase());
    let formats: Vec<String> = formats.collect();
    let is = |names: &[&str]| formats.iter().any(|it| names.iter().any(|name| it.starts_with(name)));
    if is(&["aac", "mp3", "mpeg audio", "pcm", "opus", "vorbis", "flac"]) {
        return "audio/mp4".to_owned();
    }
    let named = proxy.filename.as_ref().or(proxy.name.as_ref()).map(|it| media_type::guess_from_name(it));
    match named.filter(|it| it != OCTET_STREAM) {
        Some(named) => named,
        None if is(&["jpeg", "mjpeg", "jpg", "png", "webp"]) => "image/jpeg".to_owned(),
        None => "video/mp4".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use domain::bucket::ProcessorKind;
    use domain::ingest::{IngestPlan, plan};

    use super::*;

    const VERSION: Uuid = Uuid::from_u128(9);

    fn proxy(id: u128, size: u64, status: &str, name: &str, version: u128) -> Proxy {
        let (version_id, filename) = (Some(Uuid::from_u128(version)), Some(name.to_owned()));
        let (name, codec, format) = (None, None, None);
        Proxy { id: Uuid::from_u128(id), status: status.into(), size, filename, name, codec, format, version_id }
    }

    fn file(id: u128, status: &str, name: &str, method: &str) -> File {
        File {
            id: Uuid::from_u128(id),
            original_name: Some(name.into()),
            name: None,
            status: status.into(),
            kind: Some("FILE".into()),
            size: 70,
            version_id: Some(VERSION),
            format_id: None,
            storage_id: None,
            storage_method: Some(method.into()),
        }
    }

    /// The plan for a version whose original has that name and is closed, with proxies of those names, numbered from 1.
    #[track_caller]
    fn check(types: &[&str], name: &str, proxies: &[&str], attempt: u32, want: &str) {
        let types: Vec<String> = types.iter().map(|it| (*it).to_owned()).collect();
        let proxies: Vec<Proxy> =
            proxies.iter().zip(1..).map(|(name, id)| proxy(id, 10 * id as u64, "CLOSED", name, 9)).collect();
        let files = [file(7, "CLOSED", name, "S3")];
        let (original, pictures) =
            original_media_type(VERSION, &files).unwrap_or((OCTET_STREAM.to_owned(), VisualContent::Unknown));
        let (original, media) = describe((&original, pictures), VERSION, &proxies, &files, attempt);
        let got = match plan(&ProcessorKind::FacialRecognition.into(), &types, original, &media, attempt) {
            IngestPlan::Take { size: 70 } => "file 7".to_owned(),
            IngestPlan::Take { size } => format!("proxy {}", size / 10),
            IngestPlan::Wait => "wait".to_owned(),
            IngestPlan::Skip { reason } => reason,
            IngestPlan::Fail { error } => error.code,
        };
        assert_eq!(got, want, "{types:?} {name} {attempt}");
    }

    #[test]
    fn the_proxies_decide_what_is_taken() {
        for name in ["small.mxf", "tv.gxf", "start14.ts", "two.dv", "a.mov", "a.mp4"] {
            check(&[], name, &["a.mp4"], 0, "proxy 1");
            check(&[], name, &[], 0, "wait");
            check(&[], name, &[], MAX_PROXY_WAITS, "file 7");
            check(&[], name, &["poster.jpg"], 0, "wait");
            check(&[], name, &["poster.jpg", "a.mp4"], 0, "proxy 2");
        }
        for name in ["a.heic", "a.tif", "a.psd", "a.cr3", "a.jp2", "a.avif"] {
            check(&[], name, &["a.jpg"], 0, "proxy 1");
            check(&[], name, &[], 0, "wait");
            check(&[], name, &[], MAX_PROXY_WAITS, "file 7");
        }
        check(&[], "a.jpg", &["small.jpg"], 0, "file 7");
        for name in ["a.eps", "a.pdf", "a.ai", "a.indd"] {
            check(&[], name, &["a.jpg"], 0, "proxy 1");
            check(&[], name, &[], 0, "wait");
        }
        check(
            &[],
            "a.eps",
            &[],
            MAX_PROXY_WAITS,
            "application/postscript is not wanted: the processor looks at pictures",
        );
        for name in ["unnamed", "a.unheard"] {
            check(&[], name, &["a.mp4"], 0, "proxy 1");
            check(&[], name, &["a.jpg"], 0, "proxy 1");
            check(&[], name, &[], 0, "wait");
            check(&[], name, &[], MAX_PROXY_WAITS, "file 7");
        }
        check(&[], "a.txt", &[], 0, "text/plain is not wanted: the processor looks at pictures");
        check(&[], "a.prproj", &[], 0, "application/x-prproj is not wanted: the processor looks at pictures");
        check(&[], "a.txt", &["a.mp4"], 0, "proxy 1");
        check(&[], "a.ogg", &["a.mp4"], 0, "proxy 1");
        check(&[], "a.mp2", &[], 0, "audio/mpeg is not wanted: the processor looks at pictures");
        check(&[], "a.mp3", &["a.mp4"], 0, "audio/mpeg is not wanted: the processor looks at pictures");
    }

    #[test]
    fn the_types_that_are_asked_for_are_the_originals_or_the_proxys() {
        let not = |it: &str| format!("{it} is not wanted: it is not among the types that are asked for");
        check(&["application/mxf"], "a.mxf", &["a.mp4"], 0, "proxy 1");
        check(&["video/*"], "a.mxf", &["a.mp4"], 0, "proxy 1");
        check(&["video/mp4"], "a.mxf", &["a.mp4"], 0, "proxy 1");
        check(&["video/mp4"], "a.mxf", &[], 0, "wait");
        check(&["video/mp4"], "a.mxf", &[], MAX_PROXY_WAITS, &not("application/mxf"));
        check(&["video/mp4"], "a.jpg", &[], 0, &not("image/jpeg"));
        check(&["image/heic"], "a.heic", &["a.jpg"], 0, "proxy 1");
        check(&["image/jpeg"], "a.heic", &["a.jpg"], 0, "proxy 1");
        check(&["image/png"], "a.heic", &["a.jpg"], 0, &not("image/heic"));
        check(&["image/*"], "a.mov", &[], 0, &not("video/quicktime"));
        check(&["image/png"], "a.jpg", &["a.jpg"], 0, &not("image/jpeg"));
        check(&["application/octet-stream"], "unnamed", &[], MAX_PROXY_WAITS, "file 7");
        check(&["video/*"], "unnamed", &["a.mp4"], 0, "proxy 1");
    }

    #[test]
    fn the_smallest_closed_video_proxy_of_the_version_is_taken() {
        let mut sound = proxy(6, 4, "CLOSED", "sound.mp4", 9);
        sound.codec = Some("AAC".into());
        let proxies = [
            proxy(1, 50, "CLOSED", "big.mp4", 9),
            proxy(2, 20, "CLOSED", "small.mp4", 9),
            proxy(3, 10, "OPEN", "smaller.mp4", 9),
            proxy(4, 5, "CLOSED", "sound.mp3", 9),
            proxy(5, 5, "CLOSED", "old.mp4", 8),
            sound,
        ];
        let got = choose_source("video/mp4", VERSION, &proxies, &[file(7, "CLOSED", "a.mov", "S3")], 0);
        assert_eq!(got, SourceChoice::Fetch(MediaSource::Proxy(Uuid::from_u128(2), 20)));
    }

    #[test]
    fn an_original_that_is_out_of_reach_or_large_waits_for_its_proxy() {
        let picture = [proxy(1, 5, "CLOSED", "a.jpg", 9)];
        let large = File { size: MAX_DIRECT_IMAGE_BYTES + 1, ..file(7, "CLOSED", "a.jpg", "S3") };
        for unfit in [file(7, "OPEN", "a.jpg", "S3"), file(7, "CLOSED", "a.jpg", "FILE"), large.clone()] {
            assert_eq!(choose_source("image/jpeg", VERSION, &[], std::slice::from_ref(&unfit), 0), SourceChoice::Wait);
            let files = [unfit];
            assert!(needs_proxies("image/jpeg", VERSION, &files));
            let got = choose_source("image/jpeg", VERSION, &picture, &files, 0);
            assert_eq!(got, SourceChoice::Fetch(MediaSource::Proxy(Uuid::from_u128(1), 5)));
        }
        let got = choose_source("image/jpeg", VERSION, &[], &[large], MAX_PROXY_WAITS);
        assert_eq!(got, SourceChoice::Fetch(MediaSource::File(Uuid::from_u128(7), MAX_DIRECT_IMAGE_BYTES + 1)));
        assert_eq!(
            choose_source("image/jpeg", VERSION, &[], &[file(7, "CLOSED", "a.jpg", "FILE")], 9),
            SourceChoice::Wait
        );
        assert!(!needs_proxies("image/jpeg", VERSION, &[file(7, "CLOSED", "a.jpg", "S3")]));
    }

    #[test]
    fn the_type_is_the_originals() {
        let named = |name: &str| original_media_type(VERSION, &[file(1, "OPEN", name, "S3")]).map(|it| it.0);
        assert_eq!(named("0002EM.MXF").as_deref(), Some("application/mxf"));
        assert_eq!(named("a.MOV").as_deref(), Some("video/quicktime"));
        assert_eq!(named("a"), None);
        assert_eq!(original_media_type(VERSION, &[]), None);
    }
}
