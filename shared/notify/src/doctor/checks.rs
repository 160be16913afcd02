//! The checks. Each says what it has seen, or why it failed.

use std::ops::ControlFlow;
use std::pin::pin;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::any;
use futures_util::future::{Either, select};
use reqwest::Method;
use serde_json::{Value, json};

use crate::channel::{self, fetch_explanation};
use crate::client::{Client, poll_delay, send_request};
use crate::error::CliError;
use crate::json::text_member;
use crate::listen;
use crate::queues::Queues;
use crate::scan::find_bucket;
use crate::socket_client::{Ended, Protocol, Received, SocketClient, StreamPosition};

/// The user whose inbox is used.
const USER: &str = "notify-doctor";
/// How often a notification is sent until it comes, and how many polls, of 0.3 seconds, are between.
const MAX_SENDS: usize = 5;
const POLLS_BETWEEN: usize = 10;
/// Polls until a delivery or a scan has ended, at most: two minutes.
const MAX_POLLS: usize = 400;

fn wrong(text: impl Into<String>) -> CliError {
    CliError::Other(text.into())
}

/// No queue holds dead letters.
pub(super) async fn queues(queues: &Queues) -> Result<String, CliError> {
    let mut dead = Vec::new();
    for (name, url) in queues.urls.iter().filter(|it| it.0.ends_with("Dead")) {
        let count = queues.depth(url).await?.total();
        if count > 0 {
            dead.push(format!("{count} in {name}"));
        }
    }
    if dead.is_empty() {
        return Ok(format!("{} queues, and no dead letters", queues.urls.len()));
    }
    Err(wrong(format!("there are dead letters: {}; `notify dead-letters` says why", dead.join(", "))))
}

/// The API answers.
pub(super) async fn api(http: &reqwest::Client, address: &str) -> Result<String, CliError> {
    let advice = "; is the address right?";
    let described = send_request(address, advice, "the API", http.get(format!("{address}/docs/openapi.json"))).await?;
    match described["info"]["title"].as_str() {
        Some(title) => Ok(format!("{title} at {address}")),
        None => Err(wrong(format!("{address} answers, but is no Notifications API"))),
    }
}

/// The keys are good.
pub(super) async fn key(client: &Client) -> Result<String, CliError> {
    client.get(&Client::path(&["api", "v1", "Inbox", USER, "Counts"])?).await?;
    Ok(format!("application {}", client.application_id))
}

