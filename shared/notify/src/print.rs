//! Lines for people: colour only on a terminal.

use std::error::Error;

use anstream::{eprintln, println};
use local::Event;
use serde_json::Value;

const GREY: &str = "\x1b[90m";
const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// An error with its causes.
pub(crate) fn error(error: &dyn Error) {
    eprintln!("{RED}error:{PLAIN} {error}");
    let (mut cause, mut last) = (error.source(), error.to_string());
    while let Some(it) = cause {
        let text = it.to_string();
        if !last.contains(&text) {
            eprintln!("  because {text}");
        }
        last = text;
        cause = it.source();
    }
}

pub(crate) fn heading(text: &str) {
    println!("{BOLD}{text}{PLAIN}");
}

pub(crate) fn field(name: &str, value: &str) {
    println!("  {GREY}{name:<19}{PLAIN}{value}");
}

/// Something to know, beside what was asked for.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

pub(crate) fn good(text: &str) {
    println!("{GREEN}✓{PLAIN} {text}");
}

pub(crate) fn bad(text: &str) {
    println!("{RED}✗{PLAIN} {text}");
}

/// One event of the stack in one line; `None` for those that nobody wants to see.
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
    println!("{GREY}{hour:02}:{minute:02}:{second:02}{PLAIN} {name:<16} {colour}{text}{PLAIN}");
}

#[expect(clippy::disallowed_methods, reason = "a terminal shows the time")]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}
