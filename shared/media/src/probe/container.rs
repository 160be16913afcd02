//! A file's container with all its streams, and what follows from it for the stream that is analysed.

use domain::result::MediaInfo;
use domain::timecode::Timecode;

use super::stream::{Stream, StreamKind};
use crate::error::MediaError;
use crate::ffmpeg::log::FfmpegLog;

/// Below this score ffmpeg does not trust its guess of the format (`AVPROBE_SCORE_RETRY`, libavformat/avformat.h).
const MIN_PROBE_SCORE: u32 = 25;
/// Demuxers of single pictures end so: `png_pipe`, `jpegxl_pipe` …
const IMAGE_DEMUXER_SUFFIX: &str = "_pipe";

/// A file with a video stream or a picture. Times are in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Probe {
    pub(crate) container: String,
    /// The container's start on its own clock. A player shows it as 0.
    pub(crate) start_us: i64,
    /// The duration of the longest stream, if the file declares it.
    pub(crate) duration_us: Option<i64>,
    /// The header's duration, where the streams or the file's size contradict it.
    pub(crate) implausible_duration_us: Option<i64>,
    pub(crate) video: Stream,
    pub(crate) timecode: Option<Timecode>,
    /// A single picture, not a video.
    pub(crate) is_still: bool,
    /// Bits of the file for each pixel that is shown.
    pub(crate) bits_per_pixel: Option<f64>,
}

impl Probe {
    /// The media information of a result, without the fields that depend on the analysis.
    pub(crate) fn media(&self) -> MediaInfo {
        let video = &self.video;
        let swaps_sides = video.rotation == 90 || video.rotation == 270;
        let (width, height) = if swaps_sides { (video.height, video.width) } else { (video.width, video.height) };
        MediaInfo {
            duration_ms: self.duration_ms().filter(|_| !self.is_still),
            width: Some(width).filter(|pixels| *pixels > 0),
            height: Some(height).filter(|pixels| *pixels > 0),
            fps: video.frame_rate.filter(|_| !self.is_still).map(|rate| (rate * 1_000.0).round() / 1_000.0),
            codec: video.codec.clone(),
            container: Some(self.container.clone()),
            timecode: self.timecode.map(|it| it.start()),
            pixel_aspect: video
                .pixel_aspect
                .as_deref()
                .map(|aspect| if swaps_sides { inverted_aspect(aspect) } else { aspect.to_owned() }),
            rotation: Some(video.rotation).filter(|degrees| *degrees > 0),
            field_order: video.field_order.clone(),
            bit_depth: video.bit_depth,
            transfer: video.color_transfer.clone(),
            ..MediaInfo::default()
        }
    }

    pub(crate) fn duration_ms(&self) -> Option<u64> {
        self.duration_us.and_then(|us| u64::try_from(us / 1_000).ok())
    }

    /// The duration of a frame by the frame rate.
    pub(crate) fn frame_us(&self) -> Option<f64> {
        self.video.frame_rate.map(|rate| 1e6 / rate)
    }

    /// Whether a frame contains two fields of different moments.
    pub(crate) fn is_interlaced(&self) -> bool {
        self.video.field_order.as_deref().is_some_and(|order| order != "progressive")
    }
}

/// The pixel aspect of a picture that is rotated by 90 or 270 degrees: `16:11` becomes `11:16`.
fn inverted_aspect(aspect: &str) -> String {
    aspect.split_once(':').map_or_else(|| aspect.to_owned(), |(across, down)| format!("{down}:{across}"))
}

/// A file's container, as ffprobe or ffmpeg reports it. Times are in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Container {
    /// The demuxer's name, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub(crate) name: String,
    pub(crate) start_us: Option<i64>,
    pub(crate) duration_us: Option<i64>,
    /// ffmpeg's confidence in the format, 0 to 100.
    pub(crate) probe_score: u32,
    /// The file's size.
    pub(crate) bytes: u64,
    pub(crate) timecode: Option<String>,
    pub(crate) streams: Vec<Stream>,
}

