//! `notify bench fairness`: what a healthy webhook notices of a neighbour that hangs or fails.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use futures_util::future::pending;
use local::Stack;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::api::{Api, CHANNELS};
use super::setup::{create_application, start_stack, temporary_folder};
use crate::client::poll_delay;
use crate::error::CliError;
use crate::print::{self, outln};

/// What a receiver does with notifications; it answers its challenge in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Healthy,
    /// Never answers.
    Hangs,
    /// Answers 500.
    Fails,
}

/// What stands beside the healthy receiver in a burst.
#[derive(Clone, Copy)]
struct Neighbour {
    name: &'static str,
    behaviour: Option<Behaviour>,
    /// Whether it has been healthy for a burst before.
    proved: bool,
}

/// The first is what the others are compared with.
const NEIGHBOURS: [Neighbour; 5] = [
    Neighbour { name: "alone", behaviour: None, proved: false },
    Neighbour { name: "beside a new one that is healthy too", behaviour: Some(Behaviour::Healthy), proved: false },
    Neighbour { name: "beside a new one that hangs", behaviour: Some(Behaviour::Hangs), proved: false },
    Neighbour { name: "beside a new one that answers 500", behaviour: Some(Behaviour::Fails), proved: false },
    Neighbour { name: "beside a healthy one that begins to hang", behaviour: Some(Behaviour::Hangs), proved: true },
];

/// A webhook receiver of the benchmark.
struct Receiver {
    channel: String,
    state: Arc<ReceiverState>,
}

struct ReceiverState {
    behaviour: Mutex<Behaviour>,
    /// How long each notification took, by its own time.
    latencies: Mutex<Vec<Duration>>,
}

/// Sends bursts of notifications to a healthy receiver with and without neighbours, one after the other and `rounds`
/// times, so that what else the machine does meets all of them.
pub(super) async fn run(notifications: usize, rounds: usize, json: bool) -> Result<(), CliError> {
    let data = temporary_folder()?;
    let stack = start_stack(data.path()).await?;
    let api = create_application(&stack).await?;
    let bench = Bench { stack: &stack, api: &api, notifications };
    let healthy = bench.receiver(Behaviour::Healthy).await?;
    bench.burst("warm-up", &healthy).await?;
    let mut latencies = vec![Vec::new(); NEIGHBOURS.len()];
    for round in 0..rounds {
        for (index, neighbour) in NEIGHBOURS.iter().enumerate() {
            let beside = match neighbour.behaviour {
                Some(_) if neighbour.proved => Some(bench.receiver(Behaviour::Healthy).await?),
                Some(behaviour) => Some(bench.receiver(behaviour).await?),
                None => None,
            };
            if let (Some(receiver), Some(behaviour), true) = (&beside, neighbour.behaviour, neighbour.proved) {
                bench.burst(&format!("proof-{round}-{index}"), &healthy).await?;
                bench.wait_for(receiver).await;
                receiver.state.set_behaviour(behaviour);
            }
            latencies[index].extend(bench.burst(&format!("burst-{round}-{index}"), &healthy).await?);
            if let Some(receiver) = beside {
                bench.remove(&receiver).await?;
            }
        }
    }
    print_rows(&latencies, notifications, json);
    Ok(())
}

/// The stack and the application of a run.
struct Bench<'a> {
    stack: &'a Stack,
    api: &'a Api,
    notifications: usize,
}

