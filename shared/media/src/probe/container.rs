//! Everything that a file says, and what follows from it for the pictures that are looked at.

use domain::item::Problem;
use domain::timecode::Timecode;

use super::{Kind, Probe, Stream};
use crate::processor::{Trouble, unreadable};
use crate::program::messages::Messages;

/// Below this ffmpeg itself reads on before it trusts its guess (`AVPROBE_SCORE_RETRY`, libavformat/avformat.h).
const UNSURE: u32 = 25;
/// Formats that are one picture of a codec and nothing around it: `png_pipe`, `jpegxl_pipe` …
const PICTURE: &str = "_pipe";

/// Everything that a file says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) start_us: Option<i64>,
    pub(crate) duration_us: Option<i64>,
    /// How sure ffmpeg is of the format, 0 to 100.
    pub(crate) score: u32,
    pub(crate) bytes: u64,
    pub(crate) timecode: Option<String>,
    pub(crate) streams: Vec<Stream>,
}

impl Container {
    /// The picture stream that a player shows by default, and the times of the whole.
    pub(super) fn judged(self, messages: &Messages) -> Result<Probe, Trouble> {
        let unsupported = |why: String| Err(Trouble::Skip(Problem::new("unsupported_media", why)));
        let Some(video) = self.default_video().cloned() else {
            let sound = self.streams.iter().any(|stream| stream.kind == Kind::Audio);
            return match sound {
                true if self.score < UNSURE => Err(unknown()),
                true => unsupported("the file has sound and no pictures".to_owned()),
                false => unsupported(format!("the file ({}) has no pictures", self.name)),
            };
        };
        if video.codec.is_none() {
            let tag = video.tag.clone().unwrap_or_else(|| "unknown".to_owned());
            return unsupported(format!("the pictures are of a codec that ffmpeg does not know ({tag})"));
        }
        let picture = self.name.ends_with(PICTURE) || self.name == "image2";
        let single = picture || (self.duration_us.is_none() && video.frames == Some(1));
        if picture && (video.width == 0 || video.height == 0) {
            return Err(unreadable(messages.reason()));
        }
        let longest = self.streams.iter().filter(|stream| !stream.attached).filter_map(Stream::end_us).max();
        let start_us = self.start_us.unwrap_or(0);
        let longest = longest.map(|end| end - start_us).filter(|us| *us > 0);
        let all_say = self.streams.iter().all(|stream| stream.kind == Kind::Other || stream.duration_us.is_some());
        // Matroska and NUT count it from 0 on their clock, not from the container's start
        let from_zero = self.name.starts_with("matroska") || self.name == "nut";
        let said = self.duration_us.map(|us| if from_zero && us > start_us { us - start_us } else { us });
        let (duration_us, wrong_duration_us) = match (said, longest) {
            // a header that says far more than each of its streams, or far more than so many bytes can hold
            (Some(said), Some(longest)) if all_say && said > (longest + start_us.max(0)) * 2 + 2_000_000 => {
                (Some(longest), Some(said))
            }
            (Some(said), _) if self.is_too_long(said) => (None, Some(said)),
            (_, Some(longest)) if all_say => (Some(longest), None),
            (said, longest) => (said.or(longest), None),
        };
        let rate = video.rate.unwrap_or(0.0);
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
            wrong_duration_us,
            video,
            timecode,
            still: single,
            bits_per_pixel,
        })
    }

    /// A picture that lasts is some hundred bytes a minute at least.
    fn is_too_long(&self, said_us: i64) -> bool {
        u64::try_from(said_us / 60_000_000).unwrap_or(0) * 100 > self.bytes
    }

    /// As ffmpeg chooses: what the file marks as its default, then the largest, then the first. Covers are none.
    fn default_video(&self) -> Option<&Stream> {
        let videos = self.streams.iter().filter(|stream| stream.kind == Kind::Video && !stream.attached);
        let rank = |stream: &&Stream| {
            let area = u64::from(stream.width) * u64::from(stream.height);
            (stream.codec.is_some(), stream.default, area, std::cmp::Reverse(stream.index))
        };
        videos.max_by_key(rank)
    }
}

