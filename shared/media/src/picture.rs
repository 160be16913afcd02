//! One picture of a file, for renditions: the still itself, or a frame of a video.

use std::path::Path;

use domain::item::Problem;
use domain::result::{Box as Area, Document};
use image::DynamicImage;

use crate::processor::video::{FULL_SIDE, Video};
use crate::processor::{Trouble, faces as detector, still, unreadable};
use crate::program::Program;

/// A picture, and the faces in it if they are known.
pub struct Still {
    pub picture: DynamicImage,
    pub faces: Option<Vec<Area>>,
}

/// Opens a file. Of a video it is the frame with the clearest face, if its result is known; otherwise the one at a tenth
/// of its length, where the black beginning is over (processors, section 4.5).
pub async fn open(file: &Path, program: &Program, known: Option<&Document>) -> Result<Still, Trouble> {
    let kind = infer::get_from_path(file).map_err(unreadable)?;
    let samples = || known.into_iter().flat_map(|it| &it.tracks).flat_map(|it| &it.samples);
    match kind.map(|it| it.matcher_type()) {
        Some(infer::MatcherType::Image) => {
            let picture = still::read(file, program.share())?;
            Ok(Still { picture, faces: known.map(|_| samples().map(|it| it.area).collect()) })
        }
        Some(infer::MatcherType::Video) => {
            let video = Video::open(program, file).await?;
            let best = samples().max_by(|a, b| a.confidence.total_cmp(&b.confidence));
            let at = best.map_or(video.duration_ms.unwrap_or_default() / 10, |it| it.t_ms);
            let picture = video.picture(at, FULL_SIDE).await?;
            let faces = samples().filter(|it| it.t_ms == at).map(|it| it.area).collect();
            Ok(Still { picture, faces: known.map(|_| faces) })
        }
        _ => Err(Trouble::Skip(Problem::new("unsupported_media", "the file is neither a picture nor a video"))),
    }
}

/// Looks for faces; gives the picture back with them.
pub async fn faces(picture: DynamicImage) -> Result<(DynamicImage, Vec<Area>), Trouble> {
    detector::blocking(move || {
        let found = detector::find(&picture)?;
        Ok((picture, found))
    })
    .await?
}