impl Container {
    /// The stream that a player shows by default, and the duration of the whole.
    ///
    /// # Errors
    /// Those of `probe`, apart from a missing decoder.
    pub(crate) fn into_probe(self, log: &FfmpegLog) -> Result<Probe, MediaError> {
        let unsupported = |reason: String| Err(MediaError::unsupported(reason));
        let Some(video) = self.default_video().cloned() else {
            let has_audio = self.streams.iter().any(|stream| stream.kind == StreamKind::Audio);
            return match has_audio {
                true if self.probe_score < MIN_PROBE_SCORE => Err(unknown_format()),
                true => unsupported("the file has sound and no pictures".to_owned()),
                false => unsupported(format!("the file ({}) has no pictures", self.name)),
            };
        };
        if video.codec.is_none() {
            let tag = video.tag.clone().unwrap_or_else(|| "unknown".to_owned());
            return unsupported(format!("the pictures are of a codec that ffmpeg does not know ({tag})"));
        }
        let is_image = self.name.ends_with(IMAGE_DEMUXER_SUFFIX) || self.name == "image2";
        let is_still = is_image || (self.duration_us.is_none() && video.frames == Some(1));
        if is_image && (video.width == 0 || video.height == 0) {
            return Err(MediaError::unreadable(log.reason()));
        }
        let longest = self.streams.iter().filter(|stream| !stream.is_attached_picture).filter_map(Stream::end_us).max();
        let start_us = self.start_us.unwrap_or(0);
        let longest = longest.map(|end| end - start_us).filter(|us| *us > 0);
        let all_declared =
            self.streams.iter().all(|stream| stream.kind == StreamKind::Other || stream.duration_us.is_some());
        // Matroska and NUT count the duration from 0 on their clock, not from the container's start
        let from_zero = self.name.starts_with("matroska") || self.name == "nut";
        let declared = self.duration_us.map(|us| if from_zero && us > start_us { us - start_us } else { us });
        let (duration_us, implausible_duration_us) = match (declared, longest) {
            // a header that declares far more than each stream, or far more than the file's bytes can contain
            (Some(declared), Some(longest))
                if all_declared && declared > (longest + start_us.max(0)) * 2 + 2_000_000 =>
            {
                (Some(longest), Some(declared))
            }
            (Some(declared), _) if self.is_implausible(declared) => (None, Some(declared)),
            (_, Some(longest)) if all_declared => (Some(longest), None),
            (declared, longest) => (declared.or(longest), None),
        };
        let rate = video.frame_rate.unwrap_or(0.0);
        let timecodes = std::iter::once(&self.timecode)
            .chain(std::iter::once(&video.timecode))
            .chain(self.streams.iter().map(|stream| &stream.timecode));
        let timecode = timecodes.flatten().find_map(|text| Timecode::parse(text, rate));
        let pixels = duration_us.map(|us| f64::from(video.width) * f64::from(video.height) * rate * us as f64 / 1e6);
        let bits_per_pixel = pixels.filter(|pixels| *pixels > 0.0).map(|pixels| self.bytes as f64 * 8.0 / pixels);
        Ok(Probe {
            container: self.name,
            start_us,
            duration_us,
            implausible_duration_us,
            video,
            timecode,
            is_still,
            bits_per_pixel,
        })
    }

    /// Whether a file of this size cannot be so long: even a still picture takes some hundred bytes a minute.
    fn is_implausible(&self, declared_us: i64) -> bool {
        u64::try_from(declared_us / 60_000_000).unwrap_or(0) * 100 > self.bytes
    }

    /// The video stream that ffmpeg selects: the file's default, then the largest, then the first. Attached pictures are
    /// none.
    fn default_video(&self) -> Option<&Stream> {
        let videos =
            self.streams.iter().filter(|stream| stream.kind == StreamKind::Video && !stream.is_attached_picture);
        let rank = |stream: &&Stream| {
            let area = u64::from(stream.width) * u64::from(stream.height);
            (stream.codec.is_some(), stream.is_default, area, std::cmp::Reverse(stream.index))
        };
        videos.max_by_key(rank)
    }
}

pub(super) fn unknown_format() -> MediaError {
    MediaError::unsupported("unknown bytes: neither a picture nor a video that is read here")
}