impl Bench<'_> {
    async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, CliError> {
        self.api.call(method, path, body).await
    }

    fn channel_path(&self, channel: &str) -> String {
        format!("{CHANNELS}?applicationId={}&configurationId={channel}", self.api.keys.application_id)
    }

    /// Starts a receiver, and waits until its channel is confirmed.
    async fn receiver(&self, behaviour: Behaviour) -> Result<Receiver, CliError> {
        let failed = |it: std::io::Error| CliError::Other(it.to_string());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let url = format!("http://{}/", listener.local_addr().map_err(failed)?);
        let state = Arc::new(ReceiverState { behaviour: Mutex::new(behaviour), latencies: Mutex::default() });
        let router = Router::new().fallback(post(receive)).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let body = json!({ "webHookUrl": url, "format": "native", "types": "item.*" });
        let path = format!("{CHANNELS}/WebHook?applicationId={}", self.api.keys.application_id);
        let added = self.call("POST", &path, &body).await?;
        let channel = added["id"].as_str().unwrap_or_default().to_owned();
        while self.call("GET", &self.channel_path(&channel), &Value::Null).await?["status"] != "active" {
            poll_delay().await;
        }
        Ok(Receiver { channel, state })
    }

    async fn remove(&self, receiver: &Receiver) -> Result<(), CliError> {
        self.call("DELETE", &self.channel_path(&receiver.channel), &Value::Null).await.map(drop)
    }

    /// Scans a new bucket, which publishes a notification per object; answers how long each took to the healthy receiver.
    async fn burst(&self, bucket: &str, healthy: &Receiver) -> Result<Vec<Duration>, CliError> {
        drop(healthy.state.take_latencies());
        fill(&self.stack.bucket_folder(bucket), self.notifications)
            .map_err(|it| CliError::Other(format!("the bucket {bucket}: {it}")))?;
        let body = json!({
            "system": "datacore", "endpoint": self.stack.s3_url, "bucket": bucket, "schedule": "rate(30 days)",
            "credentials": { "accessKey": "test", "secretKey": "test" },
        });
        let created = self.call("POST", "/api/v1/Media/Buckets", &body).await?;
        let id = created["id"].as_str().unwrap_or_default();
        self.call("POST", &format!("/api/v1/Media/Buckets/{id}/scan"), &Value::Null).await?;
        self.wait_for(healthy).await;
        Ok(healthy.state.take_latencies())
    }

    /// Waits until a receiver has got a burst.
    async fn wait_for(&self, receiver: &Receiver) {
        while receiver.state.count() < self.notifications {
            poll_delay().await;
        }
    }
}

fn fill(folder: &Path, objects: usize) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    (0..objects).try_for_each(|index| std::fs::write(folder.join(format!("{index:06}.txt")), "x"))
}

impl ReceiverState {
    fn set_behaviour(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    fn behaviour(&self) -> Behaviour {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take_latencies(&self) -> Vec<Duration> {
        std::mem::take(&mut self.latencies.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn receive(State(state): State<Arc<ReceiverState>>, body: Bytes) -> (StatusCode, String) {
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    if message["type"] == "channel.challenge" {
        return (StatusCode::OK, message["data"]["challenge"].as_str().unwrap_or_default().to_owned());
    }
    match state.behaviour() {
        Behaviour::Hangs => pending().await,
        Behaviour::Fails => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        Behaviour::Healthy => {
            let latency = age(message["timestamp"].as_str().unwrap_or_default());
            state.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(latency);
            (StatusCode::NO_CONTENT, String::new())
        }
    }
}

/// How long ago a time of RFC 3339 was.
#[expect(clippy::disallowed_methods, reason = "how long a notification took, by its own time")]
fn age(timestamp: &str) -> Duration {
    let at = OffsetDateTime::parse(timestamp, &Rfc3339).ok();
    at.and_then(|at| (OffsetDateTime::now_utc() - at).try_into().ok()).unwrap_or_default()
}

fn print_rows(latencies: &[Vec<Duration>], notifications: usize, json: bool) {
    let percentile = |sorted: &[Duration], share: f64| {
        let index = (sorted.len().saturating_sub(1) as f64 * share) as usize;
        sorted.get(index).map_or(0.0, |it| it.as_secs_f64() * 1_000.0)
    };
    let mut rows = Vec::new();
    for (neighbour, all) in NEIGHBOURS.iter().zip(latencies) {
        let mut sorted = all.clone();
        sorted.sort();
        rows.push((neighbour.name, percentile(&sorted, 0.5), percentile(&sorted, 0.99)));
    }
    let first = rows[0];
    let ratio = |value: f64, base: f64| value / base.max(0.001);
    if json {
        let rows = rows.iter().map(|(what, p50, p99)| {
            json!({ "what": what, "p50_ms": p50, "p99_ms": p99,
                "p50_ratio": ratio(*p50, first.1), "p99_ratio": ratio(*p99, first.2) })
        });
        outln!("{}", Value::Array(rows.collect()));
        return;
    }
    outln!("| the healthy webhook | p50, ms | p99, ms | p50, times alone | p99, times alone |");
    outln!("|---|---|---|---|---|");
    for (what, p50, p99) in &rows {
        outln!("| {what} | {p50:.0} | {p99:.0} | {:.2} | {:.2} |", ratio(*p50, first.1), ratio(*p99, first.2));
    }
    print::success(&format!("bursts of {notifications} notifications; each neighbour's first burst is in the figures"));
}
