//! The program's output. Colour is for terminals alone, text from others is escaped, and a closed pipe ends the
//! program.

use std::error::Error;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

use local::Event;
use local::meter::Meter;
use serde_json::{Value, json};
use tokio::sync::Notify;

const GREY: &str = "\x1b[90m";
const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// Notified when the output is closed.
static OUTPUT_CLOSED: Notify = Notify::const_new();
/// The error that kept the output from being written, other than a closed pipe.
static WRITE_ERROR: OnceLock<String> = OnceLock::new();

/// Prints a line as `println!` does, by way of [`line()`].
macro_rules! outln {
    ($($it:tt)*) => { $crate::print::line(&format!($($it)*)) };
}
pub(crate) use outln;

/// One line on standard output: a text, or JSON.
pub(crate) fn line(text: &str) {
    write_line(anstream::stdout(), &escaped(text));
}

/// Resolves when the output is closed (`notify … | head -1`) or cannot be written.
pub(crate) async fn output_closed() {
    OUTPUT_CLOSED.notified().await;
}

/// The error that kept the output from being written, mostly a full disk. A closed pipe is no error.
pub(crate) fn write_error() -> Option<&'static str> {
    WRITE_ERROR.get().map(String::as_str)
}

/// Prints bytes without escaping: the program's own script for a shell.
pub(crate) fn raw(bytes: &[u8]) {
    check_written(std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()));
}

fn write_line(mut to: impl Write, text: &str) {
    check_written(writeln!(to, "{text}").and_then(|()| to.flush()));
}

fn check_written(written: std::io::Result<()>) {
    if let Err(why) = written {
        if why.kind() != ErrorKind::BrokenPipe {
            WRITE_ERROR.get_or_init(|| why.to_string());
        }
        OUTPUT_CLOSED.notify_one();
    }
}

