//! The log of ffmpeg and ffprobe: lines of `[context @ address] [level] text` on standard error, with `-v repeat+level+…`.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::Notify;

/// Errors whose text is kept. Further ones are counted only.
const MAX_KEPT: usize = 20;
/// Bytes of a line that are read at once: a title or a comment in a file may be of any length.
const MAX_LINE_BYTES: u64 = 8 << 10;
/// Characters of a reason.
const MAX_REASON_CHARS: usize = 300;

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogLine<'a> {
    /// The innermost component, without its address, such as `h264`; empty for the program itself.
    pub(crate) context: &'a str,
    /// `error`, `warning`, `info` …; empty where a library bypasses ffmpeg's log.
    pub(crate) level: &'a str,
    pub(crate) text: &'a str,
}

impl<'a> LogLine<'a> {
    pub(crate) fn parse(line: &'a str) -> Self {
        let (mut context, mut rest) = ("", line);
        while let Some((inside, after)) = bracketed(rest) {
            match inside.split_once(" @ 0x") {
                Some((name, _)) => context = name,
                None => return Self { context, level: inside, text: after },
            }
            rest = after;
        }
        Self { context, level: "", text: rest }
    }

    fn is_error(&self) -> bool {
        matches!(self.level, "error" | "fatal" | "panic")
    }

    /// Whether the line is an error message that contains one of the texts. Text from the file, such as a title, is
    /// indented.
    fn contains_any(&self, texts: &[&str]) -> bool {
        (self.is_error() || self.level.is_empty())
            && !self.text.starts_with(' ')
            && texts.iter().any(|text| self.text.contains(text))
    }

    fn display_text(&self) -> String {
        let text = self.text.trim();
        let line = if self.context.is_empty() { text.to_owned() } else { format!("{}: {text}", self.context) };
        line.chars().take(MAX_REASON_CHARS).collect()
    }
}

/// `[inside] after`.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (inside, after) = text.strip_prefix('[')?.split_once(']')?;
    Some((inside, after.strip_prefix(' ').unwrap_or(after)))
}

/// What was logged by a run: the number of errors, and the texts of the first errors and warnings.
#[derive(Debug, Default)]
pub(crate) struct FfmpegLog {
    pub(crate) errors: u64,
    /// At most [`MAX_KEPT`].
    first_errors: Vec<String>,
    warnings: Vec<String>,
    pub(crate) out_of_memory: bool,
    pub(crate) not_on_whitelist: bool,
}

/// Messages of ffmpeg when it gets no memory, or no thread for lack of memory.
const OUT_OF_MEMORY_MESSAGES: &[&str] =
    &["Cannot allocate memory", "Failed to allocate", "Resource temporarily unavailable"];

/// Messages of ffmpeg, in several versions, that follow the reason and do not state it.
const GENERIC_ERRORS: &[&str] = &[
    "Invalid data found when processing input",
    "Error opening input",
    "Error while",
    "Error submitting",
    "Error sending",
    "Error processing",
    "Error reinitializing",
    "Error initializing",
    "Error during demuxing",
    "Error marking",
    "Failed to",
    "Task finished with error",
    "Terminating thread",
    "Decode error rate",
    "Conversion failed",
    "Nothing was written",
    "Cannot determine format of input",
    "Finishing stream without any data",
    "Decoding error",
    "Last message repeated",
    "no frame!",
    "decode_slice_header error",
];

impl FfmpegLog {
    /// The reason of a failed run: the first error that is not generic, else the first error, else the last warning.
    pub(crate) fn reason(&self) -> String {
        let is_specific = |line: &&String| !GENERIC_ERRORS.iter().any(|generic| line.contains(generic));
        let reason = self
            .first_errors
            .iter()
            .find(is_specific)
            .or_else(|| self.first_errors.first())
            .or_else(|| self.warnings.last());
        reason.cloned().unwrap_or_else(|| "the program gives no reason".to_owned())
    }

    /// Whether a component recognised the format before it failed: then the file is damaged, not of an unknown format.
    pub(crate) fn format_recognised(&self) -> bool {
        self.first_errors.iter().any(|line| !GENERIC_ERRORS.iter().any(|generic| line.starts_with(generic)))
    }

