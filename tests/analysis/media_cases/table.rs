//! The cases, and what is true of each: measured in the files themselves, with ffprobe and by looking for the portrait
//! in each frame.

use std::ops::RangeInclusive;

use serde_json::{Value, json};
use system_tests::checks::{Area, Checks, Span};

/// Where the face is in all that do not move.
pub(super) const FACE: Area = [0.175, 0.242, 0.152, 0.269];
/// The size that places in pixels are told for.
const SIZE: (f64, f64) = (960.0, 540.0);

/// One file, and what has to be found.
pub(super) struct Case {
    pub(super) file: &'static str,
    /// The object's key.
    pub(super) key: &'static str,
    pub(super) status: &'static [&'static str],
    /// Code and a part of the message, where it is not Completed.
    pub(super) reason: (&'static str, &'static str),
    pub(super) tracks: RangeInclusive<usize>,
    /// Whether the preview is looked at.
    pub(super) preview: bool,
    /// When the face is seen, and when its range ends if the file leaves that open.
    spans: Vec<Span>,
    open_end: Option<Span>,
    place: fn(u64) -> Area,
    /// The middle of a box may be so far from the face's, in pixels of [`SIZE`].
    within: Option<f64>,
    duration_ms: Option<u64>,
    media: Vec<(&'static str, Value)>,
    /// One of these has to be warned of; others may be.
    warned: &'static [&'static str],
    may_warn: &'static [&'static str],
}

impl Case {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        checks.tracks(self.tracks.clone());
        match self.open_end {
            Some(end) => checks.range_ends_within(self.spans[0].0, end),
            None if *self.tracks.end() == 1 => checks.ranges(&self.spans),
            None => {}
        }
        if !self.spans.is_empty() || self.is_still() {
            checks.boxes(if self.is_still() { &[(0, 1)] } else { &self.spans }, self.place);
        }
        if let Some(within) = self.within {
            checks.middles(SIZE, within, self.place);
        }
        if let Some(it) = self.duration_ms {
            checks.number("duration_ms", it as f64, 40.0);
        }
        for (member, value) in &self.media {
            checks.media(member, value);
        }
        checks.warnings(self.warned, self.may_warn);
    }

    fn is_still(&self) -> bool {
        self.duration_ms.is_none() && self.spans.is_empty() && *self.tracks.start() == 1
    }

    fn key(self, key: &'static str) -> Self {
        Self { key, ..self }
    }

    fn spans(self, spans: &[Span]) -> Self {
        Self { spans: spans.to_vec(), ..self }
    }

    /// The last frame's face may be told to end in this span.
    fn open_end(self, from: u64, to: u64) -> Self {
        Self { open_end: Some((from, to)), ..self }
    }

    fn duration(self, ms: u64) -> Self {
        Self { duration_ms: Some(ms), ..self }
    }

    /// Width and height, in pixels of the file.
    fn size(mut self, width: u32, height: u32) -> Self {
        self.media.extend([("width", json!(width)), ("height", json!(height))]);
        self
    }

    fn media(mut self, member: &'static str, value: Value) -> Self {
        self.media.push((member, value));
        self
    }

    fn moves(self, place: fn(u64) -> Area, within: Option<f64>) -> Self {
        Self { place, within, ..self }
    }

    fn tracks(self, tracks: RangeInclusive<usize>) -> Self {
        Self { tracks, ..self }
    }

    fn warned(self, warned: &'static [&'static str]) -> Self {
        Self { warned, ..self }
    }

    fn may_warn(self, may_warn: &'static [&'static str]) -> Self {
        Self { may_warn, ..self }
    }

    /// No preview is asked for.
    fn without_preview(self) -> Self {
        Self { preview: false, may_warn: &["preview"], ..self }
    }

    /// It may also be refused, for this reason.
    fn or(self, status: &'static [&'static str], code: &'static str, part: &'static str) -> Self {
        Self { status, reason: (code, part), ..self }
    }
}

/// A face at [`FACE`] from 2 to 4 s of 6 s.
fn usual(file: &'static str) -> Case {
    Case {
        file,
        key: file,
        status: &["Completed"],
        reason: ("", ""),
        tracks: 1..=1,
        preview: true,
        spans: vec![(2_000, 4_000)],
        open_end: None,
        place: |_| FACE,
        within: None,
        duration_ms: Some(6_000),
        media: Vec::new(),
        warned: &[],
        may_warn: &[],
    }
}

/// A picture with the face.
fn still(file: &'static str) -> Case {
    Case { duration_ms: None, spans: Vec::new(), ..usual(file) }
}

/// A video in which nobody is.
fn nobody(file: &'static str, duration_ms: u64) -> Case {
    Case { tracks: 0..=0, duration_ms: Some(duration_ms), spans: Vec::new(), ..usual(file) }
}

