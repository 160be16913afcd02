//! The presentation time of each frame on the container's clock, from the log of ffmpeg's filter `showinfo`.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use crate::ffmpeg::log::LogLine;

/// The instance of `showinfo` before the selection of frames.
pub(super) const DECODED: &str = "showinfo@decoded";
/// The instance of `showinfo` after it.
pub(super) const SELECTED: &str = "showinfo@selected";

/// The times of a video's frames, in microseconds from the container's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) decoded: u64,
    pub(super) selected: u64,
    pub(super) first_us: Option<i64>,
    /// The start of the last frame.
    pub(super) last_us: i64,
    /// The longest time from one decoded frame to the next.
    pub(super) longest_us: i64,
    /// How often the clock went back, as where two recordings were joined. Times continue to grow.
    pub(super) restarts: u64,
}

/// Reads the log lines of the two filters.
#[derive(Debug)]
pub(super) struct ShowinfoReader {
    start_us: i64,
    /// The duration of a frame, for frames without a time.
    frame_us: i64,
    /// Added to each time since the clock went back.
    shift_us: i64,
    timing: Arc<Mutex<Timing>>,
    selected: UnboundedSender<i64>,
}

impl ShowinfoReader {
    pub(super) fn new(start_us: i64, frame_us: i64, selected: UnboundedSender<i64>) -> (Self, Arc<Mutex<Timing>>) {
        let timing = Arc::new(Mutex::new(Timing::default()));
        (Self { start_us, frame_us, shift_us: 0, timing: timing.clone(), selected }, timing)
    }

    /// Reads a log line. Returns whether it is one of the filters.
    pub(super) fn read_line(&mut self, line: &LogLine<'_>) -> bool {
        let decoded = line.context == DECODED;
        if !decoded && line.context != SELECTED {
            return false;
        }
        let Some(shown) = parse_pts_us(line.text) else { return true };
        let mut timing = self.timing.lock().unwrap_or_else(PoisonError::into_inner);
        if decoded {
            let next_us = timing.last_us + self.frame_us;
            let mut at_us = shown.map_or(next_us, |us| us - self.start_us + self.shift_us);
            if timing.first_us.is_some() && at_us <= timing.last_us {
                self.shift_us += next_us - at_us;
                timing.restarts += 1;
                at_us = next_us;
            }
            if timing.first_us.is_some() {
                timing.longest_us = timing.longest_us.max(at_us - timing.last_us);
            }
            timing.first_us.get_or_insert(at_us);
            timing.decoded += 1;
            timing.last_us = at_us;
        } else {
            // the last decoded frame, since the filters pass one frame at a time
            timing.selected += 1;
            self.selected.send(timing.last_us).ok(); // a dropped receiver needs no times
        }
        true
    }
}

/// The time in a line `n:   0 pts:1480000 pts_time:1.48 …`, in microseconds. Inner `None`: the frame has no time. Outer
/// `None`: another line.
fn parse_pts_us(text: &str) -> Option<Option<i64>> {
    let (_, rest) = text.strip_prefix("n:")?.split_once(" pts:")?;
    Some(rest.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(times: &[&str], frame_us: i64) -> (Timing, Vec<i64>) {
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        let (mut reader, timing) = ShowinfoReader::new(1_000, frame_us, send);
        for time in times {
            for context in [DECODED, SELECTED] {
                let text = format!("n:   7 pts:{time:>7} pts_time:1.48    pos:      564 fmt:yuv420p");
                assert!(reader.read_line(&LogLine { context, level: "info", text: &text }));
            }
        }
        drop(reader);
        let timing = *timing.lock().unwrap();
        (timing, std::iter::from_fn(|| receive.try_recv().ok()).collect())
    }

    #[test]
    fn times_are_from_the_containers_start_and_go_on() {
        let (timing, selected) = read(&["1000", "41000", "121000"], 40_000);
        assert_eq!((selected, timing.first_us), (vec![0, 40_000, 120_000], Some(0)));
        assert_eq!((timing.last_us, timing.longest_us, timing.decoded, timing.restarts), (120_000, 80_000, 3, 0));
        let (timing, selected) = read(&["41000", "81000", "1000", "41000"], 40_000);
        assert_eq!(selected, [40_000, 80_000, 120_000, 160_000], "two recordings joined");
        assert_eq!(timing.restarts, 1);
        let (_, selected) = read(&["NOPTS", "NOPTS"], 40_000);
        assert_eq!(selected, [40_000, 80_000]);
    }

    #[test]
    fn other_lines_are_left_alone() {
        let (send, _receive) = tokio::sync::mpsc::unbounded_channel();
        let (mut reader, timing) = ShowinfoReader::new(0, 1, send);
        assert!(!reader.read_line(&LogLine { context: "h264", level: "error", text: "n:   0 pts:1 " }));
        assert!(reader.read_line(&LogLine { context: DECODED, level: "info", text: "color_range:unknown" }));
        assert_eq!(*timing.lock().unwrap(), Timing::default());
    }
}
