//! `notify channel`: channels, and what became of what they were told.

use std::path::Path;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target, moment, time};
use crate::error::CliError;
use crate::hint;
use crate::print::{self, say};

const CHANNELS: &str = "/api/v1/Notification/ChannelConfiguration";
/// Looks at a delivery that has not ended: about half a minute.
const LOOKS: u32 = 100;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The channels there are
    List(List),
    /// Send a test message to a channel and show every attempt
    Test(One),
    /// Recent deliveries to a channel, with their attempts
    Deliveries(One),
    /// Why a notification did or did not reach a channel
    Explain(Explain),
    /// Deliver once more what was told since a time, or after a notification or a cursor
    Replay(Replay),
    /// Remove a channel; what is under way to it is dropped
    Remove(One),
    /// Give a webhook a new signing secret; the old one signs as well for a while
    RotateSecret(RotateSecret),
}

/// Whose channels.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    target: Target,
}

/// A channel.
#[derive(Args)]
#[command(after_help = "Example:\n  notify channel test 0f8fad5b-d9cb-469f-a165-70867728950e")]
pub(crate) struct One {
    /// The channel's id (`notify channel list`)
    channel: String,
    #[command(flatten)]
    target: Target,
}

/// A notification and a channel.
#[derive(Args)]
pub(crate) struct Explain {
    /// The channel's id (`notify channel list`)
    channel: String,
    /// The notification's id, as its receivers have it (`webhook-id`)
    notification: String,
    #[command(flatten)]
    target: Target,
}

/// From where.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  notify channel replay 0f8f… --since 2026-11-21T09:00:00Z\n  notify channel replay 0f8f… --after ntf_YXBw_1_41 --failed"
)]
pub(crate) struct Replay {
    /// The channel's id (`notify channel list`)
    channel: String,
    /// What was told at or after this time, such as 2026-11-21T09:00:00Z
    #[arg(long, required_unless_present = "after", conflicts_with = "after", value_parser = time)]
    since: Option<String>,
    /// A cursor, or the id of the last notification that was received
    #[arg(long)]
    after: Option<String>,
    /// And before this one; by default now
    #[arg(long, value_parser = time)]
    until: Option<String>,
    /// Only what the channel did not get
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    target: Target,
}

/// The webhook whose secret is replaced.
#[derive(Args)]
pub(crate) struct RotateSecret {
    /// The channel's id (`notify channel list`)
    channel: String,
    /// How long the old one signs as well, in seconds; 0 ends it at once, at most 604800, a week
    #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(0..=604_800))]
    overlap: u32,
    /// Also while an overlap is open
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::List(it) => list(&Client::open(it.target, data)?, as_json).await,
        Command::Test(it) => test(&Client::open(it.target, data)?, &it.channel, as_json).await,
        Command::Deliveries(it) => {
            let client = Client::open(it.target, data)?;
            let all = deliveries(&client, &[("configurationId", &it.channel)]).await?;
            shown(&all, as_json);
            Ok(())
        }
        Command::Explain(it) => {
            let client = Client::open(it.target, data)?;
            let query = [("configurationId", it.channel.as_str()), ("notification", &it.notification)];
            let request = of(&client, Method::GET, "/api/v1/Notification/Explain", &query);
            let why = client.ask("explaining", request).await?;
            if as_json {
                say!("{why}");
                return Ok(());
            }
            print::heading(text(&why, "verdict"));
            for reason in why["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                say!("  {reason}");
            }
            Ok(())
        }
        Command::Replay(it) => replay(it, data, as_json).await,
        Command::Remove(it) => {
            let client = Client::open(it.target, data)?;
            remove(&client, &it.channel).await?;
            if as_json {
                say!("{}", json!({ "removed": it.channel }));
            } else {
                print::good(&format!("channel {} is removed", it.channel));
            }
            Ok(())
        }
        Command::RotateSecret(it) => {
            let client = Client::open(it.target, data)?;
            let made = rotate(&client, &it.channel, it.overlap, it.force).await?;
            if as_json {
                say!("{made}");
                return Ok(());
            }
            print::heading("The signing secret is replaced. Keep the new one: it is not shown again");
            print::field("signing secret", text(&made, "signingSecret"));
            Ok(())
        }
    }
}

/// Removes a channel.
pub(crate) async fn remove(client: &Client, channel: &str) -> Result<(), CliError> {
    let request = of(client, Method::DELETE, CHANNELS, &[("configurationId", channel)]);
    client.ask("removing the channel", request).await.map(drop)
}

/// Gives a webhook a new signing secret.
pub(crate) async fn rotate(client: &Client, channel: &str, overlap: u32, force: bool) -> Result<Value, CliError> {
    let path = format!("{CHANNELS}/WebHook/RotateSecret");
    let body = json!({ "overlapSeconds": overlap, "force": force });
    let request = of(client, Method::POST, &path, &[("configurationId", channel)]).json(&body);
    client.ask("replacing the signing secret", request).await
}

