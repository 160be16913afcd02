//! `notify receive`: runs a webhook receiver, as a customer would write one.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::channel;
use crate::client::{Client, Target};
use crate::error::CliError;
use crate::print::{self, outln};
use crate::signals::shutdown_signal;

/// Where to listen.
#[derive(ClapArgs)]
#[command(after_help = "Example:\n  notify receive --port 9000")]
pub(crate) struct ReceiveArgs {
    /// The port on 127.0.0.1
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Keep the channel at the end, so that later notifications wait for delivery; the next `receive` on this port
    /// takes it over
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    target: Target,
}

struct Context {
    webhook: Webhook,
    json: bool,
}

pub(crate) async fn run(args: ReceiveArgs, data: &Path, json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let listener =
        tokio::net::TcpListener::bind(("127.0.0.1", args.port)).await.map_err(|_| CliError::PortInUse(args.port))?;
    let shutdown = shutdown_signal()?; // before the channel is created, which has to be removed
    let url = listener.local_addr().map(|it| format!("http://{it}/")).map_err(|it| CliError::Other(it.to_string()))?;
    let (id, secret) = own_channel(&client, &url).await?;
    let served = serve(listener, &id, &url, &secret, json, shutdown).await;
    if !args.keep {
        // also after an error: who added the channel removes it
        channel::remove(&client, &id).await?;
        if json {
            print::note(&format!("the channel {id} is removed"));
        } else {
            print::success(&format!("the channel {id} is removed"));
        }
    }
    served
}

/// The id and the signing secret of a channel to this URL: an existing one with a new secret, or a new one.
async fn own_channel(client: &Client, url: &str) -> Result<(String, String), CliError> {
    let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    if let Some(id) = channel::find_by_url(client, url).await? {
        let rotated = channel::rotate(client, &id, 0, true).await?;
        return Ok((id, text(&rotated, "signingSecret")));
    }
    let path = "/api/v1/Notification/ChannelConfiguration/WebHook";
    let application = [("applicationId", client.application_id.clone())];
    let add = client.request(Method::POST, path).query(&application).header("x-extended", "true");
    let added = client.send("adding the channel", add.form(&[("webHookUrl", url), ("format", "native")])).await?;
    Ok((text(&added, "id"), text(&added, "signingSecret")))
}

/// Receives messages until the program is stopped.
async fn serve(
    listener: tokio::net::TcpListener,
    id: &str,
    url: &str,
    secret: &str,
    json: bool,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), CliError> {
    let webhook =
        Webhook::new(secret).map_err(|it| CliError::Other(format!("the signing secret is not usable: {it}")))?;
    if !json {
        print::heading(&format!("Listening at {url} as channel {id}; Ctrl-C ends"));
    }
    let router = Router::new().fallback(post(receive_message)).with_state(Arc::new(Context { webhook, json }));
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown).await;
    served.map_err(|it| CliError::Other(it.to_string()))
}

/// Receives a message. It verifies the signature first (realtime, section 2.8); a wrong one is answered with 401.
async fn receive_message(State(context): State<Arc<Context>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    if let Err(why) = context.webhook.verify(&body, &headers) {
        let text = format!("refused: {why}");
        if context.json {
            print::note(&text)
        } else {
            print::failure(&text)
        }
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    if message["type"] == "channel.challenge" {
        // a receiver agrees by repeating the challenge
        return (StatusCode::OK, message["data"]["challenge"].as_str().unwrap_or_default().to_owned());
    }
    if context.json {
        let id = headers.get("webhook-id").and_then(|it| it.to_str().ok()).unwrap_or_default();
        outln!("{}", json!({ "webhook-id": id, "body": message }));
    } else {
        print::success(&summary(&message));
    }
    (StatusCode::NO_CONTENT, String::new())
}

fn summary(message: &Value) -> String {
    let kind = message["type"].as_str().unwrap_or_default();
    let data = &message["data"];
    // the subject: an item, a bucket, a rendition, or a user's notification
    let named = ["/item/title", "/item/key", "/bucket/bucket", "/task/renderKind", "/notification/data/title"];
    let what = named.iter().find_map(|it| data.pointer(it)?.as_str()).unwrap_or_default();
    let faces =
        data["results"]["FacialRecognition"]["faces"].as_u64().map_or_else(String::new, |it| format!(", faces: {it}"));
    let why = data["error"]["message"].as_str().or_else(|| data["error"].as_str()).filter(|it| !it.is_empty());
    let why = why.map_or_else(String::new, |it| format!(", {it}"));
    format!("{kind:<16} {what}{faces}{why}  (verified, number {})", message["sequence"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_it_is_about() {
        for (message, want) in [
            (
                json!({ "type": "item.completed", "sequence": 4, "data": {
                    "item": { "key": "a.jpg" }, "results": { "FacialRecognition": { "faces": 2 } } } }),
                "item.completed   a.jpg, faces: 2  (verified, number 4)",
            ),
            (
                json!({ "type": "task.completed", "sequence": 5, "data": { "task": { "renderKind": "Post" }, "error": "" } }),
                "task.completed   Post  (verified, number 5)",
            ),
            (
                json!({ "type": "scan.failed", "sequence": 6, "data": { "bucket": { "bucket": "b" }, "error": "no" } }),
                "scan.failed      b, no  (verified, number 6)",
            ),
        ] {
            assert_eq!(summary(&message), want);
        }
    }
}
