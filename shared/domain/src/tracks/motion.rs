//! Motion prediction: a Kalman filter with constant velocity of a face's centre and of the logarithm of its size.
//!
//! All measures are relative to the size of the face, so that neither the size nor the shape of the picture matters: a
//! face of 146 px that moves 300 px/s moves two of its widths per second.

use crate::result::BoundingBox;

/// Gating threshold: 99 % of true detections are within this squared distance of the prediction (chi-square with three
/// degrees of freedom).
pub(super) const GATING_THRESHOLD: f64 = 11.345;
/// Measurement noise (standard deviation) of a centre, in widths, and of a size, as a logarithm. The detector's window
/// moves by 4 px, and its sizes are a factor of 0.8 apart (processors, section 6.2).
const CENTRE_NOISE: f64 = 0.05;
const SIZE_NOISE: f64 = 0.12;
/// Standard deviation of the initial velocity, in widths per second, and of the initial growth.
const INITIAL_SPEED: f64 = 1.0;
const INITIAL_GROWTH: f64 = 0.4;
/// Process noise: the variance that a second adds to a velocity.
const CENTRE_PROCESS_NOISE: f64 = 0.45;
const SIZE_PROCESS_NOISE: f64 = 0.1;
/// Seconds for which the velocity is extrapolated, and seconds for which its uncertainty widens the search.
pub(super) const VELOCITY_HORIZON: f64 = 1.75;
const UNCERTAINTY_HORIZON: f64 = 0.6;
/// Minimum side of a box in calculations, as a fraction of the picture.
const MIN_SIDE: f64 = 1e-3;

/// The motion of one face as of its last detection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Motion {
    t_ms: u64,
    width: f64,
    height: f64,
    x: Axis,
    y: Axis,
    size: Axis,
}

impl Motion {
    /// The motion after the first detection.
    pub(super) fn new(t_ms: u64, area: &BoundingBox) -> Self {
        let measured = Measurement::of(area);
        let centre = |at: f64, side: f64| Axis::new(at, square(CENTRE_NOISE * side), square(INITIAL_SPEED * side));
        Self {
            t_ms,
            width: measured.width,
            height: measured.height,
            x: centre(measured.x, measured.width),
            y: centre(measured.y, measured.height),
            size: Axis::new(measured.size, square(SIZE_NOISE), square(INITIAL_GROWTH)),
        }
    }

    /// The squared distance of a detection from the prediction, in standard deviations.
    pub(super) fn distance(&self, t_ms: u64, area: &BoundingBox) -> f64 {
        let (predicted, measured) = (self.predict(t_ms), Measurement::of(area));
        predicted.x.distance(measured.x, square(CENTRE_NOISE * self.width))
            + predicted.y.distance(measured.y, square(CENTRE_NOISE * self.height))
            + predicted.size.distance(measured.size, square(SIZE_NOISE))
    }

    /// The motion after a further detection.
    pub(super) fn update(&self, t_ms: u64, area: &BoundingBox) -> Self {
        let (predicted, measured) = (self.predict(t_ms), Measurement::of(area));
        Self {
            t_ms,
            width: measured.width,
            height: measured.height,
            x: predicted.x.update(measured.x, square(CENTRE_NOISE * self.width)),
            y: predicted.y.update(measured.y, square(CENTRE_NOISE * self.height)),
            size: predicted.size.update(measured.size, square(SIZE_NOISE)),
        }
    }

    fn predict(&self, t_ms: u64) -> Self {
        let seconds = t_ms.saturating_sub(self.t_ms) as f64 / 1_000.0;
        Self {
            x: self.x.predict(seconds, CENTRE_PROCESS_NOISE * square(self.width)),
            y: self.y.predict(seconds, CENTRE_PROCESS_NOISE * square(self.height)),
            size: self.size.predict(seconds, SIZE_PROCESS_NOISE),
            ..*self
        }
    }
}

/// A box as the filter measures it.
struct Measurement {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    size: f64,
}

impl Measurement {
    fn of(area: &BoundingBox) -> Self {
        let (width, height) = (area.w.max(MIN_SIDE), area.h.max(MIN_SIDE));
        Self { x: area.x + area.w / 2.0, y: area.y + area.h / 2.0, width, height, size: (width * height).ln() / 2.0 }
    }
}

/// One coordinate: position, velocity, and their covariance.
#[derive(Debug, Clone, Copy)]
struct Axis {
    position: f64,
    velocity: f64,
    position_variance: f64,
    covariance: f64,
    velocity_variance: f64,
}

impl Axis {
    fn new(position: f64, position_variance: f64, velocity_variance: f64) -> Self {
        Self { position, velocity: 0.0, position_variance, covariance: 0.0, velocity_variance }
    }

