//! Values in the output of ffprobe and ffmpeg.

/// Frames per second, from `avg_frame_rate` and `r_frame_rate`. Some demuxers count fields in one of the two (GXF in the
/// average, field-coded H.264 in the other): then the smaller is right.
pub(super) fn frame_rate(average: Option<f64>, real: Option<f64>) -> Option<f64> {
    match (average, real) {
        (Some(average), Some(real)) if ((average / real) - 2.0).abs() < 0.02 => Some(real),
        (average, real) => average.or(real),
    }
    .filter(|rate| *rate > 0.0 && *rate <= 1_000.0)
}

/// Whole degrees clockwise, 0 to 359.
pub(super) fn normalized_rotation(degrees: f64) -> u32 {
    let round = degrees.rem_euclid(360.0).round();
    // cannot exceed 360
    round as u32 % 360
}

/// Bits of a component: those of the codec, else those in the name of the pixel format (`yuv422p10le`).
pub(super) fn bit_depth(declared: Option<&str>, pixel_format: Option<&str>) -> Option<u32> {
    let declared = declared.and_then(|text| text.parse().ok()).filter(|bits| *bits > 0);
    declared.or_else(|| {
        let name = pixel_format?.trim_end_matches("le").trim_end_matches("be");
        if name.starts_with("rgb48") || name.starts_with("rgba64") {
            return Some(16);
        }
        let planar = name.rsplit_once('p').map(|(_, bits)| bits).or_else(|| name.strip_prefix("gray"));
        planar.and_then(|bits| bits.parse().ok()).filter(|bits| (9..=16).contains(bits)).or(Some(8))
    })
}

/// `25/1`, `30000/1001`; `0/0` is `None`.
pub(super) fn parse_rational(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/')?;
    let (over, under): (f64, f64) = (numerator.parse().ok()?, denominator.parse().ok()?);
    (over > 0.0 && under > 0.0).then(|| over / under)
}

/// `00:00:14.91` in microseconds; `N/A` is `None`.
pub(super) fn parse_clock_us(text: &str) -> Option<i64> {
    let seconds =
        text.trim().split(':').try_fold(0.0, |sum, part| part.parse::<f64>().ok().map(|it| sum * 60.0 + it))?;
    Some((seconds * 1e6).round() as i64)
}

/// `1.456778` in microseconds; `N/A` is `None`.
pub(super) fn parse_seconds_us(text: &str) -> Option<i64> {
    let seconds: f64 = text.trim().parse().ok()?;
    // at most a hundred years: more is damage
    (seconds.abs() < 3.2e9).then(|| (seconds * 1e6).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_meant() {
        assert_eq!(frame_rate(Some(50.0), Some(25.0)), Some(25.0), "fields in the average");
        assert_eq!(frame_rate(Some(25.0), Some(50.0)), Some(25.0), "fields in the other");
        assert_eq!(frame_rate(None, Some(90_000.0)), None);
        assert_eq!((parse_rational("30000/1001").map(|it| it as u32), parse_rational("0/0")), (Some(29), None));
        assert_eq!((normalized_rotation(-90.0), normalized_rotation(90.0), normalized_rotation(359.9)), (270, 90, 0));
        let depth = |pixels| bit_depth(None, Some(pixels));
        assert_eq!(
            [depth("yuv420p"), depth("yuv422p10le"), depth("gray12le"), depth("rgb48be")].map(Option::unwrap),
            [8, 10, 12, 16]
        );
        assert_eq!(
            (parse_seconds_us("1.456778"), parse_seconds_us("N/A"), parse_seconds_us("1e300")),
            (Some(1_456_778), None, None)
        );
    }
}
