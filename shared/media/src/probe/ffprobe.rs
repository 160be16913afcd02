//! The answer of `ffprobe -of json -show_format -show_streams`.

use serde::Deserialize;

use super::{Container, Stream, StreamKind};

#[derive(Deserialize)]
struct FfprobeOutput {
    format: Option<Format>,
    #[serde(default)]
    streams: Vec<FfprobeStream>,
}

#[derive(Deserialize)]
struct Format {
    format_name: String,
    start_time: Option<String>,
    duration: Option<String>,
    probe_score: Option<u32>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Deserialize, Default)]
struct Tags {
    #[serde(alias = "TIMECODE")]
    timecode: Option<String>,
    rotate: Option<String>,
    /// When a track of Matroska ends, on the container's clock: `00:00:07.021000000`.
    #[serde(rename = "DURATION")]
    ends: Option<String>,
}

#[derive(Deserialize)]
struct FfprobeStream {
    index: u32,
    codec_type: Option<String>,
    codec_name: Option<String>,
    codec_tag_string: Option<String>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    start_time: Option<String>,
    duration: Option<String>,
    nb_frames: Option<String>,
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
    sample_aspect_ratio: Option<String>,
    pix_fmt: Option<String>,
    bits_per_raw_sample: Option<String>,
    color_transfer: Option<String>,
    field_order: Option<String>,
    timecode: Option<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize, Default)]
