//! FacialRecognition, embedded: finds faces, where and when, and names nobody (processors, section 6).

mod clip;
mod preview;

use std::path::Path;

use domain::bucket::ProcessorSettings;
use domain::item::Problem;
use domain::result::{Box as Area, Media, Model, Warning};
use domain::tracks::of_still;
use image::DynamicImage;

pub(crate) use preview::TENTH;

use super::detector::Detector;
use super::opened::{Opened, Still, open};
use super::video::FULL_SIDE;
use super::{Analysis, Trouble, draw, still, unreadable};
use crate::program::Program;

/// Scores below are mostly no faces: false hits were seen up to 1.2, true ones from 4.0 on (section 6.2).
const THRESHOLD: f64 = 2.0;
/// The smallest face in a still and in a video's frame, in pixels.
const MIN_STILL: u32 = 20;
const MIN_FRAME: u32 = 40;

/// What the detector is asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    min_face: u32,
    threshold: f64,
}

impl Asked {
    fn of(settings: &ProcessorSettings, min_face: u32) -> Self {
        Self {
            min_face: settings.min_face_px.unwrap_or(min_face).clamp(20, 1_000),
            threshold: settings.score_threshold.unwrap_or(THRESHOLD),
        }
    }

    fn detector(self) -> Result<Detector, Trouble> {
        Detector::new(self.min_face, self.threshold)
    }
}

pub(super) async fn run(settings: &ProcessorSettings, file: &Path, program: &Program) -> Result<Analysis, Trouble> {
    match open(file, program, FULL_SIDE).await? {
        Opened::Still(opened) => {
            let asked = Asked::of(settings, MIN_STILL);
            blocking(move || of_picture(*opened, asked)).await?
        }
        Opened::Video(video) => clip::run(&video, settings, Asked::of(settings, MIN_FRAME)).await,
    }
}

fn of_picture(opened: Still, asked: Asked) -> Result<Analysis, Trouble> {
    let grey = still::for_detection(&opened.picture).to_luma8();
    let tracks = of_still(&asked.detector()?.look(&grey));
    let preview = draw::picture(&opened.picture, &tracks).map_err(unreadable)?;
    let media = Media { analysis_width: Some(grey.width()), analysis_height: Some(grey.height()), ..opened.media };
    Ok(analysis(media, tracks, opened.warnings, preview))
}

/// The faces in a picture, as fractions of it.
pub(crate) fn find(picture: &DynamicImage) -> Result<Vec<Area>, Trouble> {
    let grey = still::for_detection(picture).to_luma8();
    let mut detector = Asked { min_face: MIN_STILL, threshold: THRESHOLD }.detector()?;
    Ok(detector.look(&grey).iter().map(|detection| detection.area).collect())
}

fn analysis(media: Media, tracks: Vec<domain::result::Track>, warnings: Vec<Warning>, preview: Vec<u8>) -> Analysis {
    let model = Model { id: "seeta_fd_frontal_v1.0".into(), sha256: Some(include_str!("model.sha256").trim().into()) };
    Analysis { media, tracks, warnings, backend: "embedded", models: vec![model], quality: "demo", preview }
}

/// Runs what needs the processor for long beside the event loop, which goes on extending the lease.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Trouble::Again(Problem::new("internal", "the analysis stopped without a result")))
}
