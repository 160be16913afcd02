//! `notify bench publish`: how long an event takes to a webhook, how many are taken a second, and what they cost in CPU.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use futures_util::{StreamExt, TryStreamExt, stream};
use local::Stack;
use local::demo::{ApplicationKeys, create_application};
use serde_json::{Value, json};

use super::setup::{call_api, start_stack, temporary_folder};
use crate::client::poll_delay;
use crate::error::CliError;
use crate::print::outln;

const CHANNELS: &str = "/api/v1/Notification/ChannelConfiguration";
const MESSAGES: &str = "/api/v1/Notification/Messages";
/// Events that are timed one after the other.
const TIMED_RUNS: usize = 100;
/// Clock ticks a second in `/proc` (proc(5), `USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// When each event came, by its id.
type Arrivals = Arc<Mutex<HashMap<String, Instant>>>;

pub(super) async fn run(clients: usize, messages: usize, json: bool) -> Result<(), CliError> {
    let data = temporary_folder()?;
    let stack = start_stack(data.path()).await?;
    let keys = create_application(&stack, "bench", false).await?;
    let arrivals = receiver(&stack, &keys).await?;
    let mut alone = Vec::with_capacity(TIMED_RUNS);
    for number in 0..TIMED_RUNS {
        vary_poll_phase(number).await;
        let began = Instant::now();
        let id = publish(&stack, &keys, number).await?;
        alone.push(arrival(&arrivals, &id).await.saturating_duration_since(began));
    }
    alone.sort();
    let (before, began) = (cpu_by_function(), Instant::now());
    let sent: Vec<String> = stream::iter(0..messages)
        .map(|number| publish(&stack, &keys, number))
        .buffer_unordered(clients)
        .try_collect()
        .await?;
    let accepted = began.elapsed();
    for id in &sent {
        arrival(&arrivals, id).await;
    }
    let delivered = began.elapsed();
    let cpu = cpu_by_function();
    let used = |name: &str| cpu.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0);
    let functions: BTreeMap<&str, f64> =
        cpu.keys().map(|name| (name.as_str(), used(name) * 1_000.0 / messages as f64)).collect();
    let percentile = |share: usize| alone[(alone.len() * share / 100).min(alone.len() - 1)].as_secs_f64() * 1_000.0;
    let result = json!({
        "alone_p50_ms": percentile(50), "alone_p99_ms": percentile(99), "clients": clients, "messages": messages,
        "accepted_per_second": messages as f64 / accepted.as_secs_f64(),
        "delivered_per_second": messages as f64 / delivered.as_secs_f64(),
        "functions_cpu_ms": functions.values().sum::<f64>(), "cpu_ms_by_function": functions,
    });
    if json {
        outln!("{result}");
        return Ok(());
    }
    outln!("| what | |");
    outln!("|---|---|");
    outln!("| publish to webhook, alone: p50, p99 | {:.1} ms, {:.1} ms |", percentile(50), percentile(99));
    let number = |name: &str| result[name].as_f64().unwrap_or_default();
    outln!("| accepted, {clients} clients | {:.0} a second |", number("accepted_per_second"));
    outln!("| delivered | {:.0} a second |", number("delivered_per_second"));
    outln!("| CPU of the functions, per event | {:.2} ms |", number("functions_cpu_ms"));
    for (name, ms) in functions.iter().filter(|it| *it.1 >= 0.005) {
        outln!("| of it `{name}` | {ms:.2} ms |");
    }
    Ok(())
}

async fn publish(stack: &Stack, keys: &ApplicationKeys, number: usize) -> Result<String, CliError> {
    let body = json!({ "type": "bench.event", "data": { "number": number } });
    let published = call_api(stack, keys, "POST", MESSAGES, &body).await?;
    Ok(published["id"].as_str().unwrap_or_default().to_owned())
}

/// Starts a webhook receiver, and waits until its channel is confirmed.
async fn receiver(stack: &Stack, keys: &ApplicationKeys) -> Result<Arrivals, CliError> {
    let failed = |it: std::io::Error| CliError::Other(it.to_string());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let url = format!("http://{}/", listener.local_addr().map_err(failed)?);
    let arrivals = Arrivals::default();
    let router = Router::new().fallback(post(receive)).with_state(arrivals.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let query = format!("applicationId={}", keys.application_id);
    let body = json!({ "webHookUrl": url, "format": "native", "types": "bench.*" });
    let added = call_api(stack, keys, "POST", &format!("{CHANNELS}/WebHook?{query}"), &body).await?;
    let path = format!("{CHANNELS}?{query}&configurationId={}", added["id"].as_str().unwrap_or_default());
    while call_api(stack, keys, "GET", &path, &Value::Null).await?["status"] != "active" {
        poll_delay().await;
    }
    Ok(arrivals)
}

async fn receive(State(arrivals): State<Arrivals>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let id = headers.get("webhook-id").and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let now = Instant::now();
    let challenge =
        serde_json::from_slice::<Value>(&body).ok().and_then(|it| Some(it["data"]["challenge"].as_str()?.to_owned()));
    arrivals.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_insert(now);
    (StatusCode::OK, challenge.unwrap_or_default())
}

/// Waits for an event; answers when it came.
#[expect(clippy::disallowed_methods, reason = "what is measured is when it came, not when it was looked for")]
async fn arrival(arrivals: &Arrivals, id: &str) -> Instant {
    loop {
        if let Some(at) = arrivals.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            return *at;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Varies the time between a poll of the table's stream and an event: one right after a poll would wait longest.
#[expect(clippy::disallowed_methods, reason = "what is measured depends on when it begins")]
async fn vary_poll_phase(number: usize) {
    tokio::time::sleep(Duration::from_millis(number as u64 * 97 % 250)).await;
}

/// The CPU time that the functions' processes have used, in seconds, by function: their fields `utime` and `stime`
/// (proc(5), `/proc/pid/stat`).
fn cpu_by_function() -> BTreeMap<String, f64> {
    let mut used = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).ok();
        let Some(stat) = read("stat").map(|it| String::from_utf8_lossy(&it).into_owned()) else { continue };
        // the program's name stands in parentheses, and may hold anything
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        if fields.get(1) != Some(&std::process::id().to_string().as_str()) {
            continue;
        }
        let command = read("cmdline").unwrap_or_default();
        let name = command.split(|it| *it == 0).nth(2).map(|it| String::from_utf8_lossy(it).into_owned());
        let ticks: f64 = [11, 12].iter().filter_map(|it| fields.get(*it)?.parse::<f64>().ok()).sum();
        *used.entry(name.unwrap_or_default()).or_default() += ticks / TICKS_PER_SECOND;
    }
    used
}
