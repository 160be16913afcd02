//! SeetaFace's face detection (a funnel-structured cascade), written for speed and without `unsafe`.
//!
//! It uses the same windows, features, sums and roundings as crate `rustface` 0.1.7, so that boxes and scores are
//! bit-identical (the tests of crate `media` compare both), in about a third of the time.
//!
//! Shuzhe Wu, Meina Kan, Zhenliang He, Shiguang Shan, Xilin Chen: Funnel-structured cascade for multi-view face
//! detection with alignment awareness. Neurocomputing, 2017. Derived from SeetaFace, see `LICENSE-SeetaFace`.

mod lab;
mod model;
mod nms;
mod resize;
mod surf;
mod window;

use std::ops::RangeInclusive;

pub use model::{Model, ModelError};
pub use window::{Face, WINDOW};

use lab::{Candidate, FeatureMap};
use resize::{Plane, Resized};
use surf::Classification;
use window::STEP;

/// Scale factor between the levels of the image pyramid.
const SCALE_STEP: f32 = 0.8;
/// Thresholds of non-maximum suppression (intersection over union), between the stages and at the end.
const SAME_WINDOW: f32 = 0.8;
const SAME_FACE: f32 = 0.3;

/// Detects faces in greyscale images and reuses its buffers from one image to the next.
#[derive(Debug)]
pub struct Detector<'a> {
    model: &'a Model,
    scaled: Resized,
    features: FeatureMap,
    candidates: Vec<Candidate>,
    window: surf::Window,
    classification: Classification,
}

impl<'a> Detector<'a> {
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            scaled: Resized::default(),
            features: FeatureMap::default(),
            candidates: Vec::new(),
            window: surf::Window::default(),
            classification: Classification::default(),
        }
    }

    /// Detects faces of at least `min_face` and [`WINDOW`] pixels with at least `min_score`, best first. `pixels` are
    /// rows of `width` bytes. An image smaller than a window has no faces.
    pub fn detect(&mut self, pixels: &[u8], width: u32, height: u32, min_face: u32, min_score: f64) -> Vec<Face> {
        self.detect_sizes(pixels, (width, height), min_face, min_score, 0..=u32::MAX)
    }

    /// Like [`Self::detect`], limited to the pyramid levels whose windows have `sizes` pixels in the image. The windows
    /// are the same, and so are the faces, if they are about that large.
    pub fn detect_sizes(
        &mut self,
        pixels: &[u8],
        (width, height): (u32, u32),
        min_face: u32,
        min_score: f64,
        sizes: RangeInclusive<u32>,
    ) -> Vec<Face> {
        let Some(plane) = Plane::new(pixels, width as usize, height as usize) else { return Vec::new() };
        if width.min(height) < WINDOW {
            return Vec::new();
        }
        let mut found = self.proposals(plane, min_face, &sizes);
        for windows in &mut found {
            *windows = nms::merge(windows, SAME_WINDOW);
        }
        let mut faces = self.funnel(plane, found);
        faces.retain(|face| face.score >= min_score);
        faces
    }

    /// Candidates: the windows that the first, fast classifiers of each view accept, at all pyramid levels.
    fn proposals(&mut self, plane: Plane<'_>, min_face: u32, sizes: &RangeInclusive<u32>) -> Vec<Vec<Face>> {
        let mut found = vec![Vec::new(); self.model.views.len()];
        let shortest = plane.width.min(plane.height) as f32;
        let mut scale = if min_face > WINDOW { WINDOW as f32 / min_face as f32 } else { 1.0 };
        while scale >= WINDOW as f32 / shortest {
            if !sizes.contains(&((WINDOW as f32 / scale) as u32)) {
                scale *= SCALE_STEP;
                continue;
            }
            let (width, height) = ((plane.width as f32 * scale) as usize, (plane.height as f32 * scale) as usize);
            let scaled = self.scaled.of(plane, width, height);
            let side = WINDOW as usize;
            if width < side || height < side {
                break;
            }
            self.features.compute(scaled);
            for (view, found) in self.model.views.iter().zip(&mut found) {
                for y in (0..=height - side).step_by(STEP) {
                    view.scan(&self.features, y, &mut self.candidates);
                    for candidate in self.candidates.iter().filter(|it| lab::has_contrast(scaled, it.x, y)) {
                        found.push(Face {
                            x: (candidate.x as f32 / scale + 0.5) as i32,
                            y: (y as f32 / scale + 0.5) as i32,
                            side: (WINDOW as f32 / scale + 0.5) as u32,
                            score: f64::from(candidate.score),
                        });
                    }
                }
            }
            scale *= SCALE_STEP;
        }
        found
    }

    /// The later levels of the cascade. Each node takes the windows of some nodes of the previous level.
    fn funnel(&mut self, plane: Plane<'_>, mut found: Vec<Vec<Face>>) -> Vec<Face> {
        let last_level = self.model.levels.len().saturating_sub(1);
        for (level, nodes) in self.model.levels.iter().enumerate() {
            let mut next = Vec::with_capacity(nodes.len());
            for node in nodes {
                let mut windows: Vec<Face> =
                    node.sources.iter().filter_map(|it| found.get(*it)).flatten().copied().collect();
                for (stage, mlp) in node.stages.iter().enumerate() {
                    windows.retain_mut(|window| self.classify(plane, mlp, window));
                    if stage + 1 < node.stages.len() {
                        windows = nms::merge(&mut windows, SAME_WINDOW);
                    } else if level == last_level {
                        windows = nms::merge(&mut windows, SAME_FACE);
                    }
                }
                next.push(windows);
            }
            found = next;
        }
        found.into_iter().next().unwrap_or_default()
    }

    /// Whether the classifier accepts a window as a face; adjusts the window and sets its score.
    fn classify(&mut self, plane: Plane<'_>, mlp: &surf::Mlp, window: &mut Face) -> bool {
        let side = window.side as i32;
        let outside = window.x + side <= 0 || window.y + side <= 0;
        if outside || !self.window.cut(plane, window.x, window.y, window.side) {
            return false;
        }
        (window.x, window.y) = (window.x.max(0), window.y.max(0));
        let [score, right, down, larger] = self.classification.run(mlp, &self.window);
        if score.is_nan() || score <= mlp.threshold {
            return false;
        }
        let (x, y, old) = (window.x as f32, window.y as f32, window.side as f32);
        let side = ((larger * 2.0 - 1.0) * old + old + 0.5).floor();
        window.side = side as u32;
        window.x = ((right * 2.0 - 1.0) * old + x + (old - side) * 0.5 + 0.5).floor() as i32;
        window.y = ((down * 2.0 - 1.0) * old + y + (old - side) * 0.5 + 0.5).floor() as i32;
        window.score = f64::from(score);
        true
    }
}