    /// The prediction after `seconds`. `process_noise` is the variance that a second adds to the velocity.
    fn predict(&self, seconds: f64, process_noise: f64) -> Self {
        let widening = seconds.min(UNCERTAINTY_HORIZON);
        Self {
            position: self.position + self.velocity * seconds.min(VELOCITY_HORIZON),
            velocity: self.velocity,
            position_variance: self.position_variance
                + 2.0 * widening * self.covariance
                + square(widening) * self.velocity_variance
                + process_noise * widening.powi(3) / 3.0,
            covariance: self.covariance + widening * self.velocity_variance + process_noise * square(widening) / 2.0,
            velocity_variance: self.velocity_variance + process_noise * widening,
        }
    }

    fn distance(&self, measured: f64, variance: f64) -> f64 {
        square(measured - self.position) / (self.position_variance + variance)
    }

    fn update(&self, measured: f64, variance: f64) -> Self {
        let total = self.position_variance + variance;
        let (position_gain, velocity_gain) = (self.position_variance / total, self.covariance / total);
        let innovation = measured - self.position;
        Self {
            position: self.position + position_gain * innovation,
            velocity: self.velocity + velocity_gain * innovation,
            position_variance: (1.0 - position_gain) * self.position_variance,
            covariance: (1.0 - position_gain) * self.covariance,
            velocity_variance: self.velocity_variance - velocity_gain * self.covariance,
        }
    }
}

fn square(number: f64) -> f64 {
    number * number
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The greatest jump, in widths, at which a face that was seen at the positions `seen` (in widths, one every
    /// `every_ms`) is still the same `after_ms` after the last of them.
    fn reach(seen: &[f64], every_ms: u64, after_ms: u64) -> f64 {
        let area = |widths: f64| BoundingBox { x: 0.3 + widths * 0.15, y: 0.3, w: 0.15, h: 0.25 };
        let mut motion = Motion::new(0, &area(seen[0]));
        for (index, widths) in seen.iter().enumerate().skip(1) {
            motion = motion.update(index as u64 * every_ms, &area(*widths));
        }
        let (last, t_ms) = (seen[seen.len() - 1], (seen.len() as u64 - 1) * every_ms + after_ms);
        let within =
            |hundredths: &i32| motion.distance(t_ms, &area(last + f64::from(*hundredths) / 100.0)) <= GATING_THRESHOLD;
        f64::from((0..1_000).rev().find(within).unwrap_or(-1)) / 100.0
    }

    #[test]
    fn a_face_that_was_seen_once_may_go_anywhere_and_one_at_rest_stays() {
        // a walker at 300 px/s, 146 px wide: 2.05 widths per second
        for (after_ms, least, most) in [(100, 0.3, 0.6), (200, 0.5, 1.0), (500, 1.2, 2.0), (1_000, 2.1, 2.5)] {
            let reach = reach(&[0.0], 500, after_ms);
            assert!((least..=most).contains(&reach), "once, {after_ms} ms: {reach}");
        }
        for (every_ms, least, most) in [(100, 0.15, 0.35), (200, 0.2, 0.5), (500, 0.6, 0.8)] {
            let reach = reach(&[0.0; 8], every_ms, every_ms);
            assert!((least..=most).contains(&reach), "at rest, {every_ms} ms: {reach}");
        }
    }

    #[test]
    fn a_walker_is_expected_where_it_walks_to_and_not_where_it_was() {
        let walker = |t_ms: u64| BoundingBox { x: t_ms as f64 * 0.3 / 1_000.0, y: 0.3, w: 0.15, h: 0.25 };
        let motion =
            [500, 1_000, 1_500].iter().fold(Motion::new(0, &walker(0)), |m, t_ms| m.update(*t_ms, &walker(*t_ms)));
        for after_ms in [500, 1_000, 1_500] {
            assert!(motion.distance(1_500 + after_ms, &walker(1_500 + after_ms)) < 1.0, "{after_ms} ms");
            assert!(motion.distance(1_500 + after_ms, &walker(1_500)) > GATING_THRESHOLD, "{after_ms} ms");
        }
    }

    #[test]
    fn a_face_does_not_double_at_once() {
        let area = BoundingBox { x: 0.3, y: 0.3, w: 0.1, h: 0.1 };
        let motion = [500, 1_000, 1_500].iter().fold(Motion::new(0, &area), |motion, t_ms| motion.update(*t_ms, &area));
        let grown = |by: f64| BoundingBox { x: 0.35 - 0.05 * by, y: 0.35 - 0.05 * by, w: 0.1 * by, h: 0.1 * by };
        assert!(motion.distance(2_000, &grown(1.25)) < GATING_THRESHOLD / 2.0, "one step of the detector's sizes");
        assert!(motion.distance(2_000, &grown(2.5)) > GATING_THRESHOLD);
    }
}