struct Disposition {
    #[serde(default)]
    default: u8,
    #[serde(default)]
    attached_pic: u8,
    #[serde(default)]
    timed_thumbnails: u8,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

/// `None` where the program did not read the file: its answer is `{}` then.
pub(super) fn parse(answer: &[u8]) -> Option<Container> {
    let answer: FfprobeOutput = serde_json::from_slice(answer).ok()?;
    let format = answer.format?;
    let seconds = |text: Option<String>| text.as_deref().and_then(parse_seconds_us);
    Some(Container {
        name: format.format_name,
        start_us: seconds(format.start_time),
        duration_us: seconds(format.duration),
        probe_score: format.probe_score.unwrap_or(100),
        bytes: 0,
        timecode: format.tags.timecode,
        streams: answer.streams.into_iter().map(FfprobeStream::into_stream).collect(),
    })
}

impl FfprobeStream {
    fn into_stream(self) -> Stream {
        let seconds = |text: Option<String>| text.as_deref().and_then(parse_seconds_us);
        let kind = match self.codec_type.as_deref() {
            Some("video") => StreamKind::Video,
            Some("audio") => StreamKind::Audio,
            _ => StreamKind::Other,
        };
        let known = |text: &String| !text.is_empty() && text != "unknown" && text != "none";
        // ffprobe gives the display matrix's angle, counter-clockwise; the tag of older versions is clockwise
        let matrix = self.side_data_list.iter().find_map(|data| data.rotation).map(|angle| -angle);
        let tagged = self.tags.rotate.and_then(|text| text.parse::<f64>().ok());
        let rotation = matrix.or(tagged).unwrap_or(0.0);
        let (average, real) = (self.avg_frame_rate.as_deref(), self.r_frame_rate.as_deref());
        Stream {
            index: self.index,
            kind,
            codec: self.codec_name.filter(known),
            tag: self.codec_tag_string.filter(|text| !text.starts_with('[')),
            width: self.width,
            height: self.height,
            start_us: seconds(self.start_time),
            duration_us: seconds(self.duration),
            tag_end_us: self.tags.ends.as_deref().and_then(parse_clock_us),
            frames: self.nb_frames.and_then(|text| text.parse().ok()),
            frame_rate: frame_rate(average.and_then(parse_rational), real.and_then(parse_rational)),
            is_attached_picture: self.disposition.attached_pic != 0 || self.disposition.timed_thumbnails != 0,
            is_default: self.disposition.default != 0,
            timecode: self.tags.timecode.or(self.timecode),
            rotation: normalized_rotation(rotation),
            pixel_aspect: self.sample_aspect_ratio.filter(|text| text != "1:1" && !text.starts_with("0:")),
            field_order: self.field_order.filter(known),
            bit_depth: bit_depth(self.bits_per_raw_sample.as_deref(), self.pix_fmt.as_deref())
                .filter(|_| kind == StreamKind::Video),
            color_transfer: self.color_transfer.filter(known),
        }
    }
}

/// Frames per second out of the average and the smallest that all times fit into. Some readers count fields in one of
/// the two (GXF in the average, field-coded H.264 in the other): then the smaller is right.
pub(super) fn frame_rate(average: Option<f64>, real: Option<f64>) -> Option<f64> {
    match (average, real) {
        (Some(average), Some(real)) if ((average / real) - 2.0).abs() < 0.02 => Some(real),
        (average, real) => average.or(real),
    }
    .filter(|rate| *rate > 0.0 && *rate <= 1_000.0)
}

/// Degrees clockwise, 0 to 359, to whole quarters where it is nearly one.
pub(super) fn normalized_rotation(degrees: f64) -> u32 {
    let round = degrees.rem_euclid(360.0).round();
    // cannot exceed 360
    round as u32 % 360
}

/// Bits of a component: what the codec says, else what the name of the pixel format ends with (`yuv422p10le`).
pub(super) fn bit_depth(said: Option<&str>, pixels: Option<&str>) -> Option<u32> {
    let said = said.and_then(|text| text.parse().ok()).filter(|bits| *bits > 0);
    said.or_else(|| {
        let name = pixels?.trim_end_matches("le").trim_end_matches("be");
        if name.starts_with("rgb48") || name.starts_with("rgba64") {
            return Some(16);
        }
        let planar = name.rsplit_once('p').map(|(_, bits)| bits).or_else(|| name.strip_prefix("gray"));
        planar.and_then(|bits| bits.parse().ok()).filter(|bits| (9..=16).contains(bits)).or(Some(8))
    })
}

/// `25/1`, `30000/1001`; `0/0` is none.
pub(super) fn parse_rational(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/')?;
    let (over, under): (f64, f64) = (numerator.parse().ok()?, denominator.parse().ok()?);
    (over > 0.0 && under > 0.0).then(|| over / under)
}

/// `00:00:14.91` in microseconds; `N/A` is none.
pub(super) fn parse_clock_us(text: &str) -> Option<i64> {
    let seconds =
        text.trim().split(':').try_fold(0.0, |sum, part| part.parse::<f64>().ok().map(|it| sum * 60.0 + it))?;
    Some((seconds * 1e6).round() as i64)
}

/// `1.456778` in microseconds; `N/A` is none.
pub(super) fn parse_seconds_us(text: &str) -> Option<i64> {
    let seconds: f64 = text.trim().parse().ok()?;
    // a hundred years: what is beyond is damage
    (seconds.abs() < 3.2e9).then(|| (seconds * 1e6).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_read() {
        let answer = br#"{"streams":[
            {"index":0,"codec_name":"h264","codec_type":"video","codec_tag_string":"avc1","width":1920,"height":1080,
             "sample_aspect_ratio":"16:11","pix_fmt":"yuv422p10le","r_frame_rate":"30000/1001","avg_frame_rate":"30000/1001",
             "start_time":"1.480000","duration":"6.000000","nb_frames":"150","field_order":"tt","color_transfer":"smpte2084",
             "disposition":{"default":1,"attached_pic":0},"tags":{"timecode":"01:00:00;02"},
             "side_data_list":[{"side_data_type":"Display Matrix","rotation":-90}]},
            {"index":1,"codec_type":"data","codec_tag_string":"[0][0][0][0]"}],
            "format":{"format_name":"mxf","start_time":"1.456778","duration":"N/A","probe_score":100}}"#;
        let container = parse(answer).unwrap();
        assert_eq!((container.start_us, container.duration_us), (Some(1_456_778), None));
        let [video, data] = &container.streams[..] else { panic!("{container:?}") };
        assert_eq!((video.rotation, video.bit_depth, video.frames), (90, Some(10), Some(150)));
        assert_eq!((video.start_us, video.duration_us), (Some(1_480_000), Some(6_000_000)));
        assert_eq!((video.field_order.as_deref(), video.timecode.as_deref()), (Some("tt"), Some("01:00:00;02")));
        assert_eq!((data.kind, data.codec.as_deref(), data.tag.as_deref()), (StreamKind::Other, None, None));
        assert_eq!(parse(b"{}"), None);
        assert_eq!(parse(b"[1"), None);
    }

    #[test]
    fn numbers_are_read_as_they_are_meant() {
        assert_eq!(frame_rate(Some(50.0), Some(25.0)), Some(25.0), "fields in the average");
        assert_eq!(frame_rate(Some(25.0), Some(50.0)), Some(25.0), "fields in the other");
        assert_eq!(frame_rate(None, Some(90_000.0)), None);
        assert_eq!((parse_rational("30000/1001").map(|it| it as u32), parse_rational("0/0")), (Some(29), None));
        assert_eq!((normalized_rotation(-90.0), normalized_rotation(90.0), normalized_rotation(359.9)), (270, 90, 0));
        let depth = |pixels| bit_depth(None, Some(pixels));
        assert_eq!(
            [depth("yuv420p"), depth("yuv422p10le"), depth("gray12le"), depth("rgb48be")].map(Option::unwrap),
            [8, 10, 12, 16]
        );
        assert_eq!(
            (parse_seconds_us("1.456778"), parse_seconds_us("N/A"), parse_seconds_us("1e300")),
            (Some(1_456_778), None, None)
        );
    }
}
