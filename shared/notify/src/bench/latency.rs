//! Latencies as rows of a table.

use std::time::Duration;

use serde_json::{Value, json};

use crate::print::outln;

/// The percentiles of durations.
pub(super) fn latency_row(what: &str, mut durations: Vec<Duration>) -> Value {
    durations.sort();
    let percentile = |share: usize| durations.get((durations.len() * share / 100).min(durations.len() - 1));
    let ms = |it: Option<&Duration>| it.map_or(0.0, |it| it.as_secs_f64() * 1_000.0);
    json!({ "what": what, "p50_ms": ms(percentile(50)), "p99_ms": ms(percentile(99)) })
}

/// Prints rows as JSON, or as a table in which rows that begin with the same letter are compared.
pub(super) fn print_rows(rows: &[Value], json: bool) {
    if json {
        outln!("{}", json!(rows));
        return;
    }
    outln!("| what | p50, ms | p99, ms | p50, times the first of its kind |");
    outln!("|---|---|---|---|");
    for row in rows {
        let kind = |it: &Value| it["what"].as_str().unwrap_or_default().chars().next();
        let first = rows.iter().find(|other| kind(other) == kind(row)).map_or(1.0, |it| number(it, "p50_ms"));
        let what = row["what"].as_str().unwrap_or_default();
        let (p50, p99) = (number(row, "p50_ms"), number(row, "p99_ms"));
        outln!("| {what} | {p50:.1} | {p99:.1} | {:.2} |", p50 / first.max(0.001));
    }
}

fn number(row: &Value, name: &str) -> f64 {
    row[name].as_f64().unwrap_or(0.0)
}
