//! The result document `processor-result/1` (processors, section 3): one format for all processors.
//!
//! Times are in milliseconds from the start of the media. Boxes are fractions 0 to 1 of the upright picture with the
//! origin at the top left. Confidences are 0 to 1.

use serde::{Deserialize, Serialize};

use crate::timecode::StartTimecode;
use crate::transcript::{Subtitle, Transcript};

/// The value of the member `schema`.
pub const SCHEMA: &str = "processor-result/1";

/// A result document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultDocument {
    pub schema: String,
    pub job_id: String,
    pub asset: Asset,
    pub producer: Producer,
    pub media: MediaInfo,
    #[serde(default)]
    pub tracks: Vec<Track>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Transcript>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subtitles: Vec<Subtitle>,
    pub warnings: Vec<Warning>,
}

/// The analysed asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    pub id: String,
    pub version: String,
    pub sha256: String,
}

/// The processor that produced the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    pub kind: String,
    pub backend: String,
    pub models: Vec<Model>,
    /// How far the result can be trusted: `production`, `gist` or `demo`.
    pub quality: String,
}

/// A model and the SHA-256 of its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    pub id: String,
    pub sha256: Option<String>,
}

/// Properties of the media file and of its analysis. Absent means that the file does not have or does not state the
/// property: a still has no duration, and most files have no timecode.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MediaInfo {
    pub duration_ms: Option<u64>,
    /// Size in pixels as displayed (after rotation), before scaling to square pixels.
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Minimum number of frames analysed per second.
    pub sample_fps: Option<f32>,
    /// Size in pixels of the analysed picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis_width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis_height: Option<u32>,
    /// Average frame rate of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// ffmpeg's name of the codec, such as `h264`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// ffmpeg's name of the container format, such as `mxf`; several names where one demuxer reads several formats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timecode: Option<StartTimecode>,
    /// Pixel aspect ratio (width:height), such as `16:11`; absent for square pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_aspect: Option<String>,
    /// Rotation stated by the file, in degrees clockwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<u32>,
    /// `progressive`, or ffmpeg's field order: `tt`, `bb`, `tb`, `bt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_order: Option<String>,
    /// Bits per colour component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_depth: Option<u32>,
    /// ffmpeg's name of the transfer function, such as `smpte2084` for HDR10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
}

/// One face or object over time, for as long as it stays in sight. One person can have several tracks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub label: String,
    /// A possible match: `collection`, `id`, `similarity`. Always null with the embedded backend, which detects faces but
    /// does not identify people.
    pub person: Option<serde_json::Value>,
    pub ranges: Vec<TimeRange>,
    pub samples: Vec<Sample>,
}

/// A period in which a track was visible; videos only. It ends at the next analysed frame that does not show it, one
/// sample interval after the last sample, or at the end of the media (section 3.3).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TimeRange {
    pub start_ms: u64,
    pub end_ms: u64,
    pub confidence: f64,
    /// The same in the file's timecode, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timecode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_timecode: Option<String>,
}

/// The position of a track at one time; 0 for stills.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub t_ms: u64,
    /// Null in JSON, and empty here, if the backend gives none.
    #[serde(rename = "box", with = "box_or_null")]
    pub bounding_box: BoundingBox,
    pub confidence: f64,
}

/// A rectangle, in fractions of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoundingBox {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

/// A warning for the reader of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub code: String,
    pub message: String,
}

impl Warning {
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

impl BoundingBox {
    /// The box of a sample without one.
    pub const EMPTY: Self = Self { x: 0.0, y: 0.0, w: 0.0, h: 0.0 };

    /// Whether it has no area.
    pub fn is_empty(&self) -> bool {
        self.w <= 0.0 || self.h <= 0.0
    }

    /// The part inside the picture; `None` if there is none.
    pub fn clamped(self) -> Option<Self> {
        let (left, top) = (self.x.clamp(0.0, 1.0), self.y.clamp(0.0, 1.0));
        let (right, bottom) = ((self.x + self.w).clamp(0.0, 1.0), (self.y + self.h).clamp(0.0, 1.0));
        let inside = Self { x: left, y: top, w: right - left, h: bottom - top };
        (inside.w > 0.0 && inside.h > 0.0).then_some(inside)
    }

    /// Intersection over union, 0 to 1.
    pub fn iou(&self, other: &Self) -> f64 {
        let width = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let height = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        let intersection = width.max(0.0) * height.max(0.0);
        let union = self.w * self.h + other.w * other.h - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }
}

mod box_or_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::BoundingBox;

    pub(super) fn serialize<S: Serializer>(area: &BoundingBox, to: S) -> Result<S::Ok, S::Error> {
        (!area.is_empty()).then_some(area).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BoundingBox, D::Error> {
        Ok(Option::deserialize(from)?.unwrap_or(BoundingBox::EMPTY))
    }
}
