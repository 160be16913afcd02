//! Latencies of inboxes: to a socket, and of a list.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt, stream};
use local::Stack;
use local::demo::{Keys, application};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{ask, folder, stack};
use crate::error::CliError;
use crate::print::say;

/// Notifications that are timed in each run.
const TIMED: usize = 100;
/// Sockets that are opened at once.
const OPENING: usize = 8;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) async fn run(sockets: usize, notifications: usize, json: bool) -> Result<(), CliError> {
    let data = folder()?;
    let stack = stack(data.path()).await?;
    let keys = application(&stack, "bench", false).await?;
    let mut rows = Vec::new();
    let mut open: Vec<Socket> = Vec::new();
    for wanted in [1, 100, sockets] {
        let more: Vec<Result<Socket, CliError>> = stream::iter(open.len()..wanted.max(open.len()))
            .map(|user| connect(&stack, &keys, user))
            .buffered(OPENING)
            .collect()
            .await;
        for it in more {
            open.push(it?);
        }
        let mut took = Vec::new();
        for number in 0..TIMED {
            let user = number * 7_919 % open.len();
            somewhere_between_polls(number).await;
            let began = Instant::now();
            send(&stack, &keys, &format!("u{user}"), &json!({ "title": format!("timed {number}") })).await?;
            heard(&mut open[user], &format!("timed {number}")).await?;
            took.push(began.elapsed());
        }
        rows.push(row(&format!("publish to socket, {} open", open.len()), took));
    }
    drop(open);
    for (user, count) in [("few", 100), ("many", notifications)] {
        for _ in 0..count / 100 {
            let batch: Vec<Value> = (0..100).map(|it| json!({ "title": format!("n{it}") })).collect();
            send(&stack, &keys, user, &json!(batch)).await?;
        }
        let mut took = Vec::new();
        for _ in 0..TIMED {
            let began = Instant::now();
            ask(&stack, &keys, "GET", &format!("/api/v1/Inbox/{user}/Notifications?limit=20"), &Value::Null).await?;
            took.push(began.elapsed());
        }
        rows.push(row(&format!("list of 20, inbox of {count}"), took));
    }
    if json {
        say!("{}", json!(rows));
        return Ok(());
    }
    say!("| what | p50, ms | p99, ms | p50, times the first of its kind |");
    say!("|---|---|---|---|");
    for it in &rows {
        let kind = |it: &Value| it["what"].as_str().unwrap_or_default().chars().next();
        let first = rows.iter().find(|other| kind(other) == kind(it)).map_or(1.0, |it| number(it, "p50_ms"));
        let what = it["what"].as_str().unwrap_or_default();
        let (p50, p99) = (number(it, "p50_ms"), number(it, "p99_ms"));
        say!("| {what} | {p50:.1} | {p99:.1} | {:.2} |", p50 / first.max(0.001));
    }
    Ok(())
}

fn number(it: &Value, name: &str) -> f64 {
    it[name].as_f64().unwrap_or(0.0)
}

/// Each notification begins at another moment between two polls of the stream: right after one it would wait longest.
#[expect(clippy::disallowed_methods, reason = "what is measured depends on when it begins")]
async fn somewhere_between_polls(number: usize) {
    tokio::time::sleep(Duration::from_millis(number as u64 * 97 % 250)).await;
}

fn row(what: &str, mut took: Vec<Duration>) -> Value {
    took.sort();
    let at = |share: usize| took.get((took.len() * share / 100).min(took.len() - 1));
    let ms = |it: Option<&Duration>| it.map_or(0.0, |it| it.as_secs_f64() * 1_000.0);
    json!({ "what": what, "p50_ms": ms(at(50)), "p99_ms": ms(at(99)) })
}

async fn send(stack: &Stack, keys: &Keys, user: &str, body: &Value) -> Result<(), CliError> {
    ask(stack, keys, "POST", &format!("/api/v1/Inbox/{user}/Notifications"), body).await.map(drop)
}

fn failed(it: impl std::fmt::Display) -> CliError {
    CliError::Other(format!("a socket failed: {it}"))
}

async fn connect(stack: &Stack, keys: &Keys, user: usize) -> Result<Socket, CliError> {
    let ticket = loop {
        // all functions may be busy with the others
        match ask(stack, keys, "POST", &format!("/api/v1/Inbox/u{user}/Tickets"), &json!({})).await {
            Err(CliError::Answer { status: 503, .. }) => crate::client::moment().await,
            other => break other?,
        }
    };
    let ticket = ticket["ticket"].as_str().unwrap_or_default();
    let url = format!("{}/api/v1/Inbox/Socket?ticket={ticket}", stack.url.replacen("http", "ws", 1));
    let (mut socket, _) = connect_async(url).await.map_err(failed)?;
    socket.send(Message::text(r#"{"action":"resume"}"#)).await.map_err(failed)?;
    heard(&mut socket, "resumed").await?;
    Ok(socket)
}

/// Waits for a message with a text in it.
async fn heard(socket: &mut Socket, text: &str) -> Result<(), CliError> {
    while let Some(message) = socket.next().await {
        if let Message::Text(it) = message.map_err(failed)?
            && it.contains(text)
        {
            return Ok(());
        }
    }
    Err(failed("it was closed"))
}