    /// Adds a line, without `input_name`: paths of ours are not shown.
    fn push(&mut self, line: &str, input_name: &str) {
        let visible = if input_name.is_empty() { line.to_owned() } else { redacted(line, input_name) };
        let line = LogLine::parse(&visible);
        self.out_of_memory |= line.contains_any(OUT_OF_MEMORY_MESSAGES);
        self.not_on_whitelist |= line.contains_any(&["Format not on whitelist"]);
        if line.is_error() {
            // errors of the program itself and of the demuxer say how reading ended, not that a frame is damaged: whether
            // frames are missing is seen from the times
            let is_reading_end = line.context.is_empty() || line.text.starts_with("Error during demuxing");
            self.errors += u64::from(!is_reading_end);
            if self.first_errors.len() < MAX_KEPT {
                self.first_errors.push(line.display_text());
            }
        } else if line.level == "warning" && self.warnings.len() < MAX_KEPT {
            self.warnings.push(line.display_text());
        }
    }
}

/// The line without the input's name and its colon: `name: reason` becomes `reason`.
fn redacted(line: &str, input_name: &str) -> String {
    line.replace(&format!("{input_name}: "), "").replace(input_name, "the file")
}

/// Reads standard error to its end, line by line. Notifies `out_of_memory` as soon as a message says so. `observe` returns
/// whether it has consumed a line.
pub(crate) async fn read_log(
    from: impl AsyncRead + Unpin,
    input_name: String,
    out_of_memory: Arc<Notify>,
    mut observe: impl FnMut(&LogLine<'_>) -> bool,
) -> FfmpegLog {
    let (mut from, mut log, mut line) = (BufReader::new(from), FfmpegLog::default(), Vec::new());
    loop {
        line.clear();
        match (&mut from).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return log,
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        if observe(&LogLine::parse(text)) {
            continue;
        }
        log.push(text, &input_name);
        if log.out_of_memory {
            out_of_memory.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(lines: &[&str]) -> FfmpegLog {
        let mut messages = FfmpegLog::default();
        for line in lines {
            messages.push(line, "file:/tmp/x/media");
        }
        messages
    }

    #[test]
    fn a_line_has_a_context_a_level_and_a_text() {
        let check = |line, context, level, text| {
            assert_eq!(LogLine::parse(line), LogLine { context, level, text }, "{line}");
        };
        check("[h264 @ 0x55] [error] no frame!", "h264", "error", "no frame!");
        check("[showinfo@seen @ 0x5] [info] n:   0 pts:1", "showinfo@seen", "info", "n:   0 pts:1");
        check("[mov,mp4 @ 0x1] [h264 @ 0x2] [warning] x", "h264", "warning", "x");
        check("[info]     comment  : [error] y", "", "info", "    comment  : [error] y");
        check("plain", "", "", "plain");
        check("", "", "", "");
    }

    #[test]
    fn the_reason_is_the_line_that_decides_without_our_folder() {
        let check = |lines: &[&str], want: &str| assert_eq!(messages(lines).reason(), want);
        let failed = "[error] file:/tmp/x/media: Invalid data found when processing input";
        check(&["[mov @ 0x1] [error] moov atom not found", failed], "mov: moov atom not found");
        check(&[failed], "Invalid data found when processing input");
        check(&["[fatal] Error opening input file file:/tmp/x/media."], "Error opening input file the file.");
        check(&["[warning] one", "[warning] two"], "two");
        check(&["[info] all is well"], "the program gives no reason");
        assert!(messages(&["[mov @ 0x1] [error] moov atom not found", failed]).format_recognised());
        assert!(!messages(&[failed]).format_recognised());
    }

    #[test]
    fn what_a_file_says_of_itself_is_no_message() {
        let quoted = messages(&["[info]     title : Cannot allocate memory", "[info]     x : [error] moov"]);
        assert_eq!((quoted.out_of_memory, quoted.errors), (false, 0));
        assert!(messages(&["[error] x: Cannot allocate memory"]).out_of_memory);
        assert!(messages(&["terminate: Cannot allocate memory"]).out_of_memory);
        assert!(messages(&["[hls @ 0x1] [error] Format not on whitelist 'mov'"]).not_on_whitelist);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn long_and_many_lines_are_bounded() {
        let mut text = format!("[info] {}\n", "x".repeat(100_000));
        text += &"[h264 @ 0x1] [error] bad\n".repeat(1_000);
        let messages = read_log(text.as_bytes(), String::new(), Arc::new(Notify::new()), |_| false).await;
        assert_eq!((messages.errors, messages.first_errors.len()), (1_000, MAX_KEPT));
        let none =
            read_log(text.as_bytes(), String::new(), Arc::new(Notify::new()), |line| line.level == "error").await;
        assert_eq!(none.errors, 0);
    }
}
