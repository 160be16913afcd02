//! Non-maximum suppression: overlapping windows are merged into the best of them, with the sum of their scores.

use crate::window::Face;

/// Sorts the windows, best first, and merges those whose intersection over union exceeds `threshold`.
pub(crate) fn merge(windows: &mut [Face], threshold: f32) -> Vec<Face> {
    windows.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(std::cmp::Ordering::Equal));
    let mut suppressed = vec![false; windows.len()];
    let mut kept = Vec::new();
    for index in 0..windows.len() {
        if suppressed[index] {
            continue;
        }
        let mut best = windows[index];
        for (other, taken) in windows.iter().zip(&mut suppressed).skip(index + 1) {
            if !*taken && iou(&windows[index], other) > threshold {
                *taken = true;
                best.score += other.score;
            }
        }
        kept.push(best);
    }
    kept
}

fn iou(a: &Face, b: &Face) -> f32 {
    let shared = |a: i32, a_side: u32, b: i32, b_side: u32| (a + a_side as i32).min(b + b_side as i32) - a.max(b);
    let (width, height) = (shared(a.x, a.side, b.x, b.side), shared(a.y, a.side, b.y, b.side));
    if width <= 0 || height <= 0 {
        return 0.0;
    }
    let area = |it: &Face| it.side.saturating_mul(it.side) as f32;
    let intersection = width.saturating_mul(height) as f32;
    intersection / (area(a) + area(b) - intersection)
}
