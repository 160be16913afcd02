//! What a processor returns.

use domain::result::{MediaInfo, Model, Track, Warning};

/// The result of a processor.
#[derive(Debug)]
pub struct Analysis {
    pub media: MediaInfo,
    pub tracks: Vec<Track>,
    pub warnings: Vec<Warning>,
    pub backend: &'static str,
    pub models: Vec<Model>,
    /// How far the result can be trusted (processors, section 6).
    pub quality: &'static str,
    /// The picture, or a frame for each track, with boxes around the faces; JPEG.
    pub preview: Vec<u8>,
}

impl Analysis {
    /// A result of the embedded face detector.
    pub(super) fn of_faces(media: MediaInfo, tracks: Vec<Track>, warnings: Vec<Warning>, preview: Vec<u8>) -> Self {
        let sha256 = include_str!("model.sha256").trim().into();
        let model = Model { id: "seeta_fd_frontal_v1.0".into(), sha256: Some(sha256) };
        Self { media, tracks, warnings, backend: "embedded", models: vec![model], quality: "demo", preview }
    }
}
