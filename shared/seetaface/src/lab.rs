//! The first classifiers: boosted locally assembled binary (LAB) features.

use crate::resize::Plane;
use crate::window::{STEP, WINDOW};

/// A feature compares 3 x 3 blocks of this side with the block in the middle.
const BLOCK: usize = 3;
/// Number of features after which a window may be rejected.
const FEATURES_PER_STEP: usize = 10;
/// Minimum contrast of a window (standard deviation).
const MIN_CONTRAST: f64 = 10.0;

/// One byte per position of an image: a bit for each of the eight surrounding blocks that is not brighter than the
/// middle.
#[derive(Debug, Default)]
pub(crate) struct FeatureMap {
    /// Sums of three adjacent pixels of a row, and sums of three of those of adjacent rows.
    lines: Vec<u16>,
    blocks: Vec<u16>,
    map: Vec<u8>,
    width: usize,
}

impl FeatureMap {
    /// Computes the features of an image that is at least as large as a window.
    pub(crate) fn compute(&mut self, plane: Plane<'_>) {
        let (width, height) = (plane.width, plane.height);
        self.width = width;
        for buffer in [&mut self.lines, &mut self.blocks] {
            buffer.resize(width * height, 0);
        }
        self.map.resize(width * height, 0);
        for (y, line) in self.lines.chunks_exact_mut(width).enumerate() {
            let row = plane.row(y);
            for ((sum, a), (b, c)) in line.iter_mut().zip(row).zip(row[1..].iter().zip(&row[2..])) {
                *sum = u16::from(*a) + u16::from(*b) + u16::from(*c);
            }
        }
        let below = |rows: usize| self.lines[rows * width..].iter();
        for (((sum, a), b), c) in self.blocks.iter_mut().zip(below(0)).zip(below(1)).zip(below(2)) {
            *sum = a + b + c;
        }
        let count = width - 3 * BLOCK + 1;
        for y in 0..=height - 3 * BLOCK {
            let row = |down: usize, right: usize| &self.blocks[(y + down * BLOCK) * width + right * BLOCK..][..count];
            let middle = row(1, 1);
            let around = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)];
            let [a, b, c, d, e, f, g, h] = around.map(|(down, right)| row(down, right));
            let features = &mut self.map[y * width..][..count];
            for at in 0..count {
                let bit = |block: &[u16], shift: u16| u16::from(middle[at] >= block[at]) << shift;
                let upper = bit(a, 7) | bit(b, 6) | bit(c, 5) | bit(d, 4);
                features[at] = (upper | bit(e, 3) | bit(f, 2) | bit(g, 1) | bit(h, 0)) as u8;
            }
        }
    }
}

/// A boosted classifier for one view of faces.
#[derive(Debug)]
pub(crate) struct View {
    /// Positions (x, y) of the features in the window, the weights of each by feature value, and the thresholds of the
    /// sums.
    pub(crate) features: Vec<(usize, usize)>,
    pub(crate) weights: Vec<[f32; 256]>,
    pub(crate) thresholds: Vec<f32>,
}

impl View {
    /// The candidate windows of a row, [`STEP`] pixels apart, with their scores. All windows are evaluated feature by
    /// feature, so that no sum waits for the previous one.
    pub(crate) fn scan(&self, features: &FeatureMap, y: usize, candidates: &mut Vec<Candidate>) {
        let width = features.width;
        candidates.clear();
        candidates.extend((0..=width - WINDOW as usize).step_by(STEP).map(|x| Candidate { x, score: 0.0 }));
        let groups = self.features.chunks(FEATURES_PER_STEP).zip(self.weights.chunks(FEATURES_PER_STEP));
        for ((positions, weights), thresholds) in groups.zip(self.thresholds.chunks(FEATURES_PER_STEP)) {
            for ((right, down), weights) in positions.iter().zip(weights) {
                let row = &features.map[(y + down) * width + right..];
                for candidate in candidates.iter_mut() {
                    candidate.score += weights[usize::from(row[candidate.x])];
                }
            }
            let least = thresholds.last().copied().unwrap_or_default();
            candidates.retain(|candidate| candidate.score >= least);
        }
    }
}

/// A candidate window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) x: usize,
    pub(crate) score: f32,
}

/// Whether the window has enough contrast to be a face.
pub(crate) fn has_contrast(plane: Plane<'_>, x: usize, y: usize) -> bool {
    let side = WINDOW as usize;
    let (mut sum, mut squares) = (0_u32, 0_u32);
    for row in y..y + side {
        for pixel in &plane.row(row)[x..x + side] {
            sum += u32::from(*pixel);
            squares += u32::from(*pixel) * u32::from(*pixel);
        }
    }
    let area = f64::from(WINDOW * WINDOW);
    let mean = f64::from(sum) / area;
    (f64::from(squares) / area - mean * mean).sqrt() > MIN_CONTRAST
}
