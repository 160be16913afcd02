//! `notify bench inbox`: latencies of a notification to a socket, and of a list.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::api::Api;
use super::latency::{latency_row, print_rows};
use super::setup::{create_application, start_stack, temporary_folder};
use crate::error::CliError;

/// Notifications that are timed in each run.
const TIMED_RUNS: usize = 100;
/// Sockets that are opened at the same time.
const CONCURRENT_CONNECTS: usize = 8;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) async fn run(sockets: usize, notifications: usize, json: bool) -> Result<(), CliError> {
    let data = temporary_folder()?;
    let stack = start_stack(data.path()).await?;
    let api = create_application(&stack).await?;
    let mut rows = Vec::new();
    let mut open: Vec<Socket> = Vec::new();
    for wanted in [1, 100, sockets] {
        let opened: Vec<Result<Socket, CliError>> = stream::iter(open.len()..wanted.max(open.len()))
            .map(|user| connect(&api, user))
            .buffered(CONCURRENT_CONNECTS)
            .collect()
            .await;
        for socket in opened {
            open.push(socket?);
        }
        let mut durations = Vec::new();
        for number in 0..TIMED_RUNS {
            let user = number * 7_919 % open.len();
            vary_poll_phase(number).await;
            let started_at = Instant::now();
            send(&api, &format!("u{user}"), &json!({ "title": format!("timed {number}") })).await?;
            wait_for_text(&mut open[user], &format!("timed {number}")).await?;
            durations.push(started_at.elapsed());
        }
        rows.push(latency_row(&format!("publish to socket, {} open", open.len()), durations));
    }
    drop(open);
    for (user, count) in [("few", 100), ("many", notifications)] {
        for _ in 0..count / 100 {
            let batch: Vec<Value> = (0..100).map(|it| json!({ "title": format!("n{it}") })).collect();
            send(&api, user, &json!(batch)).await?;
        }
        let mut durations = Vec::new();
        for _ in 0..TIMED_RUNS {
            let started_at = Instant::now();
            api.call("GET", &format!("/api/v1/Inbox/{user}/Notifications?limit=20"), &Value::Null).await?;
            durations.push(started_at.elapsed());
        }
        rows.push(latency_row(&format!("list of 20, inbox of {count}"), durations));
    }
    print_rows(&rows, json);
    Ok(())
}

/// Varies the time between a poll of the stream and a notification: one right after a poll waits longest.
#[expect(clippy::disallowed_methods, reason = "what is measured depends on when it begins")]
async fn vary_poll_phase(number: usize) {
    tokio::time::sleep(Duration::from_millis(number as u64 * 97 % 250)).await;
}

async fn send(api: &Api, user: &str, body: &Value) -> Result<(), CliError> {
    api.call("POST", &format!("/api/v1/Inbox/{user}/Notifications"), body).await.map(drop)
}

fn socket_error(cause: impl std::fmt::Display) -> CliError {
    CliError::Other(format!("a socket failed: {cause}"))
}

async fn connect(api: &Api, user: usize) -> Result<Socket, CliError> {
    let ticket = loop {
        // all processes of the function may be busy
        match api.call("POST", &format!("/api/v1/Inbox/u{user}/Tickets"), &json!({})).await {
            Err(CliError::ErrorResponse { status: 503, .. }) => crate::client::poll_delay().await,
            other => break other?,
        }
    };
    let ticket = ticket["ticket"].as_str().unwrap_or_default();
    let url = format!("{}/api/v1/Inbox/Socket?ticket={ticket}", api.url.replacen("http", "ws", 1));
    let (mut socket, _) = connect_async(url).await.map_err(socket_error)?;
    socket.send(Message::text(r#"{"action":"resume"}"#)).await.map_err(socket_error)?;
    wait_for_text(&mut socket, "resumed").await?;
    Ok(socket)
}

/// Waits for a message that contains a text.
async fn wait_for_text(socket: &mut Socket, text: &str) -> Result<(), CliError> {
    while let Some(message) = socket.next().await {
        if let Message::Text(frame) = message.map_err(socket_error)?
            && frame.contains(text)
        {
            return Ok(());
        }
    }
    Err(socket_error("it was closed"))
}
