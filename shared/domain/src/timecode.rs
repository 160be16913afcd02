//! SMPTE ST 12-1 timecodes: `HH:MM:SS:FF`, with `;` before the frames for drop-frame.
//!
//! Drop-frame counting skips the frame numbers 0 and 1 (0 to 3 at 59.94 Hz) at the start of each minute that is not a
//! multiple of ten, so that the timecode stays close to the clock at 29.97 and 59.94 frames per second (ST 12-1,
//! 5.2.2).

use serde::{Deserialize, Serialize};

/// The timecode of a file's first frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timecode {
    /// Frames since 00:00:00:00, dropped numbers not counted.
    frames: u64,
    /// Nominal frames per second: 24, 25, 30, 50, 60, …
    base: u64,
    drop_frame: bool,
    /// Actual frames per second.
    rate: f64,
}

/// A file's start timecode in a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartTimecode {
    /// `10:00:00:00`, or `01:00:00;02` for drop-frame.
    pub start: String,
    pub drop_frame: bool,
}

impl Timecode {
    /// Parses the timecode of a file with `rate` frames per second; `None` if the text or the rate is invalid.
    pub fn parse(text: &str, rate: f64) -> Option<Self> {
        if !(1.0..=1_000.0).contains(&rate) {
            return None;
        }
        let parts: Vec<u64> =
            text.trim().split([':', ';', '.']).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let [hours, minutes, seconds, frames] = parts[..] else { return None };
        let base = rate.round() as u64;
        if hours > 23 || minutes > 59 || seconds > 59 || frames >= base {
            return None;
        }
        let drop_frame = text.contains([';', '.']) && base.is_multiple_of(30);
        let minutes = hours * 60 + minutes;
        let dropped_numbers = if drop_frame { dropped_per_minute(base) * (minutes - minutes / 10) } else { 0 };
        let count = (minutes * 60 + seconds) * base + frames;
        Some(Self { frames: count.checked_sub(dropped_numbers)?, base, drop_frame, rate })
    }

    /// The timecode of the frame that is shown `t_ms` milliseconds after the first. It wraps after 24 hours; no time is too
    /// large, since it may be what a file says of itself.
    pub fn at(&self, t_ms: u64) -> String {
        // the frame that begins at or before this time; times are rounded to milliseconds
        let elapsed = ((t_ms as f64 + 0.5) * self.rate / 1_000.0).floor() as u64;
        let drop = if self.drop_frame { dropped_per_minute(self.base) } else { 0 };
        let per_ten_minutes = self.base * 600 - drop * 9;
        let mut frames = self.frames.saturating_add(elapsed) % (per_ten_minutes * 144); // of a day
        if self.drop_frame {
            let per_minute = self.base * 60 - drop;
            let (tens, rest) = (frames / per_ten_minutes, frames % per_ten_minutes);
            let minutes = if rest < self.base * 60 { 0 } else { 1 + (rest - self.base * 60) / per_minute };
            frames += drop * (9 * tens + minutes);
        }
        let (seconds, frame) = (frames / self.base, frames % self.base);
        let separator = if self.drop_frame { ';' } else { ':' };
        let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
        format!("{hours:02}:{minutes:02}:{:02}{separator}{frame:02}", seconds % 60)
    }

    /// The timecode of the first frame.
    pub fn start(&self) -> StartTimecode {
        StartTimecode { start: self.at(0), drop_frame: self.drop_frame }
    }
}

/// Frame numbers that are skipped at the start of a minute.
fn dropped_per_minute(base: u64) -> u64 {
    base / 15
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_goes_on_by_its_frames() {
        let check = |start: &str, rate: f64, t_ms: u64, want: &str| {
            assert_eq!(Timecode::parse(start, rate).map(|it| it.at(t_ms)).as_deref(), Some(want), "{start} {t_ms}");
        };
        check("10:00:00:00", 25.0, 0, "10:00:00:00");
        check("10:00:00:00", 25.0, 2_040, "10:00:02:01");
        check("23:59:59:24", 25.0, 40, "00:00:00:00");
        check("01:00:00:00", 24_000.0 / 1_001.0, 1_001, "01:00:01:00");
        let ntsc = 30_000.0 / 1_001.0;
        check("00:00:59;29", ntsc, 34, "00:01:00;02");
        check("00:09:59;29", ntsc, 34, "00:10:00;00");
        check("01:00:00;00", ntsc, 3_600_000, "02:00:00;00");
        check("01:00:00:00", ntsc, 3_600_000, "01:59:56:12");
        check("00:00:59;59", 60_000.0 / 1_001.0, 17, "00:01:00;04");
    }

    #[test]
    fn no_time_is_too_large_for_the_clock() {
        for (start, rate) in [("10:00:00:00", 25.0), ("23:59:59;59", 60_000.0 / 1_001.0), ("00:00:00:00", 1_000.0)] {
            let timecode = Timecode::parse(start, rate).unwrap();
            for t_ms in [u64::MAX, u64::MAX / 2, i64::MAX as u64 / 1_000] {
                let shown = timecode.at(t_ms);
                assert!(Timecode::parse(&shown, rate).is_some(), "{start} {t_ms}: {shown}");
            }
        }
        let timecode = Timecode::parse("10:00:00:00", 25.0).unwrap();
        assert_eq!(timecode.at(3 * 86_400_000 + 1_000), "10:00:01:00", "days wrap");
    }

    #[test]
    fn what_is_no_address_is_none() {
        for (text, rate) in
            [("", 25.0), ("1:2:3", 25.0), ("00:00:00:25", 25.0), ("24:00:00:00", 25.0), ("a:b:c:d", 25.0)]
        {
            assert_eq!(Timecode::parse(text, rate), None, "{text}");
        }
        assert_eq!(Timecode::parse("00:00:00:00", 0.0), None);
        assert_eq!(Timecode::parse("00:00:00:00", f64::NAN), None);
        let start = Timecode::parse("01:00:00;02", 30_000.0 / 1_001.0).unwrap().start();
        assert_eq!((start.start.as_str(), start.drop_frame), ("01:00:00;02", true));
    }

    proptest! {
        #[test]
        fn an_address_that_is_read_is_written_again(hours in 0..24_u64, minutes in 0..60_u64, seconds in 0..60_u64,
                                                    frame in 0..30_u64, drop: bool) {
            let exists = !drop || seconds > 0 || frame > 1 || minutes % 10 == 0;
            prop_assume!(exists);
            let text = format!("{hours:02}:{minutes:02}:{seconds:02}{}{frame:02}", if drop { ';' } else { ':' });
            let read = Timecode::parse(&text, 30_000.0 / 1_001.0).unwrap();
            prop_assert_eq!(read.at(0), text);
        }
    }
}
