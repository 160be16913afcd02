//! The face detector for a sequence of grey frames. Unchanged frames are not searched again.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use domain::item::Problem;
use domain::result::BoundingBox;
use domain::tracks::Detection;
use image::GrayImage;
use seetaface::Model;

use crate::error::MediaError;

static MODEL: LazyLock<Option<Model>> =
    LazyLock::new(|| Model::read(include_bytes!(concat!(env!("OUT_DIR"), "/faces.bin"))).ok());

/// Frames are compared by the means of cells of this side, in pixels. A mean of 16 pixels suppresses the noise of film and
/// compression, and the smallest face has a hundred cells.
const CELL_SIDE: usize = 4;
/// The side of a tile, in cells. The smallest face contains a whole tile wherever it is.
const TILE_CELLS: usize = 5;
/// A cell has changed if its mean differs by more than this, of 255. The detector needs a contrast (standard deviation) of
/// 10 to find a face, so a face that appears changes many cells by more.
const CELL_CHANGE_THRESHOLD: u16 = 6;
/// A tile has changed if so many of its cells have changed.
const MIN_CHANGED_CELLS: usize = 3;
/// The detections of a frame are reused for so many unchanged frames in a row, at most.
const MAX_REUSED: usize = 8;
/// The sizes of windows for [`Detector::detect_near`], as ratios to the smallest and the largest face: a face is found by
/// windows of several sizes.
const MIN_WINDOW_RATIO: f64 = 0.5;
const MAX_WINDOW_RATIO: f64 = 1.8;

/// Finds the faces in the frames of one video, in their order, or in one still.
///
/// A frame is compared with the one that was searched last, not with the previous one, so that slow changes add up. A face
/// may become detectable by a small change, as when the picture after a cut becomes sharp. So detections are reused for one
/// frame at first, then for 2, 4 and 8 as long as nothing changes.
pub(super) struct Detector {
    engine: seetaface::Detector<'static>,
    min_face: u32,
    threshold: f64,
    reference: Option<CellGrid>,
    last_detections: Vec<Detection>,
    /// For how many frames the detections were reused, and may be reused.
    reuse_count: usize,
    reuse_limit: usize,
    #[cfg(test)]
    searches: usize,
}

impl Detector {
    /// For faces with a side of at least `min_face` pixels (the model finds none below 40), and at least this score.
    ///
    /// # Errors
    /// `Failed` with `backend_unavailable` if the face model does not load.
    pub(super) fn new(min_face: u32, threshold: f64) -> Result<Self, MediaError> {
        let model = MODEL
            .as_ref()
            .ok_or_else(|| MediaError::Failed(Problem::new("backend_unavailable", "the face model does not load")))?;
        Ok(Self {
            engine: seetaface::Detector::new(model),
            min_face,
            threshold: threshold.max(0.01),
            reference: None,
            last_detections: Vec::new(),
            reuse_count: 0,
            reuse_limit: 1,
            #[cfg(test)]
            searches: 0,
        })
    }

    /// The faces in a frame, as fractions of it. A frame that has not changed since the last search is not searched.
    pub(super) fn detect(&mut self, grey: &GrayImage) -> Vec<Detection> {
        let cells = CellGrid::of(grey);
        let is_unchanged = self.reference.as_ref().is_some_and(|searched| !cells.differs(searched));
        if is_unchanged && self.reuse_count < self.reuse_limit {
            self.reuse_count += 1;
            return self.last_detections.clone();
        }
        self.reuse_limit = if is_unchanged { (self.reuse_limit * 2).min(MAX_REUSED) } else { 1 };
        self.reuse_count = 0;
        self.last_detections = self.search(grey, 0..=u32::MAX);
        self.reference = Some(cells);
        self.last_detections.clone()
    }

    /// The faces in a frame between two others, of about the sizes of `near`, the faces in those: finds where a face was, not
    /// which other faces there are.
    pub(super) fn detect_near(&mut self, grey: &GrayImage, near: &[Detection]) -> Vec<Detection> {
        let sides = || near.iter().map(|it| it.bounding_box.w * f64::from(grey.width()));
        let (least, most) = (sides().fold(f64::MAX, f64::min), sides().fold(0.0, f64::max));
        if near.is_empty() {
            return Vec::new();
        }
        self.search(grey, (least * MIN_WINDOW_RATIO) as u32..=(most * MAX_WINDOW_RATIO) as u32)
    }

