//! Timecodes, as files say them: one that is read is written so that it is read again, and the clock never leaves its day.

use domain::timecode::Timecode;

/// The input is a timecode, a frame rate and a time in milliseconds, with spaces between.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut words = text.split(' ');
    let (Some(start), Some(rate)) = (words.next(), words.next().and_then(|it| it.parse::<f64>().ok())) else { return };
    let t_ms = words.next().and_then(|it| it.parse().ok()).unwrap_or(u64::MAX);
    let Some(timecode) = Timecode::parse(start, rate) else { return };
    let shown = timecode.start();
    let again = Timecode::parse(&shown.start, rate).unwrap_or_else(|| panic!("{start} is shown as {}", shown.start));
    assert_eq!((again.start(), again), (shown, timecode));
    for at in [t_ms, t_ms / 1_000, 1, u64::MAX] {
        let shown = timecode.at(at);
        assert!(Timecode::parse(&shown, rate).is_some(), "{start} at {rate} and {at} ms is {shown}");
    }
}
