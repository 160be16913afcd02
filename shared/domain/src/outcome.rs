//! How work on an item stands or ends: its status, a problem, or the summary of a result.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::processor::ProcessorKind;

/// The status of an item. The names are those of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ItemStatus {
    Pending,
    Processing,
    Completed,
    Failed,
    Skipped,
}

impl ItemStatus {
    /// All statuses, in the order in which an item passes through them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Skipped];

    /// The name in the API, in rows and in notifications.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Processing => "Processing",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Skipped => "Skipped",
        }
    }
}

impl std::str::FromStr for ItemStatus {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.name().eq_ignore_ascii_case(text)).ok_or(())
    }
}

/// Why processing failed: a code (processors, section 2.5), a message, and an optional hint for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint. The message is cut after 1,000 characters.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self { code: code.to_owned(), message: message.chars().take(1_000).collect(), hint: None }
    }

    /// Whether the code says that there is nothing to do: then work ends as Skipped (processors, section 2.5).
    pub fn ends_skipped(&self) -> bool {
        ["unsupported_media", "no_audio", "no_speech", "too_large", "too_long"].contains(&self.code.as_str())
    }
}

/// A summary of a result. The result document is in the results bucket under the key `document`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResultSummary {
    /// Number of tracks of faces, not of people: a person who reappears later, or after a cut, is another track.
    pub faces: u64,
    /// Number of tracks of objects.
    #[serde(skip_serializing_if = "is_zero")]
    pub objects: u64,
    /// The labels of the objects, each once, at most [`MAX_LABELS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Number of cues of the transcript.
    #[serde(skip_serializing_if = "is_zero")]
    pub cues: u64,
    /// The languages of the subtitles, each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    pub quality: String,
    pub document: String,
    /// The key of the picture with the boxes; empty if there is none.
    pub preview: String,
    /// SHA-256 of the media, in hex.
    pub sha256: String,
}

/// The most labels that a summary names.
pub const MAX_LABELS: usize = 20;

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl ResultSummary {
    /// What the API and notifications say of the result: counts, nothing that identifies a person (processors, section 10).
    pub fn counts(&self, processor: ProcessorKind) -> Value {
        match processor {
            ProcessorKind::FacialRecognition => json!({ "faces": self.faces, "quality": self.quality }),
            ProcessorKind::ObjectDetection => {
                json!({ "objects": self.objects, "labels": self.labels, "quality": self.quality })
            }
            ProcessorKind::AutoTranslation => {
                json!({ "cues": self.cues, "languages": self.languages, "quality": self.quality })
            }
        }
    }
}