/// The webhook of our own format that calls an address, if there is one that is good for it.
pub(crate) async fn calling(client: &Client, url: &str) -> Result<Option<String>, CliError> {
    let all = all(client).await?;
    let calls = |it: &&Value| {
        let ended = matches!(text(it, "status"), "unconfirmed" | "inactive" | "disabled");
        !ended && it["format"] == "native" && settings(it)["WebHookUrl"] == url
    };
    Ok(all.as_array().into_iter().flatten().find(calls).map(|it| text(it, "id").to_owned()))
}

async fn all(client: &Client) -> Result<Value, CliError> {
    let request = of(client, Method::GET, &format!("{CHANNELS}/All"), &[]).header("x-extended", "true");
    client.ask("listing the channels", request).await
}

/// What only a channel of its kind has.
fn settings(channel: &Value) -> Value {
    serde_json::from_str(text(channel, "notificationChannelConfigurationJSON")).unwrap_or_default()
}

async fn list(client: &Client, as_json: bool) -> Result<(), CliError> {
    let all = all(client).await?;
    if as_json {
        say!("{all}");
        return Ok(());
    }
    for it in all.as_array().into_iter().flatten() {
        let kind = match it["channel"].as_u64() {
            Some(0) => "webhook",
            Some(1) => "SignalR",
            _ => "RabbitMQ",
        };
        let inner = settings(it);
        let place = ["WebHookUrl", "HubUrl", "Url"].iter().find_map(|name| inner[*name].as_str()).unwrap_or_default();
        say!("{}  {kind:<8}  {:<11}  {:<10}  {place}", text(it, "id"), text(it, "status"), text(it, "format"));
    }
    Ok(())
}

/// Sends a test message and watches it until it has arrived, or nothing more follows.
async fn test(client: &Client, channel: &str, as_json: bool) -> Result<(), CliError> {
    let one = [("configurationId", channel)];
    let sent = client.ask("sending a test", of(client, Method::POST, &format!("{CHANNELS}/Test"), &one)).await?;
    let id = text(&sent, "notification").to_owned();
    if !as_json {
        print::heading(&format!("Sent {id}"));
    }
    let query = [one[0], ("notification", id.as_str())];
    let (mut shown_so_far, mut last) = (0, Value::Null);
    for _ in 0..LOOKS {
        let all = deliveries(client, &query).await?;
        last = all[0].clone();
        let attempts = last["attempts"].as_array().cloned().unwrap_or_default();
        if !as_json {
            attempts.iter().skip(shown_so_far).for_each(attempt);
        }
        shown_so_far = attempts.len();
        if !matches!(last["state"].as_str(), None | Some("retrying")) {
            break;
        }
        moment().await;
    }
    if as_json {
        say!("{last}");
    }
    match last["state"].as_str() {
        Some("delivered") => Ok(()),
        Some("retrying") => {
            Err(CliError::Other(format!("not delivered yet; the next attempt is at {}", text(&last, "nextAttemptAt"))))
        }
        Some(other) => Err(CliError::Other(format!("not delivered: {other}"))),
        None => {
            let explain = hint::command(&format!("channel explain {channel} {id}"));
            Err(CliError::Other(format!("no attempt was made within half a minute; see `{explain}`")))
        }
    }
}

async fn replay(it: Replay, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(it.target, data)?;
    let (mut after, mut queued, mut seen) = (it.after, 0, 0);
    loop {
        let mut body = json!({ "failed": it.failed });
        for (name, value) in
            [("after", &after), ("since", &it.since.clone().filter(|_| after.is_none())), ("until", &it.until)]
        {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        let request = of(&client, Method::POST, "/api/v1/Notification/Replay", &[("configurationId", &it.channel)]);
        let done = client.ask("replaying", request.json(&body)).await?;
        queued += done["queued"].as_u64().unwrap_or_default();
        seen += done["seen"].as_u64().unwrap_or_default();
        match done["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    if as_json {
        say!("{}", json!({ "queued": queued, "seen": seen }));
    } else {
        print::good(&format!("{queued} of {seen} notifications are delivered once more"));
    }
    Ok(())
}

fn of(client: &Client, method: Method, path: &str, query: &[(&str, &str)]) -> reqwest::RequestBuilder {
    client.request(method, path).query(&[("applicationId", &client.application_id)]).query(query)
}

async fn deliveries(client: &Client, query: &[(&str, &str)]) -> Result<Value, CliError> {
    let request = of(client, Method::GET, "/api/v1/Notification/Deliveries", query);
    client.ask("looking at the deliveries", request).await
}

fn shown(all: &Value, as_json: bool) {
    if as_json {
        say!("{all}");
        return;
    }
    for it in all.as_array().into_iter().flatten() {
        print::heading(&format!("{}: {}", text(it, "notification"), text(it, "state")));
        it["attempts"].as_array().into_iter().flatten().for_each(attempt);
    }
}

fn attempt(it: &Value) {
    let answer = it["answer"].as_str().map_or_else(String::new, |it| format!("  {it:?}"));
    say!("  {}  attempt {}, {} ms: {}{answer}", text(it, "at"), it["attempt"], it["tookMs"], text(it, "outcome"));
}

fn text<'a>(it: &'a Value, name: &str) -> &'a str {
    it[name].as_str().unwrap_or_default()
}