/// A file without a result.
fn refused(file: &'static str, status: &'static [&'static str], code: &'static str, part: &'static str) -> Case {
    still(file).or(status, code, part)
}

/// A face that starts at 1 s with its left edge at 88 px, and goes on by so many pixels a second.
fn walking(at: u64, speed: f64) -> Area {
    let x = 88.0 + speed * (at as f64 - 1_000.0) / 1_000.0;
    [x / SIZE.0, FACE[1], FACE[2], FACE[3]]
}

/// All of them, as they lie in the bucket.
pub(super) fn cases() -> Vec<Case> {
    [videos(), times(), moving(), damaged(), stills()].into_iter().flatten().collect()
}

/// Containers and brands.
fn videos() -> Vec<Case> {
    let small = || nobody("small.mxf", 1_000).size(320, 240);
    vec![
        // 113 frames
        usual("op1a_tc.mxf")
            .duration(4_520)
            .size(320, 180)
            .media("timecode", json!({ "start": "10:00:00:00", "drop_frame": false })),
        small(),
        small().key("upper.MXF"),
        small().key("without-an-extension"),
        // 58 frames: the face's time ends with the file; the first frame stands at 40 ms
        usual("tv.gxf").spans(&[(2_000, 2_320)]).open_end(2_080, 2_540).duration(2_320).size(720, 576),
        usual("start14.ts").size(960, 540),
        usual("avchd.mts").size(960, 540),
        // 2 frames
        usual("two_frames.dv")
            .spans(&[(0, 80)])
            .open_end(40, 500)
            .duration(80)
            .size(720, 576)
            .media("pixel_aspect", json!("64:45")),
        usual("phone.3gp").size(640, 360),
        usual("xavc_s.mp4").size(960, 540),
        usual("iso8.mp4"),
        usual("cmfc.mp4"),
        usual("free_first.mov"),
        usual("doctype_long.mkv"),
        usual("theora.ogv").size(640, 360),
        // 720 x 576, shown 1024 x 576: 64:45 is what the file says, and 16:9 what that makes
        usual("sar1611.mp4").size(720, 576).media("pixel_aspect", json!("64:45")),
        // the face has 24 px: it may be too small
        usual("tiny160.mp4").size(160, 90).tracks(0..=2).without_preview(),
        usual("meta_duration.mp4").size(960, 540),
        refused("meta_video.mp4", &["Skipped"], "unsupported_media", "sound and no pictures"),
        refused("cover_isom.mp4", &["Skipped"], "unsupported_media", "sound and no pictures"),
    ]
}

/// Few pictures, late ones, faces for a short while.
fn times() -> Vec<Case> {
    vec![
        usual("late.mp4").spans(&[(2_200, 3_600)]),
        usual("face09.mp4").spans(&[(2_320, 3_200)]),
        // the third of three slides of 10 s
        usual("slide_cfr.mp4").spans(&[(20_000, 30_000)]).open_end(20_000, 30_000).duration(30_000).without_preview(),
        usual("one_picture_and_sound.mp4").spans(&[(0, 6_000)]).open_end(0, 6_000).without_preview(),
        // twice the same 3 s with the face from 2 to 3 s: what becomes of the second's times is open
        Case { duration_ms: None, ..usual("ps_joined.mpg") }
            .spans(&[(2_000, 3_000), (5_000, 6_000)])
            .tracks(1..=2)
            .without_preview()
            .may_warn(&["preview", "duration", "timestamps"]),
        // the video begins 3.021 s after the sound, and shows the face to its end: 100 frames, to 7.021 s of 8.021 s
        usual("video_starts_late.mkv").spans(&[(3_021, 7_021)]).duration(8_021),
        usual("frames6.mp4").spans(&[(0, 240)]).open_end(200, 500).duration(240),
        nobody("oneframe.mp4", 40).size(320, 240).without_preview(),
        nobody("short.mp4", 160).size(320, 240).without_preview(),
    ]
}

/// Faces that move: at 1 s the left edge of the face is at 88 px.
fn moving() -> Vec<Case> {
    vec![
        usual("pan.mp4").spans(&[(1_000, 5_000)]).moves(|at| walking(at, 100.0), Some(5.0)),
        usual("walk.mp4").spans(&[(1_000, 5_000)]).moves(|at| walking(at, 160.0), None),
        usual("moving.mp4").spans(&[(1_000, 3_000)]).duration(4_000).moves(|at| walking(at, 300.0), None),
    ]
}

/// Cut off, encrypted, or other than they say.
fn damaged() -> Vec<Case> {
    vec![
        // 64 frames can be decoded, to 2.680 s
        Case { duration_ms: None, ..usual("trunc_faststart.mp4") }
            .spans(&[(2_000, 2_680)])
            .open_end(2_640, 3_000)
            .warned(&["truncated"])
            .may_warn(&["decode_errors"])
            .or(&["Completed", "Failed"], "media_unreadable", "2.6"),
        Case { duration_ms: None, ..usual("wrong_duration.mp4").warned(&["duration", "truncated"]) },
        refused("cenc.mp4", &["Failed"], "media_unreadable", "encrypted"),
        refused("cut_no_moov.mp4", &["Failed"], "media_unreadable", "moov atom not found"),
        refused("trunc_exif_thumb.jpg", &["Failed"], "media_unreadable", "cut off"),
    ]
}

/// Pictures.
fn stills() -> Vec<Case> {
    let either = &["Completed", "Skipped"];
    vec![
        still("bigtiff.tif"),
        // a picture of the face alone, 170 x 180
        Case { place: |_| [0.259, 0.256, 0.429, 0.4], ..still("first_red67.tif").size(170, 180) },
        still("jpegintiff.tif").or(&["Completed", "Skipped", "Failed"], "", "JPEG"),
        still("trail_100k.jpg").size(960, 540),
        still("motion_photo_like.jpg").size(960, 540),
        still("thumbnail_first.dng").or(either, "unsupported_media", "DNG"),
        still("a.heic").or(either, "unsupported_media", "HEI"),
        still("a.avif").or(either, "unsupported_media", "AV"),
        still("a.jp2").or(either, "unsupported_media", "JPEG 2000"),
        still("a.jxl").or(either, "unsupported_media", "JPEG XL"),
        Case { tracks: 0..=0, ..still("hidden-red.png").size(64, 64) },
    ]
}
