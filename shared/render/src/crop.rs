//! The part of an image that a rendition shows.

use domain::result::BoundingBox;

/// A crop window in pixels of the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// The largest window with the target's aspect ratio: around the faces, which are placed slightly above its middle, or
/// centred if there are none.
pub(crate) fn window((width, height): (u32, u32), (to_width, to_height): (u32, u32), faces: &[BoundingBox]) -> Window {
    let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let aspect_ratio = f64::from(to_width.max(1)) / f64::from(to_height.max(1));
    let (w, h) =
        if width / height > aspect_ratio { (height * aspect_ratio, height) } else { (width, width / aspect_ratio) };
    let (x, y) = match subject(faces) {
        None => ((width - w) / 2.0, (height - h) / 2.0),
        Some((x, y)) => (x * width - w / 2.0, y * height - h * 0.42),
    };
    Window { x: x.clamp(0.0, width - w), y: y.clamp(0.0, height - h), width: w, height: h }
}

/// The centre of all faces, weighted by area, as fractions of the image.
fn subject(faces: &[BoundingBox]) -> Option<(f64, f64)> {
    let weight = |it: &BoundingBox| it.w * it.h;
    let sum: f64 = faces.iter().map(weight).sum();
    if sum <= 0.0 || !sum.is_finite() {
        return None;
    }
    let x = faces.iter().map(|it| weight(it) * (it.x + it.w / 2.0)).sum::<f64>() / sum;
    let y = faces.iter().map(|it| weight(it) * (it.y + it.h / 2.0)).sum::<f64>() / sum;
    Some((x, y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f64, y: f64, side: f64) -> BoundingBox {
        BoundingBox { x, y, w: side, h: side }
    }

    #[test]
    fn the_window_has_the_shape_and_follows_the_faces() {
        let check = |from, to, faces: &[BoundingBox], want: (f64, f64, f64, f64)| {
            let window = window(from, to, faces);
            let got = [window.x, window.y, window.width, window.height].map(f64::round);
            assert_eq!(got, [want.0, want.1, want.2, want.3], "{from:?} to {to:?}");
        };
        check((1920, 1080), (1080, 1080), &[], (420.0, 0.0, 1080.0, 1080.0));
        check((1080, 1920), (1200, 628), &[], (0.0, 677.0, 1080.0, 565.0));
        check((1000, 1000), (1000, 1000), &[face(0.0, 0.0, 0.2)], (0.0, 0.0, 1000.0, 1000.0));
        // a face at the left edge, and one at the right
        check((1920, 1080), (1080, 1080), &[face(0.02, 0.3, 0.1)], (0.0, 0.0, 1080.0, 1080.0));
        check((1920, 1080), (1080, 1080), &[face(0.85, 0.3, 0.1)], (840.0, 0.0, 1080.0, 1080.0));
        // the larger of two decides
        let window = window((1920, 1080), (540, 1080), &[face(0.1, 0.3, 0.3), face(0.9, 0.3, 0.02)]);
        assert!(window.x < 300.0, "{window:?}");
    }

    #[test]
    fn whatever_the_faces_it_stays_inside() {
        for face in [face(-5.0, 7.0, 0.5), face(f64::NAN, 0.1, 0.1), face(0.5, 0.5, 0.0), face(2.0, 2.0, 9.0)] {
            let window = window((640, 480), (160, 600), &[face]);
            let inside = window.x >= 0.0
                && window.y >= 0.0
                && window.x + window.width <= 640.01
                && window.y + window.height <= 480.01;
            assert!(inside || window.x.is_nan(), "{window:?}");
        }
    }
}