/// A text that is safe for a terminal. Keys, titles and responses come from others: control characters (C0, DEL, C1;
/// ECMA-48), line and paragraph separators, and directional formatting characters (UAX #9, section 2) are written as
/// JSON escapes them, so that JSON stays the same JSON.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        let changes_direction = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || changes_direction {
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Prints an error with its causes, on standard error.
pub(crate) fn error(error: &dyn Error) {
    write_to_stderr(&format!("{RED}error:{PLAIN} {}", escaped(&error.to_string())));
    let (mut cause, mut last) = (error.source(), error.to_string());
    while let Some(source) = cause {
        let text = source.to_string();
        if !last.contains(&text) {
            write_to_stderr(&format!("  because {}", escaped(&text)));
        }
        last = text;
        cause = source.source();
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let (mut all, mut cause) = (error.to_string(), error.source());
    while let Some(source) = cause {
        let text = source.to_string();
        if !all.contains(&text) {
            all = format!("{all}: {text}");
        }
        cause = source.source();
    }
    all
}

pub(crate) fn heading(text: &str) {
    write_line(anstream::stdout(), &format!("{BOLD}{}{PLAIN}", escaped(text)));
}

pub(crate) fn field(name: &str, value: &str) {
    write_line(anstream::stdout(), &format!("  {GREY}{:<19}{PLAIN}{}", escaped(name), escaped(value)));
}

/// Prints a note on standard error.
pub(crate) fn note(text: &str) {
    write_to_stderr(&escaped(text));
}

/// Writes a line to standard error. A failure is ignored.
fn write_to_stderr(text: &str) {
    drop(writeln!(anstream::stderr(), "{text}"));
}

pub(crate) fn success(text: &str) {
    write_line(anstream::stdout(), &format!("{GREEN}✓{PLAIN} {}", escaped(text)));
}

pub(crate) fn failure(text: &str) {
    write_line(anstream::stdout(), &format!("{RED}✗{PLAIN} {}", escaped(text)));
}

/// Prints an event of the stack in one line. Starts and successful invocations need `verbose`.
pub(crate) fn event(event: &Event, verbose: bool) {
    match event {
        Event::Log { function, line } => function_log(function, line),
        Event::RawLog { function, line } => log_row(function, RED, line),
        Event::Note(text) => log_row("stack", YELLOW, text),
        Event::Invoked { function, problem: Some(problem), .. } => log_row(function, RED, problem),
        Event::Invoked { function, took, memory_mb, problem: None } if verbose => {
            let memory = memory_mb.map_or_else(String::new, |it| format!(", {it} MB"));
            log_row(function, GREY, &format!("invoked, {:.1} ms{memory}", took.as_secs_f64() * 1_000.0));
        }
        Event::ProcessStarted { function, init } if verbose => {
            log_row(function, GREY, &format!("started, init {:.1} ms", init.as_secs_f64() * 1_000.0));
        }
        Event::Invoked { .. } | Event::ProcessStarted { .. } => {}
    }
}

/// Prints an event as JSON, with its kind as `event`.
pub(crate) fn event_json(event: &Event, verbose: bool) {
    let ms = |it: &std::time::Duration| it.as_secs_f64() * 1_000.0;
    let value = match event {
        Event::Log { function, line } => json!({ "event": "log", "function": function, "line": line }),
        Event::RawLog { function, line } => json!({ "event": "raw", "function": function, "line": line }),
        Event::Note(text) => json!({ "event": "note", "text": text }),
        Event::Invoked { function, took, memory_mb, problem } if verbose || problem.is_some() => {
            let (took, memory) = (ms(took), memory_mb);
            json!({ "event": "invoked", "function": function, "tookMs": took, "memoryMb": memory, "problem": problem })
        }
        Event::ProcessStarted { function, init } if verbose => {
            json!({ "event": "started", "function": function, "initMs": ms(init) })
        }
        Event::Invoked { .. } | Event::ProcessStarted { .. } => return,
    };
    line(&value.to_string());
}

/// The metrics that the meter's line shows.
const METERED_UNITS: [&str; 6] =
    ["write_units", "read_units", "sqs_requests", "s3_requests", "kms_requests", "media_requests"];

/// Prints the usage of a minute: what a deployment would be billed for.
pub(crate) fn meter(meter: &Meter, as_json: bool) {
    if meter.invocations() == 0 {
        return;
    }
    if as_json {
        let mut value = json!({ "event": "meter", "invocations": meter.invocations() });
        METERED_UNITS.iter().for_each(|name| value[*name] = json!(meter.total(name)));
        return line(&value.to_string());
    }
    let all: Vec<String> =
        METERED_UNITS.iter().map(|name| format!("{:.1} {}", meter.total(name), name.replace('_', " "))).collect();
    let text = format!("meter, last minute: {} invocations, {}", meter.invocations(), all.join(", "));
    write_line(anstream::stdout(), &format!("{GREY}{text}{PLAIN}"));
}

fn function_log(function: &str, line: &Value) {
    let colour = match line["level"].as_str() {
        Some("ERROR") => RED,
        Some("WARN") => YELLOW,
        Some("DEBUG" | "TRACE") => GREY,
        _ => "",
    };
    log_row(function, colour, line["message"].as_str().unwrap_or_default());
}

fn log_row(name: &str, colour: &str, text: &str) {
    let clock = time::OffsetDateTime::from(now()).time();
    let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
    let clock = format!("{GREY}{hour:02}:{minute:02}:{second:02}{PLAIN}");
    write_line(anstream::stdout(), &format!("{clock} {:<16} {colour}{}{PLAIN}", escaped(name), escaped(text)));
}

#[expect(clippy::disallowed_methods, reason = "a terminal shows the time")]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_from_strangers() {
        for (text, want) in [
            ("Ärger.jpg é 日本 🎬 a\\b", "Ärger.jpg é 日本 🎬 a\\b"),
            ("\x1b[2Jgone\x07", "\\u001b[2Jgone\\u0007"),
            ("\u{9b}31m \x7f", "\\u009b31m \\u007f"),
            ("a\r\nb\tc", "a\\u000d\\u000ab\\u0009c"),
            ("gpj.\u{202e}exe\u{2066}\u{200f}\u{61c}\u{2028}", "gpj.\\u202eexe\\u2066\\u200f\\u061c\\u2028"),
        ] {
            assert_eq!(escaped(text), want);
        }
        let value = json!({ "key": "\x1b[2J\u{9b}\u{202e}\u{7f} \"quoted\"" });
        let shown = escaped(&value.to_string());
        assert!(!shown.contains(char::is_control) && shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value, "the same JSON");
    }
}
