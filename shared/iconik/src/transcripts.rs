//! Transcripts and subtitle tracks, for processors of speech (section 3.13).

use serde_json::json;
use uuid::Uuid;

use crate::client::{Iconik, IconikError};

impl Iconik {
    /// Replaces a version's transcript in a language (ISO 639-1) by subtitles (WebVTT).
    pub async fn put_transcript(
        &self,
        asset: Uuid,
        version: Uuid,
        language: &str,
        webvtt: &str,
    ) -> Result<(), IconikError> {
        let path = format!("/API/assets/v1/assets/{asset}/versions/{version}/transcriptions/subtitles/");
        let body =
            json!({ "content": webvtt, "format": "WEBVTT", "language": language, "delete_old_transcriptions": true });
        self.post_query(&path, &body).await.map(drop)
    }

    /// Adds a subtitle track (WebVTT) to a version.
    pub async fn put_subtitles(
        &self,
        asset: Uuid,
        version: Uuid,
        format: Uuid,
        language: &str,
        webvtt: &str,
    ) -> Result<(), IconikError> {
        let path = format!("/API/files/v1/assets/{asset}/subtitles/");
        let body = json!({
            "language": language, "closed_captions": false, "format_id": format, "content": webvtt, "version_id": version,
        });
        self.post(&path, &body).await.map(drop)
    }
}
