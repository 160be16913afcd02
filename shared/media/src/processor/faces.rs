//! FacialRecognition, embedded: finds faces, where and when, and names nobody (processors, section 6).

use std::path::Path;

use domain::bucket::ProcessorSettings;
use domain::item::Problem;
use domain::result::{Box as Area, Media, Model, Warning};
use domain::tracks::{of_still, of_video};

use super::detector::Detector;
use super::video::{SIDE, Video};
use super::{Analysis, Trouble, draw, still, unreadable};
use crate::program::Program;

/// Scores below are mostly no faces: false hits were seen up to 1.2, true ones from 4.0 on (section 6.2).
const THRESHOLD: f64 = 2.0;
/// The smallest face in a still and in a video's frame, in pixels; the detector finds none below 40.
const MIN_STILL: u32 = 20;
const MIN_FRAME: u32 = 40;
/// Frames per second that are looked at, and how many at most: 4,000 are about 100 CPU-seconds of the detector.
const FPS: f32 = 2.0;
const MOST_FRAMES: f64 = 4_000.0;

/// What the detector is asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    min_face: u32,
    threshold: f64,
}

impl Asked {
    fn detector(self) -> Result<Detector, Trouble> {
        Detector::new(self.min_face, self.threshold)
    }
}

pub(super) async fn run(settings: &ProcessorSettings, file: &Path, program: &Program) -> Result<Analysis, Trouble> {
    let kind = infer::get_from_path(file).map_err(unreadable)?;
    let threshold = settings.score_threshold.unwrap_or(THRESHOLD);
    let asked = |default: u32| Asked { min_face: settings.min_face_px.unwrap_or(default).clamp(20, 1_000), threshold };
    match kind.map(|it| it.matcher_type()) {
        Some(infer::MatcherType::Image) => {
            let (file, asked, most) = (file.to_owned(), asked(MIN_STILL), program.share());
            blocking(move || of_picture(&file, asked, most)).await?
        }
        Some(infer::MatcherType::Video) => of_clip(file, settings, asked(MIN_FRAME), program).await,
        _ => {
            let shown = kind.map_or("unknown bytes", |it| it.mime_type());
            Err(Trouble::Skip(Problem::new("unsupported_media", format!("{shown} is neither a picture nor a video"))))
        }
    }
}

fn of_picture(file: &Path, asked: Asked, most: u64) -> Result<Analysis, Trouble> {
    let picture = still::read(file, most)?;
    let grey = still::scaled(&picture, still::LONG_SIDE).to_luma8();
    let tracks = of_still(&asked.detector()?.look(&grey));
    let preview = draw::picture(&picture, &tracks).map_err(unreadable)?;
    let media = Media { width: Some(picture.width()), height: Some(picture.height()), ..Media::default() };
    Ok(analysis(media, tracks, Vec::new(), preview))
}

async fn of_clip(
    file: &Path,
    settings: &ProcessorSettings,
    asked: Asked,
    program: &Program,
) -> Result<Analysis, Trouble> {
    let video = Video::open(program, file).await?;
    let wanted = settings.sample_fps.unwrap_or(FPS).clamp(0.1, 10.0);
    let seconds = video.duration_ms.map_or(0.0, |it| it as f64 / 1_000.0);
    let fps = if seconds * f64::from(wanted) > MOST_FRAMES { (MOST_FRAMES / seconds) as f32 } else { wanted };
    let mut warnings = Vec::new();
    if fps < wanted {
        let message = format!("the video is long: {fps:.2} frames per second were looked at, not {wanted}");
        warnings.push(Warning { code: "sampled_sparsely".into(), message });
    }
    let mut detector = asked.detector()?;
    let frames = video.frames(fps, move |grey| detector.look(&grey)).await?;
    let tracks = of_video(&frames.detections, fps);
    let mut pictures = Vec::new();
    for track in tracks.iter().take(draw::MOST_FRAMES) {
        let best = track.samples.iter().max_by(|a, b| a.confidence.total_cmp(&b.confidence));
        if let Some(best) = best {
            pictures.push((video.picture(best.t_ms, SIDE).await?, best.area));
        }
    }
    if pictures.is_empty() {
        pictures.push((video.picture(0, SIDE).await?, Area { x: 0.0, y: 0.0, w: 0.0, h: 0.0 }));
    }
    let preview = blocking(move || draw::sheet(&pictures)).await?.map_err(unreadable)?;
    let (width, height) = (Some(frames.width), Some(frames.height));
    let media = Media { duration_ms: video.duration_ms, width, height, sample_fps: Some(fps) };
    Ok(analysis(media, tracks, warnings, preview))
}

/// The faces in a picture, as fractions of it.
pub(crate) fn find(picture: &image::DynamicImage) -> Result<Vec<Area>, Trouble> {
    let grey = still::scaled(picture, still::LONG_SIDE).to_luma8();
    Ok(Detector::new(MIN_STILL, THRESHOLD)?.look(&grey).iter().map(|it| it.area).collect())
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
