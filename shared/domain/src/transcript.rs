//! What was said, and its translations, as result documents hold them (processors, section 3). Times are in milliseconds
//! from the start of the media.

use serde::{Deserialize, Serialize};

/// What was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// Such as `en-US`.
    pub language: String,
    /// 0 to 1.
    #[serde(default)]
    pub language_confidence: Option<f64>,
    #[serde(default)]
    pub words: Vec<SpokenWord>,
    pub cues: Vec<Cue>,
}

/// A word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpokenWord {
    #[serde(rename = "w")]
    pub text: String,
    #[serde(rename = "s")]
    pub start_ms: u64,
    #[serde(rename = "e")]
    pub end_ms: u64,
    /// 0 to 1.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
}

/// A line or two of text that are shown together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cue {
    /// From 1 on.
    #[serde(rename = "i")]
    pub number: u32,
    #[serde(rename = "s")]
    pub start_ms: u64,
    #[serde(rename = "e")]
    pub end_ms: u64,
    pub text: String,
}

/// A file of subtitles in the results bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subtitle {
    pub language: String,
    #[serde(default)]
    pub translated_from: Option<String>,
    pub format: SubtitleFormat,
    pub key: String,
    /// Whether a machine wrote them: always, of ours.
    pub machine: bool,
}

/// A format of subtitle files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubtitleFormat {
    /// WebVTT.
    Vtt,
    /// SubRip.
    Srt,
}

impl SubtitleFormat {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Vtt, Self::Srt];

    /// The end of a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Vtt => "vtt",
            Self::Srt => "srt",
        }
    }

    /// The media type (WebVTT, section 7; SRT has none that is registered, and players know this one).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Vtt => "text/vtt; charset=utf-8",
            Self::Srt => "application/x-subrip; charset=utf-8",
        }
    }
}
