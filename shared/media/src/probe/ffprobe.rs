//! The output of `ffprobe -of json -show_format -show_streams`.

use serde::Deserialize;

use super::container::Container;
use super::stream::{Stream, StreamKind};
use super::values::{bit_depth, frame_rate, normalized_rotation, parse_clock_us, parse_rational, parse_seconds_us};

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
    /// The end of a Matroska track on the container's clock: `00:00:07.021000000`.
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

/// `None` where ffprobe could not read the file: its output is `{}` then.
pub(super) fn parse(output: &[u8]) -> Option<Container> {
    let output: FfprobeOutput = serde_json::from_slice(output).ok()?;
    let format = output.format?;
    let seconds = |text: Option<String>| text.as_deref().and_then(parse_seconds_us);
    Some(Container {
        name: format.format_name,
        start_us: seconds(format.start_time),
        duration_us: seconds(format.duration),
        probe_score: format.probe_score.unwrap_or(100),
        bytes: 0,
        timecode: format.tags.timecode,
        streams: output.streams.into_iter().map(FfprobeStream::into_stream).collect(),
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
        // the display matrix's angle is counter-clockwise; the tag of older versions is clockwise
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
}
