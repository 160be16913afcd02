//! The frames of a video's preview: for each track the one with the highest score, kept during the only pass.

use std::collections::HashMap;
use std::sync::Arc;

use domain::result::{BoundingBox, Track};
use domain::tracks::{Detection, Tracker};
use image::DynamicImage;

use crate::processor::draw;
use crate::processor::frame::{Frame, Matrix};

/// Frames that are kept at once. At 640 x 360 they take 11 MB.
const MAX_KEPT: usize = 32;
/// The poster frame of a video without a face is at this part of its duration, after a black beginning (processors,
/// section 4.5).
pub(crate) const POSTER_FRAME_DIVISOR: u64 = 10;

/// The frames so far.
#[derive(Debug, Default)]
pub(super) struct PreviewFrames {
    /// By the tracker's number.
    best: HashMap<usize, BestFrame>,
    /// The poster frame, for a video without a face.
    poster: Option<Arc<Frame>>,
    poster_until_ms: u64,
    size: (u32, u32),
}

/// The frame in which a track has its highest score.
#[derive(Debug)]
struct BestFrame {
    score: f64,
    bounding_box: BoundingBox,
    frame: Arc<Frame>,
}

impl PreviewFrames {
    pub(super) fn new(duration_ms: Option<u64>) -> Self {
        Self { poster_until_ms: duration_ms.unwrap_or(0) / POSTER_FRAME_DIVISOR, ..Self::default() }
    }

    /// Takes an analysed frame, and the numbers of the tracks that its detections belong to.
    pub(super) fn offer(&mut self, frame: Frame, found: &[Detection], numbers: &[Option<usize>], tracker: &Tracker) {
        let frame = Arc::new(frame);
        self.size = frame.luma.dimensions();
        if self.poster.is_none() || frame.t_ms <= self.poster_until_ms {
            self.poster = Some(frame.clone());
        }
        for (detection, number) in found.iter().zip(numbers) {
            let (Some(number), Some(bounding_box)) = (number, detection.bounding_box.clamped()) else { continue };
            if self.best.get(number).is_none_or(|best| detection.score > best.score) {
                self.best.insert(*number, BestFrame { score: detection.score, bounding_box, frame: frame.clone() });
            }
        }
        if self.best.len() > MAX_KEPT {
            self.best.retain(|number, _| tracker.is_tracked(*number));
        }
        while self.best.len() > MAX_KEPT {
            let weakest = self.best.iter().min_by(|a, b| a.1.score.total_cmp(&b.1.score)).map(|(number, _)| *number);
            let Some(weakest) = weakest else { break };
            self.best.remove(&weakest);
        }
    }

    /// The size of the frames, in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        self.size
    }

    /// The preview as a JPEG: the tracks with the highest scores in order of appearance, or else the poster frame.
    pub(super) fn encode(mut self, tracks: &[(usize, Track)], matrix: Matrix) -> image::ImageResult<Vec<u8>> {
        let mut shown: Vec<(usize, BestFrame)> = tracks
            .iter()
            .enumerate()
            .filter_map(|(order, (number, _))| Some((order, self.best.remove(number)?)))
            .collect();
        shown.sort_by(|a, b| b.1.score.total_cmp(&a.1.score));
        shown.truncate(draw::MAX_FRAMES);
        shown.sort_by_key(|(order, _)| *order);
        let colour = |frame: &Frame| DynamicImage::ImageRgb8(frame.rgb(matrix));
        let mut frames: Vec<(DynamicImage, BoundingBox)> =
            shown.into_iter().map(|(_, best)| (colour(&best.frame), best.bounding_box)).collect();
        if let (true, Some(poster)) = (frames.is_empty(), self.poster) {
            frames.push((colour(&poster), BoundingBox { x: 0.0, y: 0.0, w: 0.0, h: 0.0 }));
        }
        draw::contact_sheet(&frames)
    }
}
