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
use serde_json::{Value, json};

use super::api::{Api, CHANNELS, MESSAGES};
use super::cpu::{FunctionsCpu, own_seconds};
use super::setup::{create_application, start_stack, temporary_folder};
use crate::client::poll_delay;
use crate::error::CliError;
use crate::print::outln;

/// Events that are timed one after the other.
const TIMED_RUNS: usize = 100;

/// When each event came, by its id.
type Arrivals = Arc<Mutex<HashMap<String, Instant>>>;

pub(super) async fn run(clients: usize, messages: usize, json: bool) -> Result<(), CliError> {
    let data = temporary_folder()?;
    let stack = start_stack(data.path()).await?;
    let api = create_application(&stack).await?;
    let arrivals = receiver(&api).await?;
    let mut alone = Vec::with_capacity(TIMED_RUNS);
    for number in 0..TIMED_RUNS {
        vary_poll_phase(number).await;
        let began = Instant::now();
        let id = publish(&api, number).await?;
        alone.push(arrival(&arrivals, &id).await.saturating_duration_since(began));
    }
    alone.sort();
    let mut cpu = FunctionsCpu::default();
    cpu.sample();
    let (before, own_before, began) = (cpu.by_function(), own_seconds(), Instant::now());
    let sent: Vec<String> =
        stream::iter(0..messages).map(|number| publish(&api, number)).buffer_unordered(clients).try_collect().await?;
    let accepted = began.elapsed();
    for id in &sent {
        arrival(&arrivals, id).await;
    }
    let delivered = began.elapsed();
    let own = (own_seconds() - own_before) * 1_000.0 / messages as f64;
    cpu.sample();
    let cpu = cpu.by_function();
    let used = |name: &str| cpu.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0);
    let functions: BTreeMap<&str, f64> =
        cpu.keys().map(|name| (name.as_str(), used(name) * 1_000.0 / messages as f64)).collect();
    let percentile = |share: usize| alone[(alone.len() * share / 100).min(alone.len() - 1)].as_secs_f64() * 1_000.0;
    let result = json!({
        "alone_p50_ms": percentile(50), "alone_p99_ms": percentile(99), "clients": clients, "messages": messages,
        "accepted_per_second": messages as f64 / accepted.as_secs_f64(),
        "delivered_per_second": messages as f64 / delivered.as_secs_f64(),
        "functions_cpu_ms": functions.values().sum::<f64>(), "cpu_ms_by_function": functions, "process_cpu_ms": own,
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
    outln!("| CPU of the emulators, the clients and the receiver, per event | {own:.2} ms |");
    for (name, ms) in functions.iter().filter(|it| *it.1 >= 0.005) {
        outln!("| of it `{name}` | {ms:.2} ms |");
    }
    Ok(())
}

async fn publish(api: &Api, number: usize) -> Result<String, CliError> {
    let body = json!({ "type": "bench.event", "data": { "number": number } });
    let published = api.call("POST", MESSAGES, &body).await?;
    Ok(published["id"].as_str().unwrap_or_default().to_owned())
}

/// Starts a webhook receiver, and waits until its channel is confirmed.
async fn receiver(api: &Api) -> Result<Arrivals, CliError> {
    let failed = |it: std::io::Error| CliError::Other(it.to_string());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let url = format!("http://{}/", listener.local_addr().map_err(failed)?);
    let arrivals = Arrivals::default();
    let router = Router::new().fallback(post(receive)).with_state(arrivals.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let query = format!("applicationId={}", api.keys.application_id);
    let body = json!({ "webHookUrl": url, "format": "native", "types": "bench.*" });
    let added = api.call("POST", &format!("{CHANNELS}/WebHook?{query}"), &body).await?;
    let path = format!("{CHANNELS}?{query}&configurationId={}", added["id"].as_str().unwrap_or_default());
    while api.call("GET", &path, &Value::Null).await?["status"] != "active" {
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