    fn search(&mut self, grey: &GrayImage, sizes: RangeInclusive<u32>) -> Vec<Detection> {
        #[cfg(test)]
        {
            self.searches += 1;
        }
        let (width, height) = grey.dimensions();
        let (w, h) = (f64::from(width), f64::from(height));
        let size = (width, height);
        let faces = self.engine.detect_sizes(grey.as_raw(), size, self.min_face, self.threshold, sizes);
        let detections = faces.iter().map(|face| {
            let (x, y, side) = (f64::from(face.x), f64::from(face.y), f64::from(face.side));
            Detection { bounding_box: BoundingBox { x: x / w, y: y / h, w: side / w, h: side / h }, score: face.score }
        });
        detections.collect()
    }
}

/// A frame reduced to the sum of each cell, for comparison. Pixels after the last whole cell are left out.
struct CellGrid {
    size: (u32, u32),
    width: usize,
    sums: Vec<u16>,
}

impl CellGrid {
    fn of(grey: &GrayImage) -> Self {
        let size = grey.dimensions();
        let width = size.0 as usize / CELL_SIDE;
        let mut sums = Vec::with_capacity(width * (size.1 as usize / CELL_SIDE));
        for band in grey.as_raw().chunks_exact((size.0 as usize * CELL_SIDE).max(1)) {
            let mut line = vec![0; width];
            for row in band.chunks_exact(size.0 as usize) {
                for (sum, pixels) in line.iter_mut().zip(row.chunks_exact(CELL_SIDE)) {
                    *sum += pixels.iter().map(|pixel| u16::from(*pixel)).sum::<u16>();
                }
            }
            sums.append(&mut line);
        }
        Self { size, width, sums }
    }

    /// Whether a face may have appeared, disappeared or moved. Frames of different sizes differ.
    fn differs(&self, other: &Self) -> bool {
        if self.size != other.size {
            return true;
        }
        let line = self.width.max(1);
        let bands = self.sums.chunks(line * TILE_CELLS).zip(other.sums.chunks(line * TILE_CELLS));
        for (band, before) in bands {
            let mut changed = vec![0; line.div_ceil(TILE_CELLS)];
            for (at, (sum, before)) in band.iter().zip(before).enumerate() {
                if sum.abs_diff(*before) > CELL_CHANGE_THRESHOLD * (CELL_SIDE * CELL_SIDE) as u16 {
                    changed[at % line / TILE_CELLS] += 1;
                }
            }
            if changed.iter().any(|cells| *cells >= MIN_CHANGED_CELLS) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use image::{Luma, imageops};

    use super::*;

    const SIZE: (u32, u32) = (640, 360);

    fn detector() -> Detector {
        Detector::new(40, 2.0).unwrap()
    }

    fn astronaut(side: u32) -> GrayImage {
        let picture = image::load_from_memory(include_bytes!("../../../../tests/media/astronaut.jpg")).unwrap();
        imageops::resize(&picture.to_luma8(), side, side, imageops::FilterType::Triangle)
    }

    /// A grey ground, with the astronaut at a place, of a brightness between 0 (not there) and 100.
    fn frame(at: Option<(u32, u32)>, visible: u32) -> GrayImage {
        let mut frame = GrayImage::from_pixel(SIZE.0, SIZE.1, Luma([90]));
        if let Some((x, y)) = at {
            let picture = astronaut(256);
            for (right, down, pixel) in picture.enumerate_pixels() {
                let mixed = (u32::from(pixel.0[0]) * visible + 90 * (100 - visible)) / 100;
                frame.put_pixel(x + right, y + down, Luma([mixed as u8]));
            }
        }
        frame
    }

    /// The same with noise of about `most` levels each way.
    fn noisy(frame: &GrayImage, most: i32, seed: u32) -> GrayImage {
        let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
        let mut frame = frame.clone();
        for pixel in frame.pixels_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 16) as i32 % (2 * most + 1) - most;
            pixel.0[0] = (i32::from(pixel.0[0]) + noise).clamp(0, 255) as u8;
        }
        frame
    }

    fn middle(found: &[Detection]) -> (f64, f64) {
        assert_eq!(found.len(), 1, "{found:?}");
        let area = found[0].bounding_box;
        ((area.x + area.w / 2.0) * f64::from(SIZE.0), (area.y + area.h / 2.0) * f64::from(SIZE.1))
    }

