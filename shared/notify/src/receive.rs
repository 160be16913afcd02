//! `notify receive`: a webhook receiver as a customer would write it.

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
use crate::print::{self, say};
use crate::signals::ended;

/// Where to listen.
#[derive(ClapArgs)]
#[command(after_help = "Example:\n  notify receive --port 9000")]
pub(crate) struct Args {
    /// The port on 127.0.0.1
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Keep the channel at the end, so that what comes meanwhile is delivered later; the next `receive` on this port takes
    /// it over
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    target: Target,
}

struct Receiver {
    webhook: Webhook,
    json: bool,
}

pub(crate) async fn run(args: Args, data: &Path, json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let listener =
        tokio::net::TcpListener::bind(("127.0.0.1", args.port)).await.map_err(|_| CliError::PortTaken(args.port))?;
    let ended = ended()?; // before there is something to remove
    let url = listener.local_addr().map(|it| format!("http://{it}/")).map_err(|it| CliError::Other(it.to_string()))?;
    let (id, secret) = ours(&client, &url).await?;
    let served = serve(listener, &id, &url, &secret, json, ended).await;
    if !args.keep {
        // also when it ended badly: whoever added it removes it
        channel::remove(&client, &id).await?;
        if json {
            print::note(&format!("the channel {id} is removed"));
        } else {
            print::good(&format!("the channel {id} is removed"));
        }
    }
    served
}

/// The id and the signing secret of a channel to this address: the one that was kept, with a new secret, or a new one.
async fn ours(client: &Client, url: &str) -> Result<(String, String), CliError> {
    let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    if let Some(id) = channel::calling(client, url).await? {
        let made = channel::rotate(client, &id, 0, true).await?;
        return Ok((id, text(&made, "signingSecret")));
    }
    let path = "/api/v1/Notification/ChannelConfiguration/WebHook";
    let application = [("applicationId", client.application_id.clone())];
    let add = client.request(Method::POST, path).query(&application).header("x-extended", "true");
    let added = client.ask("adding the channel", add.form(&[("webHookUrl", url), ("format", "native")])).await?;
    Ok((text(&added, "id"), text(&added, "signingSecret")))
}

/// Takes messages until somebody ends it.
async fn serve(
    listener: tokio::net::TcpListener,
    id: &str,
    url: &str,
    secret: &str,
    json: bool,
    ended: impl Future<Output = ()> + Send + 'static,
) -> Result<(), CliError> {
    let webhook =
        Webhook::new(secret).map_err(|it| CliError::Other(format!("the signing secret is not usable: {it}")))?;
    if !json {
        print::heading(&format!("Listening at {url} as channel {id}; Ctrl-C ends"));
    }
    let router = Router::new().fallback(post(take)).with_state(Arc::new(Receiver { webhook, json }));
    let served = axum::serve(listener, router).with_graceful_shutdown(ended).await;
    served.map_err(|it| CliError::Other(it.to_string()))
}

/// Verifies before it believes (realtime, 2.8): what is not signed by us is refused.
async fn take(State(it): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    if let Err(why) = it.webhook.verify(&body, &headers) {
        let text = format!("refused: {why}");
        if it.json {
            print::note(&text)
        } else {
            print::bad(&text)
        }
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    if message["type"] == "channel.challenge" {
        // whoever repeats it wants to be called
        return (StatusCode::OK, message["data"]["challenge"].as_str().unwrap_or_default().to_owned());
    }
    if it.json {
        let id = headers.get("webhook-id").and_then(|it| it.to_str().ok()).unwrap_or_default();
        say!("{}", json!({ "webhook-id": id, "body": message }));
    } else {
        print::good(&line(&message));
    }
    (StatusCode::NO_CONTENT, String::new())
}

fn line(message: &Value) -> String {
    let kind = message["type"].as_str().unwrap_or_default();
    let data = &message["data"];
    // whatever it is about: an item, a bucket, a rendition, a notification of a user's
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
            assert_eq!(line(&message), want);
        }
    }
}
