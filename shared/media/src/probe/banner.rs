//! The banner of `ffmpeg -i`, parsed by the indentation of its lines: `Input #0` without any, `Duration` and `Stream` by
//! two blanks, their details by more. A title or a comment cannot have such an indentation.

use super::container::Container;
use super::stream::{Stream, StreamKind};
use super::values::{bit_depth, frame_rate, normalized_rotation, parse_clock_us, parse_seconds_us};

/// What the lines so far contain.
#[derive(Debug, Default)]
pub(super) struct Banner {
    container: Option<Container>,
}

impl Banner {
    pub(super) fn read_line(&mut self, line: &str) {
        let depth = line.len() - line.trim_start().len();
        let text = line.trim();
        if depth == 0 {
            // `Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:…':`
            if let Some(input) = text.strip_prefix("Input #0, ")
                && self.container.is_none()
            {
                let name = input.split(", from '").next().unwrap_or_default().to_owned();
                self.container = Some(Container {
                    name,
                    start_us: None,
                    duration_us: None,
                    probe_score: 100,
                    bytes: 0,
                    timecode: None,
                    streams: Vec::new(),
                });
            }
            return;
        }
        let Some(container) = &mut self.container else { return };
        match (depth, text.split_once(':')) {
            (2, Some(("Duration", rest))) => {
                for part in format!("duration:{rest}").split(", ") {
                    match part.split_once(':') {
                        Some(("duration", clock)) => container.duration_us = parse_clock_us(clock),
                        Some(("start", seconds)) => container.start_us = parse_seconds_us(seconds),
                        _ => {}
                    }
                }
            }
            (2, _) if text.starts_with("Stream #0:") => container.streams.extend(parse_stream(text)),
            // side data and tags belong to the stream above them, or to the container
            (4.., Some((key, value))) => {
                let (key, value) = (key.trim(), value.trim());
                match container.streams.last_mut() {
                    Some(stream) if key == "DURATION" => stream.tag_end_us = parse_clock_us(value),
                    Some(stream) if key.eq_ignore_ascii_case("timecode") => stream.timecode = Some(value.to_owned()),
                    Some(stream) if key == "displaymatrix" => {
                        let angle = value.strip_prefix("rotation of ").and_then(|it| it.split(' ').next());
                        let angle = angle.and_then(|it| it.parse::<f64>().ok());
                        stream.rotation = normalized_rotation(-angle.unwrap_or(0.0));
                    }
                    None if key.eq_ignore_ascii_case("timecode") => container.timecode = Some(value.to_owned()),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    pub(super) fn finish(self) -> Option<Container> {
        self.container
    }
}

/// `Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709, progressive), 720x576 [SAR 16:11
/// DAR 20:11], 74 kb/s, 25 fps, 25 tbr, 12800 tbn (default)`.
fn parse_stream(text: &str) -> Option<Stream> {
    let rest = text.strip_prefix("Stream #0:")?;
    let digits = rest.find(|it: char| !it.is_ascii_digit())?;
    let index = rest[..digits].parse().ok()?;
    let (_, rest) = rest.split_once(": ")?;
    let (kind, rest) = rest.split_once(": ")?;
    let kind = match kind {
        "Video" => StreamKind::Video,
        "Audio" => StreamKind::Audio,
        _ => StreamKind::Other,
    };
    let parts = split_top_level(rest);
    let codec = parts.first()?.split(' ').next()?.to_owned();
    let tag = parts.first()?.rsplit_once('(').and_then(|(_, tag)| tag.split(" / ").next());
    let size = parts.iter().find_map(|part| {
        let (width, height) = part.split(' ').next()?.split_once('x')?;
        Some((width.parse::<u32>().ok()?, height.parse::<u32>().ok()?))
    });
    let number = |unit: &str| parts.iter().find_map(|part| part.strip_suffix(unit)?.trim().parse::<f64>().ok());
    let pixels = parts.get(1).map(|part| part.split('(').next().unwrap_or(part));
    let details: Vec<&str> = parts
        .get(1)
        .and_then(|part| part.split_once('(')?.1.strip_suffix(')'))
        .map_or(Vec::new(), |it| it.split(", ").collect());
    let field_order = details.iter().find_map(|detail| match *detail {
        "progressive" => Some("progressive"),
        "top first" => Some("tt"),
        "bottom first" => Some("bb"),
        "top coded first (swapped)" => Some("tb"),
        "bottom coded first (swapped)" => Some("bt"),
        _ => None,
    });
    let sar = parts.iter().find_map(|part| part.split_once("SAR ")?.1.split([' ', ']']).next());
    let transfer = details.iter().find_map(|detail| detail.split('/').nth(2)).filter(|it| *it != "unknown");
    // flags follow the last part: `12800 tbn (default) (attached pic)`
    let flags = parts.last().copied().unwrap_or_default();
    Some(Stream {
        index,
        kind,
        codec: Some(codec).filter(|it| it != "none" && it != "unknown"),
        tag: tag.filter(|it| !it.starts_with('[')).map(str::to_owned),
        width: size.map_or(0, |it| it.0),
        height: size.map_or(0, |it| it.1),
        start_us: None,
        duration_us: None,
        tag_end_us: None,
        frames: None,
        frame_rate: frame_rate(number(" fps"), parts.iter().find_map(|part| parse_kilo(part.strip_suffix(" tbr")?))),
        is_attached_picture: flags.contains("(attached pic)") || flags.contains("(timed thumbnails)"),
        is_default: flags.contains("(default)"),
        timecode: None,
        rotation: 0,
        pixel_aspect: sar.filter(|it| *it != "1:1" && !it.starts_with("0:")).map(str::to_owned),
        field_order: field_order.map(str::to_owned),
        bit_depth: bit_depth(None, pixels).filter(|_| kind == StreamKind::Video),
        color_transfer: transfer.map(str::to_owned),
    })
}

/// The parts between commas outside brackets.
fn split_top_level(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_u32, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts
}

/// `25`, `90k`.
fn parse_kilo(text: &str) -> Option<f64> {
    match text.strip_suffix('k') {
        Some(text) => text.parse::<f64>().ok().map(|it| it * 1_000.0),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "\
Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:/tmp/x/media':
  Metadata:
    title           : Video: h264
    comment         : first
                    :   Duration: 10:00:00.00, start: 5.000000
                    :   Stream #0:7: Video: h264, yuv420p, 1x1, 1 fps
    timecode        : 10:00:00:00
  Duration: 01:02:03.50, start: 1.456778, bitrate: 74 kb/s
  Program 1 
    Metadata:
      service_name    : Service01
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p10le(tv, bt2020nc/bt2020/smpte2084, top first), \
720x576 [SAR 16:11 DAR 20:11], 74 kb/s, 25 fps, 25 tbr, 12800 tbn (default)
    Metadata:
      handler_name    : VideoHandler
      timecode        : 01:00:00;02
    Side data:
      displaymatrix: rotation of -90.00 degrees
  Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, mono, fltp, 69 kb/s (default)
  Stream #0:2: Video: mjpeg (Baseline), yuvj420p(pc, bt470bg/unknown/unknown), 300x300 [SAR 1:1 DAR 1:1], 90k tbr, 90k tbn \
(attached pic)
At least one output file must be specified
";

    #[test]
    fn lines_are_read_by_their_place() {
        let mut banner = Banner::default();
        LINES.lines().for_each(|line| banner.read_line(line));
        let container = banner.finish().unwrap();
        assert_eq!(container.name, "mov,mp4,m4a,3gp,3g2,mj2");
        assert_eq!((container.duration_us, container.start_us), (Some(3_723_500_000), Some(1_456_778)));
        assert_eq!((container.timecode.as_deref(), container.streams.len()), (Some("10:00:00:00"), 3));
        let [video, sound, cover] = &container.streams[..] else { panic!("{container:?}") };
        assert_eq!((video.codec.as_deref(), video.tag.as_deref()), (Some("h264"), Some("avc1")));
        assert_eq!((video.width, video.height, video.rotation, video.frame_rate), (720, 576, 90, Some(25.0)));
        assert_eq!((video.pixel_aspect.as_deref(), video.bit_depth), (Some("16:11"), Some(10)));
        assert_eq!((video.field_order.as_deref(), video.color_transfer.as_deref()), (Some("tt"), Some("smpte2084")));
        assert_eq!(
            (video.timecode.as_deref(), video.is_default, video.is_attached_picture),
            (Some("01:00:00;02"), true, false)
        );
        assert_eq!((sound.kind, cover.is_attached_picture, cover.width), (StreamKind::Audio, true, 300));
    }

    #[test]
    fn what_is_not_there_is_none() {
        let mut banner = Banner::default();
        for line in ["Input #0, h264, from 'file:/x':", "  Duration: N/A, bitrate: N/A", "  Stream #0:0: Video: none"] {
            banner.read_line(line);
        }
        let container = banner.finish().unwrap();
        assert_eq!((container.duration_us, container.start_us), (None, None));
        assert_eq!(container.streams[0].codec, None);
        assert!(Banner::default().finish().is_none());
    }
}