    /// The model finds what crate `rustface`, an independent reader of it, finds: to the last bit.
    #[test]
    fn the_faces_are_those_of_rustface() {
        let model = rustface::read_model(&include_bytes!(concat!(env!("OUT_DIR"), "/faces.bin"))[..]).unwrap();
        let coffee = image::load_from_memory(include_bytes!("../../../../tests/media/coffee.jpg")).unwrap().to_luma8();
        let edge = imageops::crop_imm(&astronaut(512), 190, 40, 300, 201).to_image();
        let pictures = [astronaut(512), astronaut(200), frame(Some((380, 100)), 100), coffee, edge];
        let mut faces = 0;
        for picture in pictures.iter().flat_map(|picture| [picture.clone(), noisy(picture, 20, 7)]) {
            let mut reference = rustface::create_detector_with_model(model.clone());
            reference.set_score_thresh(0.01);
            let image = rustface::ImageData::new(picture.as_raw(), picture.width(), picture.height());
            let expected: Vec<_> = reference.detect(&image).iter().map(|it| (*it.bbox(), it.score())).collect();
            let expected: Vec<_> = expected.iter().map(|(it, score)| (it.x(), it.y(), it.width(), *score)).collect();
            let mut ours = seetaface::Detector::new(MODEL.as_ref().unwrap());
            let found = ours.detect(picture.as_raw(), picture.width(), picture.height(), 40, 0.01);
            let found: Vec<_> = found.iter().map(|it| (it.x, it.y, it.side, it.score)).collect();
            assert_eq!(found, expected);
            faces += found.len();
        }
        assert!(faces >= 6, "there is something to compare: {faces}");
    }

    #[test]
    fn an_unchanged_frame_is_not_searched_again() {
        let (mut detector, picture) = (detector(), frame(Some((100, 50)), 100));
        let first = detector.detect(&noisy(&picture, 6, 0));
        assert_eq!(first.len(), 1);
        for number in 1..30 {
            let found = detector.detect(&noisy(&picture, 6, number));
            assert!((middle(&found).0 - middle(&first).0).abs() < 3.0, "{found:?}");
        }
        assert_eq!(detector.searches, 1 + 5, "after 1, 2, 4 and 8 frames, and 8 more");
    }

    #[test]
    fn a_face_is_found_where_it_appears_and_not_where_it_was() {
        let mut detector = detector();
        assert_eq!(detector.detect(&frame(None, 0)), []);
        assert_eq!(detector.detect(&frame(None, 0)), []);
        assert_eq!(detector.searches, 1);
        let right = middle(&detector.detect(&frame(Some((384, 104)), 100)));
        let left = middle(&detector.detect(&frame(Some((0, 0)), 100)));
        assert!((right.0 - left.0 - 384.0).abs() < 12.0 && (right.1 - left.1 - 104.0).abs() < 12.0);
        let near = middle(&detector.detect(&frame(Some((4, 0)), 100)));
        assert!((near.0 - left.0 - 4.0).abs() < 4.0, "it moved by four pixels: {left:?} {near:?}");
        assert_eq!(detector.detect(&frame(None, 0)), [], "it left");
        assert_eq!(detector.searches, 5);
    }

    #[test]
    fn a_small_face_in_a_corner_is_found() {
        let mut detector = detector();
        let ground = frame(Some((0, 0)), 100);
        assert_eq!(detector.detect(&ground).len(), 1);
        let small = astronaut(220); // its face has about 45 pixels
        let mut both = ground.clone();
        imageops::replace(&mut both, &small, 420, 140);
        assert_eq!(detector.detect(&both).len(), 2);
    }

    #[test]
    fn a_slow_fade_in_is_found() {
        let at = Some((100, 50));
        let alone = (0..=100).find(|it| detector().detect(&frame(at, *it)).len() == 1).unwrap();
        let mut sequence = detector();
        let found = (0..=100).find(|it| sequence.detect(&frame(at, *it)).len() == 1).unwrap();
        assert!((alone..=alone + 4).contains(&found), "{found} % visible; frame by frame it is seen at {alone} %");
    }

    #[test]
    fn another_size_is_another_picture() {
        let mut detector = detector();
        assert_eq!(detector.detect(&astronaut(256)).len(), 1);
        let half = imageops::crop_imm(&astronaut(256), 0, 0, 256, 128).to_image();
        assert_eq!(detector.detect(&half).len(), 1);
        assert_eq!(detector.detect(&GrayImage::new(256, 64)), []);
        assert_eq!(detector.searches, 3);
    }

    #[test]
    fn small_and_empty_pictures_have_no_faces() {
        let mut detector = detector();
        for (width, height) in [(0, 0), (0, 9), (9, 0), (1, 1), (3, 700), (39, 39), (40, 40), (41, 640), (2_000, 40)] {
            let flat = GrayImage::from_pixel(width, height, Luma([128]));
            assert_eq!(detector.detect(&flat), [], "{width} x {height}");
            assert_eq!(detector.detect(&noisy(&flat, 120, 3)), [], "{width} x {height}");
        }
    }

    #[test]
    fn faces_smaller_than_wanted_are_left_out() {
        let picture = frame(Some((100, 50)), 100); // a face of about 55 pixels
        assert_eq!(Detector::new(20, 2.0).unwrap().detect(&picture).len(), 1);
        assert_eq!(Detector::new(120, 2.0).unwrap().detect(&picture), []);
        assert_eq!(Detector::new(40, 1_000.0).unwrap().detect(&picture), []);
    }
}