/// A notification is sent to a user, and comes over a socket.
pub(super) async fn socket(client: &Client, socket_url: Option<&str>) -> Result<String, CliError> {
    let stream = listen::connect(client, USER, Protocol::Native, socket_url).await?;
    let path = Client::path(&["api", "v1", "Inbox", USER, "Notifications"])?;
    let body = json!({ "type": "doctor", "title": "notify doctor" });
    // it may be sent before the socket is known everywhere: then the next one comes
    let send = async {
        for _ in 0..MAX_SENDS {
            client.send("sending", client.request(Method::POST, &path).json(&body)).await?;
            for _ in 0..POLLS_BETWEEN {
                poll_delay().await;
            }
        }
        Ok::<(), CliError>(())
    };
    let first = StreamPosition { sequence: None, cursor: None };
    let mut socket = SocketClient::new(Protocol::Native, [(format!("user:{USER}"), first)].into());
    let receive = socket.receive(stream, |_, received| match received {
        Received::Notification { item, .. } if item["type"] == "doctor" => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    match select(pin!(receive), pin!(send)).await {
        Either::Left((ended, _)) => match ended? {
            Ended::Stopped => Ok("what was sent to an inbox came over a socket".to_owned()),
            Ended::ConnectionLost => Err(wrong("the socket opened, and was closed before anything came")),
        },
        Either::Right((sent, _)) => {
            sent?;
            Err(wrong("the socket opened, but what was sent to its user did not come: see the log of socket"))
        }
    }
}

/// The address of a receiver: the given one, or for a stack on this machine one that is started here.
pub(super) async fn receiver(given: Option<String>, api: &str) -> Result<Option<String>, CliError> {
    let host = reqwest::Url::parse(api).ok().and_then(|it| it.host_str().map(str::to_owned));
    if given.is_some() || !matches!(host.as_deref(), Some("127.0.0.1" | "localhost")) {
        return Ok(given);
    }
    let failed = |it: std::io::Error| CliError::Other(it.to_string());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let router = Router::new().fallback(any(async || StatusCode::NO_CONTENT));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(Some(format!("http://{address}/")))
}

/// A test message reaches a webhook, over a channel that is there for the test alone.
pub(super) async fn webhook(client: &Client, url: &str) -> Result<String, CliError> {
    let path = "/api/v1/Notification/ChannelConfiguration/WebHook";
    let application = [("applicationId", client.application_id.clone())];
    let add = client.request(Method::POST, path).query(&application).header("x-extended", "true");
    let added = client.send("adding a channel", add.form(&[("webHookUrl", url), ("retryCount", "0")])).await?;
    let channel = text_member(&added, "id").to_owned();
    let delivered = deliver(client, &channel).await;
    channel::remove(client, &channel).await?; // also after an error
    delivered.map(|()| format!("a test message reached {url}"))
}

async fn deliver(client: &Client, channel: &str) -> Result<(), CliError> {
    let path = "/api/v1/Notification/ChannelConfiguration/Test";
    let query = [("applicationId", client.application_id.as_str()), ("configurationId", channel)];
    let test = client.send("sending a test message", client.request(Method::POST, path).query(&query)).await?;
    let id = text_member(&test, "notification");
    for _ in 0..MAX_POLLS {
        let why = fetch_explanation(client, channel, id).await?;
        match text_member(&why, "verdict") {
            "delivered" => return Ok(()),
            "waiting" | "retrying" => poll_delay().await,
            verdict => return Err(wrong(format!("the test message is {verdict}: {}", reasons(&why)))),
        }
    }
    Err(wrong("the test message was not attempted within two minutes: see `notify queues` and the log of dispatch"))
}

fn reasons(why: &Value) -> String {
    let all = why["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
    all.collect::<Vec<_>>().join("; ")
}

/// A bucket can be listed.
pub(super) async fn scan(client: &Client, bucket: &str) -> Result<String, CliError> {
    let path = Client::path(&["api", "v1", "Media", "Buckets", &find_bucket(client, bucket).await?])?;
    let started = client.send("the scan", client.request(Method::POST, &format!("{path}/scan?dryRun=true"))).await?;
    for _ in 0..MAX_POLLS {
        let last = client.get(&path).await?["lastScan"].take();
        if last["scan"] == started["scan"] && last["running"] != true {
            return match last["error"].as_str() {
                Some(reason) => Err(CliError::ScanFailed(reason.to_owned())),
                None => Ok(format!("{bucket}: {} objects, {} would be processed", last["listed"], last["found"])),
            };
        }
        poll_delay().await;
    }
    Err(wrong("the scan did not end within two minutes: see `notify queues` and the log of scan"))
}

/// No bucket's last scan has failed.
pub(super) async fn buckets(client: &Client) -> Result<String, CliError> {
    let all = client.get("/api/v1/Media/Buckets").await?;
    let all = all["items"].as_array().cloned().unwrap_or_default();
    let failed = all.iter().filter_map(|bucket| {
        let reason = bucket["lastScan"]["error"].as_str()?;
        Some(format!("{}: {reason}", text_member(bucket, "bucket")))
    });
    let failed: Vec<String> = failed.collect();
    if failed.is_empty() {
        return Ok(format!("{} buckets, and no scan has failed; --bucket scans one", all.len()));
    }
    Err(wrong(failed.join("; ")))
}
