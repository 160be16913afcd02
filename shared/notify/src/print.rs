//! All that the program says: colour only on a terminal, nothing raw from strangers, and a closed pipe is an end.

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

/// Whoever read the output has gone.
static CLOSED: Notify = Notify::const_new();
/// Why the output could not be written, if it was for another reason than that nobody reads.
static LOST: OnceLock<String> = OnceLock::new();

/// Prints a line as `println!` does, by way of [`line()`].
macro_rules! say {
    ($($it:tt)*) => { $crate::print::line(&format!($($it)*)) };
}
pub(crate) use say;

/// One line on standard output: a text, or JSON.
pub(crate) fn line(text: &str) {
    put(anstream::stdout(), &clean(text));
}

/// Resolves when nobody reads the output any more (`notify … | head -1`), or it cannot be written.
pub(crate) async fn closed() {
    CLOSED.notified().await;
}

/// Why the output could not be written: a full disk, mostly. Nobody who reads is no failure.
pub(crate) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Bytes of our own as they are: a script for a shell.
pub(crate) fn raw(bytes: &[u8]) {
    noted(std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()));
}

fn put(mut to: impl Write, text: &str) {
    noted(writeln!(to, "{text}").and_then(|()| to.flush()));
}

fn noted(written: std::io::Result<()>) {
    if let Err(why) = written {
        if why.kind() != ErrorKind::BrokenPipe {
            LOST.get_or_init(|| why.to_string());
        }
        CLOSED.notify_one();
    }
}

/// A text as a terminal may have it. Keys, titles and answers are written by strangers: control characters (C0, DEL, C1;
/// ECMA-48), line and paragraph separators, and what turns the direction of writing (UAX #9, section 2) are shown as JSON
/// escapes them. So JSON stays the same JSON.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for it in text.chars() {
        let turns =
            matches!(it, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if it.is_control() || turns {
            clean.push_str(&format!("\\u{:04x}", u32::from(it)));
        } else {
            clean.push(it);
        }
    }
    clean
}

/// An error with its causes.
pub(crate) fn error(error: &dyn Error) {
    complain(&format!("{RED}error:{PLAIN} {}", clean(&error.to_string())));
    let (mut cause, mut last) = (error.source(), error.to_string());
    while let Some(it) = cause {
        let text = it.to_string();
        if !last.contains(&text) {
            complain(&format!("  because {}", clean(&text)));
        }
        last = text;
        cause = it.source();
    }
}

pub(crate) fn heading(text: &str) {
    put(anstream::stdout(), &format!("{BOLD}{}{PLAIN}", clean(text)));
}

pub(crate) fn field(name: &str, value: &str) {
    put(anstream::stdout(), &format!("  {GREY}{:<19}{PLAIN}{}", clean(name), clean(value)));
}

/// Something to know, beside what was asked for: on standard error.
pub(crate) fn note(text: &str) {
    complain(&clean(text));
}

/// A line on standard error. Nobody has to read it.
fn complain(text: &str) {
    drop(writeln!(anstream::stderr(), "{text}"));
}

pub(crate) fn good(text: &str) {
    put(anstream::stdout(), &format!("{GREEN}✓{PLAIN} {}", clean(text)));
}

pub(crate) fn bad(text: &str) {
    put(anstream::stdout(), &format!("{RED}✗{PLAIN} {}", clean(text)));
}

/// One event of the stack in one line, unless nobody wants to see it.
pub(crate) fn event(event: &Event, verbose: bool) {
    match event {
        Event::Log { function, line } => log(function, line),
        Event::Raw { function, line } => row(function, RED, line),
        Event::Note(text) => row("stack", YELLOW, text),
        Event::Invoked { function, problem: Some(problem), .. } => row(function, RED, problem),
        Event::Invoked { function, took, memory_mb, problem: None } if verbose => {
            let memory = memory_mb.map_or_else(String::new, |it| format!(", {it} MB"));
            row(function, GREY, &format!("invoked, {:.1} ms{memory}", took.as_secs_f64() * 1_000.0));
        }
        Event::Started { function, init } if verbose => {
            row(function, GREY, &format!("started, init {:.1} ms", init.as_secs_f64() * 1_000.0));
        }
        Event::Invoked { .. } | Event::Started { .. } => {}
    }
}

/// The same as JSON, with its kind as `event`.
pub(crate) fn event_json(event: &Event, verbose: bool) {
    let ms = |it: &std::time::Duration| it.as_secs_f64() * 1_000.0;
    let shown = match event {
        Event::Log { function, line } => json!({ "event": "log", "function": function, "line": line }),
        Event::Raw { function, line } => json!({ "event": "raw", "function": function, "line": line }),
        Event::Note(text) => json!({ "event": "note", "text": text }),
        Event::Invoked { function, took, memory_mb, problem } if verbose || problem.is_some() => {
            let (took, memory) = (ms(took), memory_mb);
            json!({ "event": "invoked", "function": function, "tookMs": took, "memoryMb": memory, "problem": problem })
        }
        Event::Started { function, init } if verbose => {
            json!({ "event": "started", "function": function, "initMs": ms(init) })
        }
        Event::Invoked { .. } | Event::Started { .. } => return,
    };
    line(&shown.to_string());
}

/// The units of the meter, as its lines name them.
const UNITS: [&str; 6] = ["write_units", "read_units", "sqs_requests", "s3_requests", "kms_requests", "media_requests"];

/// One line a minute: what a deployment would pay for.
pub(crate) fn meter(it: &Meter, as_json: bool) {
    if it.invocations() == 0 {
        return;
    }
    if as_json {
        let mut shown = json!({ "event": "meter", "invocations": it.invocations() });
        UNITS.iter().for_each(|name| shown[*name] = json!(it.total(name)));
        return line(&shown.to_string());
    }
    let all: Vec<String> =
        UNITS.iter().map(|name| format!("{:.1} {}", it.total(name), name.replace('_', " "))).collect();
    let text = format!("meter, last minute: {} invocations, {}", it.invocations(), all.join(", "));
    put(anstream::stdout(), &format!("{GREY}{text}{PLAIN}"));
}

fn log(function: &str, line: &Value) {
    let colour = match line["level"].as_str() {
        Some("ERROR") => RED,
        Some("WARN") => YELLOW,
        Some("DEBUG" | "TRACE") => GREY,
        _ => "",
    };
    row(function, colour, line["message"].as_str().unwrap_or_default());
}

fn row(name: &str, colour: &str, text: &str) {
    let clock = time::OffsetDateTime::from(now()).time();
    let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
    let clock = format!("{GREY}{hour:02}:{minute:02}:{second:02}{PLAIN}");
    put(anstream::stdout(), &format!("{clock} {:<16} {colour}{}{PLAIN}", clean(name), clean(text)));
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
            assert_eq!(clean(text), want);
        }
        let value = json!({ "key": "\x1b[2J\u{9b}\u{202e}\u{7f} \"quoted\"" });
        let shown = clean(&value.to_string());
        assert!(!shown.contains(char::is_control) && shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value, "the same JSON");
    }
}
