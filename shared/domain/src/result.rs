//! The result document `processor-result/1` (processors, section 3): what a processor found, in one shape for all.
//!
//! Times are milliseconds from the start of the media, boxes are fractions 0 to 1 of the rotated picture with the
//! origin at the top left, confidences 0 to 1.

use serde::{Deserialize, Serialize};

use crate::timecode::StartTimecode;

/// The value of `schema`.
pub const SCHEMA: &str = "processor-result/1";

/// A whole result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultDocument {
    pub schema: String,
    pub job_id: String,
    pub asset: Asset,
    pub producer: Producer,
    pub media: MediaInfo,
    pub tracks: Vec<Track>,
    pub warnings: Vec<Warning>,
}

/// What was analysed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    pub id: String,
    pub version: String,
    pub sha256: String,
}

/// What analysed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    pub kind: String,
    pub backend: String,
    pub models: Vec<Model>,
    /// `production`, `gist` or `demo`: how far the result can be trusted.
    pub quality: String,
}

/// A model and the hash of its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    pub id: String,
    pub sha256: Option<String>,
}

/// The media of the file, and how it was analysed. What a file does not have, or does not say, is absent: a still has
/// no duration, and most files no timecode.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MediaInfo {
    pub duration_ms: Option<u64>,
    /// Pixels of the file's picture, turned as it is shown, before its pixels are made square.
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Frames per second that were looked at, at least.
    pub sample_fps: Option<f32>,
    /// Pixels of the picture that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis_width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis_height: Option<u32>,
    /// Frames per second of the file, on the average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// ffmpeg's name of the codec, such as `h264`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// ffmpeg's name of the format, such as `mxf`; several where it has one reader for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timecode: Option<StartTimecode>,
    /// Width to height of a pixel, such as `16:11`, where pixels are not square.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_aspect: Option<String>,
    /// Degrees clockwise by which the file says that its picture is turned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<u32>,
    /// `progressive`, or ffmpeg's order of the fields: `tt`, `bb`, `tb`, `bt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_order: Option<String>,
    /// Bits of a sample of a colour component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_depth: Option<u32>,
    /// ffmpeg's name of the transfer function, such as `smpte2084` for HDR10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
}

/// One thing that was seen, over time: for as long as it was in sight, so that one person can have several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub label: String,
    /// Always null on the embedded backend: it finds faces and names nobody.
    pub person: Option<serde_json::Value>,
    pub ranges: Vec<TimeRange>,
    pub samples: Vec<Sample>,
}

/// When a track was visible; videos only. It ends where the next frame that was looked at does not show it, or a sample
/// interval after the last sample, or with the media (section 3.3).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TimeRange {
    pub start_ms: u64,
    pub end_ms: u64,
    pub confidence: f64,
    /// The same in the file's timecode, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timecode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_timecode: Option<String>,
}

/// Where a track was at one time; 0 for stills.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub t_ms: u64,
    #[serde(rename = "box")]
    pub bounding_box: BoundingBox,
    pub confidence: f64,
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoundingBox {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

/// Something that a reader should know.
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
    /// The part inside the picture; `None` if nothing is left.
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
