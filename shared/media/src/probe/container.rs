//! Everything that a file says, and what follows from it for the pictures that are looked at.

use domain::item::Problem;
use domain::timecode::Timecode;

use super::{Probe, Stream, StreamKind};
use crate::ffmpeg::log::FfmpegLog;
use crate::processor::{MediaError, unreadable};

/// Below this ffmpeg itself reads on before it trusts its guess (`AVPROBE_SCORE_RETRY`, libavformat/avformat.h).
const MIN_PROBE_SCORE: u32 = 25;
/// Formats that are one picture of a codec and nothing around it: `png_pipe`, `jpegxl_pipe` …
const IMAGE_DEMUXER_SUFFIX: &str = "_pipe";

/// Everything that a file says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) start_us: Option<i64>,
    pub(crate) duration_us: Option<i64>,
    /// How sure ffmpeg is of the format, 0 to 100.
    pub(crate) probe_score: u32,
    pub(crate) bytes: u64,
    pub(crate) timecode: Option<String>,
    pub(crate) streams: Vec<Stream>,
}

impl Container {
    /// The picture stream that a player shows by default, and the times of the whole.
    pub(super) fn into_probe(self, messages: &FfmpegLog) -> Result<Probe, MediaError> {
        let unsupported = |why: String| Err(MediaError::Skipped(Problem::new("unsupported_media", why)));
        let Some(video) = self.default_video().cloned() else {
            let sound = self.streams.iter().any(|stream| stream.kind == StreamKind::Audio);
            return match sound {
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
            return Err(unreadable(messages.reason()));
        }
        let longest = self.streams.iter().filter(|stream| !stream.is_attached_picture).filter_map(Stream::end_us).max();
        let start_us = self.start_us.unwrap_or(0);
        let longest = longest.map(|end| end - start_us).filter(|us| *us > 0);
        let all_declared =
            self.streams.iter().all(|stream| stream.kind == StreamKind::Other || stream.duration_us.is_some());
        // Matroska and NUT count it from 0 on their clock, not from the container's start
        let from_zero = self.name.starts_with("matroska") || self.name == "nut";
        let said = self.duration_us.map(|us| if from_zero && us > start_us { us - start_us } else { us });
        let (duration_us, wrong_duration_us) = match (said, longest) {
            // a header that says far more than each of its streams, or far more than so many bytes can hold
            (Some(said), Some(longest)) if all_declared && said > (longest + start_us.max(0)) * 2 + 2_000_000 => {
                (Some(longest), Some(said))
            }
            (Some(said), _) if self.is_implausible(said) => (None, Some(said)),
            (_, Some(longest)) if all_declared => (Some(longest), None),
            (said, longest) => (said.or(longest), None),
        };
        let rate = video.frame_rate.unwrap_or(0.0);
        let addresses = std::iter::once(&self.timecode)
            .chain(std::iter::once(&video.timecode))
            .chain(self.streams.iter().map(|stream| &stream.timecode));
        let timecode = addresses.flatten().find_map(|text| Timecode::parse(text, rate));
        let pixels = duration_us.map(|us| f64::from(video.width) * f64::from(video.height) * rate * us as f64 / 1e6);
        let bits_per_pixel = pixels.filter(|pixels| *pixels > 0.0).map(|pixels| self.bytes as f64 * 8.0 / pixels);
        Ok(Probe {
            container: self.name,
            start_us,
            duration_us,
            implausible_duration_us: wrong_duration_us,
            video,
            timecode,
            is_still,
            bits_per_pixel,
        })
    }

    /// A picture that lasts is some hundred bytes a minute at least.
    fn is_implausible(&self, said_us: i64) -> bool {
        u64::try_from(said_us / 60_000_000).unwrap_or(0) * 100 > self.bytes
    }

    /// As ffmpeg chooses: what the file marks as its default, then the largest, then the first. Covers are none.
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
    MediaError::Skipped(Problem::new(
        "unsupported_media",
        "unknown bytes: neither a picture nor a video that is read here",
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn stream(index: u32, kind: StreamKind) -> Stream {
        Stream {
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

    fn container(streams: Vec<Stream>) -> Container {
        Container {
            name: "mov".to_owned(),
            start_us: Some(0),
            duration_us: Some(6_000_000),
            probe_score: 100,
            bytes: 100_000,
            timecode: None,
            streams,
        }
    }

    pub(crate) fn probe() -> Probe {
        container(vec![stream(0, StreamKind::Video)]).into_probe(&FfmpegLog::default()).unwrap()
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
