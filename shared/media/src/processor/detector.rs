//! TEMPORARY
use super::Trouble;
use domain::item::Problem;
use domain::result::Box as Area;
use domain::tracks::Detection;
use image::GrayImage;
use rustface::ImageData;
use std::sync::LazyLock;
static MODEL: LazyLock<Option<rustface::Model>> =
    LazyLock::new(|| rustface::read_model(&include_bytes!(concat!(env!("OUT_DIR"), "/faces.bin"))[..]).ok());
pub(super) struct Detector {
    min_face: u32,
    threshold: f64,
    model: rustface::Model,
}
impl Detector {
    pub(super) fn new(min_face: u32, threshold: f64) -> Result<Self, Trouble> {
        let model = MODEL
            .clone()
            .ok_or_else(|| Trouble::Fail(Problem::new("backend_unavailable", "the face model does not load")))?;
        Ok(Self { min_face, threshold, model })
    }
    pub(super) fn look(&mut self, grey: &GrayImage) -> Vec<Detection> {
        let (width, height) = grey.dimensions();
        if width < self.min_face || height < self.min_face {
            return Vec::new();
        }
        let mut detector = rustface::create_detector_with_model(self.model.clone());
        detector.set_min_face_size(self.min_face);
        detector.set_score_thresh(self.threshold.max(0.01));
        detector.set_pyramid_scale_factor(0.8);
        detector.set_slide_window_step(4, 4);
        let found = detector.detect(&ImageData::new(grey.as_raw(), width, height));
        let (w, h) = (f64::from(width), f64::from(height));
        let relative = |it: &rustface::FaceInfo| {
            let it = (it.bbox(), it.score());
            let (x, y) = (f64::from(it.0.x()) / w, f64::from(it.0.y()) / h);
            Detection {
                area: Area { x, y, w: f64::from(it.0.width()) / w, h: f64::from(it.0.height()) / h },
                score: it.1,
            }
        };
        found.iter().map(relative).collect()
    }
}