#[cfg(test)]
impl Stream {
    /// A video stream of 6 s.
    pub(crate) fn example(index: u32, kind: StreamKind) -> Self {
        Self {
            index,
            kind,
            codec: Some("h264".to_owned()),
            tag: None,
            width: 960,
            height: 540,
            start_us: Some(0),
            duration_us: Some(6_000_000),
            tag_end_us: None,
            frames: None,
            frame_rate: Some(25.0),
            is_attached_picture: false,
            is_default: false,
            timecode: None,
            rotation: 0,
            pixel_aspect: None,
            field_order: None,
            bit_depth: None,
            color_transfer: None,
        }
    }
}

#[cfg(test)]
impl Container {
    /// A file of 6 s.
    pub(crate) fn example(streams: Vec<Stream>) -> Self {
        Self {
            name: "mov".to_owned(),
            start_us: Some(0),
            duration_us: Some(6_000_000),
            probe_score: 100,
            bytes: 100_000,
            timecode: None,
            streams,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(index: u32, kind: StreamKind) -> Stream {
        Stream::example(index, kind)
    }

    fn container(streams: Vec<Stream>) -> Container {
        Container::example(streams)
    }

    fn skip_message(container: Container) -> String {
        match container.into_probe(&FfmpegLog::default()) {
            Err(MediaError::Skipped(problem)) => problem.message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_default_picture_is_looked_at() {
        let small = Stream { width: 100, ..stream(0, StreamKind::Video) };
        let cover = Stream { is_attached_picture: true, width: 9_000, ..stream(1, StreamKind::Video) };
        let large = stream(2, StreamKind::Video);
        let chosen = |streams: &[&Stream]| {
            let streams = streams.iter().map(|it| (*it).clone()).collect();
            container(streams).into_probe(&FfmpegLog::default()).unwrap().video.index
        };
        assert_eq!(chosen(&[&small, &cover, &large]), 2, "the largest");
        assert_eq!(chosen(&[&Stream { is_default: true, ..small.clone() }, &cover, &large]), 0, "the file's default");
        assert_eq!(chosen(&[&large, &Stream { index: 3, ..large.clone() }]), 2, "the first of equals");
        let sound = || stream(0, StreamKind::Audio);
        assert_eq!(skip_message(container(vec![sound(), cover])), "the file has sound and no pictures");
        let unsure = Container { probe_score: 1, ..container(vec![sound()]) };
        assert!(skip_message(unsure).starts_with("unknown bytes"));
        let unknown = Stream { codec: None, tag: Some("RED1".into()), ..stream(0, StreamKind::Video) };
        assert!(skip_message(container(vec![unknown])).ends_with("(RED1)"));
    }

    #[test]
    fn a_length_that_cannot_be_is_not_believed() {
        let judged = |container: Container| {
            let probe = container.into_probe(&FfmpegLog::default()).unwrap();
            (probe.duration_us, probe.implausible_duration_us)
        };
        let long = 36_000_000_000;
        assert_eq!(judged(container(vec![stream(0, StreamKind::Video)])), (Some(6_000_000), None));
        let wrong = Container { duration_us: Some(long), ..container(vec![stream(0, StreamKind::Video)]) };
        assert_eq!(judged(wrong), (Some(6_000_000), Some(long)), "each stream says otherwise");
        let silent = Stream { duration_us: None, ..stream(0, StreamKind::Video) };
        let wrong = Container { duration_us: Some(long), bytes: 10_000, ..container(vec![silent.clone()]) };
        assert_eq!(judged(wrong), (None, Some(long)), "so few bytes cannot last so long");
        let unknown = Container { duration_us: None, ..container(vec![silent]) };
        assert_eq!(judged(unknown), (None, None));
    }

    #[test]
    fn media_are_shown_turned() {
        let turned = Stream { rotation: 90, pixel_aspect: Some("16:11".into()), ..stream(0, StreamKind::Video) };
        let mut file = container(vec![turned]);
        file.timecode = Some("10:00:00:00".to_owned());
        let media = file.into_probe(&FfmpegLog::default()).unwrap().media();
        assert_eq!((media.width, media.height, media.rotation), (Some(540), Some(960), Some(90)));
        assert_eq!(media.pixel_aspect.as_deref(), Some("11:16"));
        assert_eq!((media.duration_ms, media.fps, media.codec.as_deref()), (Some(6_000), Some(25.0), Some("h264")));
        assert_eq!(media.timecode.map(|it| it.start).as_deref(), Some("10:00:00:00"));
    }
}