pub(super) fn unknown() -> Trouble {
    Trouble::Skip(Problem::new("unsupported_media", "unknown bytes: neither a picture nor a video that is read here"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn stream(index: u32, kind: Kind) -> Stream {
        Stream {
            index,
            kind,
            codec: Some("h264".to_owned()),
            tag: None,
            width: 960,
            height: 540,
            start_us: Some(0),
            duration_us: Some(6_000_000),
            ends_us: None,
            frames: None,
            rate: Some(25.0),
            attached: false,
            default: false,
            timecode: None,
            rotation: 0,
            pixel_aspect: None,
            field_order: None,
            bit_depth: None,
            transfer: None,
        }
    }

    fn container(streams: Vec<Stream>) -> Container {
        Container {
            name: "mov".to_owned(),
            start_us: Some(0),
            duration_us: Some(6_000_000),
            score: 100,
            bytes: 100_000,
            timecode: None,
            streams,
        }
    }

    pub(crate) fn probe() -> Probe {
        container(vec![stream(0, Kind::Video)]).judged(&Messages::default()).unwrap()
    }

    fn refusal(container: Container) -> String {
        match container.judged(&Messages::default()) {
            Err(Trouble::Skip(problem)) => problem.message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_default_picture_is_looked_at() {
        let small = Stream { width: 100, ..stream(0, Kind::Video) };
        let cover = Stream { attached: true, width: 9_000, ..stream(1, Kind::Video) };
        let large = stream(2, Kind::Video);
        let chosen = |streams: &[&Stream]| {
            let streams = streams.iter().map(|it| (*it).clone()).collect();
            container(streams).judged(&Messages::default()).unwrap().video.index
        };
        assert_eq!(chosen(&[&small, &cover, &large]), 2, "the largest");
        assert_eq!(chosen(&[&Stream { default: true, ..small.clone() }, &cover, &large]), 0, "the file's default");
        assert_eq!(chosen(&[&large, &Stream { index: 3, ..large.clone() }]), 2, "the first of equals");
        let sound = || stream(0, Kind::Audio);
        assert_eq!(refusal(container(vec![sound(), cover])), "the file has sound and no pictures");
        let unsure = Container { score: 1, ..container(vec![sound()]) };
        assert!(refusal(unsure).starts_with("unknown bytes"));
        let unknown = Stream { codec: None, tag: Some("RED1".into()), ..stream(0, Kind::Video) };
        assert!(refusal(container(vec![unknown])).ends_with("(RED1)"));
    }

    #[test]
    fn a_length_that_cannot_be_is_not_believed() {
        let judged = |container: Container| {
            let probe = container.judged(&Messages::default()).unwrap();
            (probe.duration_us, probe.wrong_duration_us)
        };
        let long = 36_000_000_000;
        assert_eq!(judged(container(vec![stream(0, Kind::Video)])), (Some(6_000_000), None));
        let wrong = Container { duration_us: Some(long), ..container(vec![stream(0, Kind::Video)]) };
        assert_eq!(judged(wrong), (Some(6_000_000), Some(long)), "each stream says otherwise");
        let silent = Stream { duration_us: None, ..stream(0, Kind::Video) };
        let wrong = Container { duration_us: Some(long), bytes: 10_000, ..container(vec![silent.clone()]) };
        assert_eq!(judged(wrong), (None, Some(long)), "so few bytes cannot last so long");
        let unknown = Container { duration_us: None, ..container(vec![silent]) };
        assert_eq!(judged(unknown), (None, None));
    }

    #[test]
    fn media_are_shown_turned() {
        let turned = Stream { rotation: 90, pixel_aspect: Some("16:11".into()), ..stream(0, Kind::Video) };
        let mut file = container(vec![turned]);
        file.timecode = Some("10:00:00:00".to_owned());
        let media = file.judged(&Messages::default()).unwrap().media();
        assert_eq!((media.width, media.height, media.rotation), (Some(540), Some(960), Some(90)));
        assert_eq!(media.pixel_aspect.as_deref(), Some("11:16"));
        assert_eq!((media.duration_ms, media.fps, media.codec.as_deref()), (Some(6_000), Some(25.0), Some("h264")));
        assert_eq!(media.timecode.map(|it| it.start).as_deref(), Some("10:00:00:00"));
    }
}
