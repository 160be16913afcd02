//! `notify channel`: manages channels, and shows the deliveries to them.

use std::path::Path;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target, parse_time, poll_delay};
use crate::error::CliError;
use crate::hint;
use crate::json::text_member;
use crate::print::{self, outln};

const CHANNELS: &str = "/api/v1/Notification/ChannelConfiguration";
/// Polls of a delivery that has not ended, at most: about half a minute.
const MAX_POLLS: u32 = 100;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the channels
    List(ListArgs),
    /// Send a test message to a channel and show every attempt
    Test(ChannelArgs),
    /// Show recent deliveries to a channel, with their attempts
    Deliveries(ChannelArgs),
    /// Explain why a notification did or did not reach a channel
    Explain(ExplainArgs),
    /// Deliver notifications again: those since a time, or after a notification or a cursor
    Replay(ReplayArgs),
    /// Remove a channel; pending deliveries to it are dropped
    Remove(ChannelArgs),
    /// Replace a webhook's signing secret; for a while the old one signs as well
    RotateSecret(RotateSecretArgs),
}

/// Which application's channels.
#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    target: Target,
}

/// A channel.
#[derive(Args)]
#[command(after_help = "Example:\n  notify channel test 0f8fad5b-d9cb-469f-a165-70867728950e")]
pub(crate) struct ChannelArgs {
    /// The channel's id (`notify channel list`)
    channel: String,
    #[command(flatten)]
    target: Target,
}

/// A notification and a channel.
#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// The channel's id (`notify channel list`)
    channel: String,
    /// The notification's id, as receivers see it (`webhook-id`)
    notification: String,
    #[command(flatten)]
    target: Target,
}

/// Which notifications to deliver again.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  notify channel replay 0f8f… --since 2026-11-21T09:00:00Z\n  notify channel replay 0f8f… --after ntf_YXBw_1_41 --failed"
)]
pub(crate) struct ReplayArgs {
    /// The channel's id (`notify channel list`)
    channel: String,
    /// Notifications published at or after this time, such as 2026-11-21T09:00:00Z
    #[arg(long, required_unless_present = "after", conflicts_with = "after", value_parser = parse_time)]
    since: Option<String>,
    /// A cursor, or the id of the last notification that was received
    #[arg(long)]
    after: Option<String>,
    /// And before this one; by default now
    #[arg(long, value_parser = parse_time)]
    until: Option<String>,
    /// Only notifications that the channel did not receive
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    target: Target,
}

/// The webhook whose secret is replaced.
#[derive(Args)]
pub(crate) struct RotateSecretArgs {
    /// The channel's id (`notify channel list`)
    channel: String,
    /// How long the old secret signs as well, in seconds; 0 ends it at once, at most 604800, a week
    #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(0..=604_800))]
    overlap: u32,
    /// Replace it even while an earlier secret still signs
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::List(it) => list(&Client::open(it.target, data)?, as_json).await,
        Command::Test(it) => test(&Client::open(it.target, data)?, &it.channel, as_json).await,
        Command::Deliveries(args) => {
            let client = Client::open(args.target, data)?;
            let all = fetch_deliveries(&client, &[("configurationId", &args.channel)]).await?;
            print_deliveries(&all, as_json);
            Ok(())
        }
        Command::Explain(args) => {
            let client = Client::open(args.target, data)?;
            let why = fetch_explanation(&client, &args.channel, &args.notification).await?;
            if as_json {
                outln!("{why}");
                return Ok(());
            }
            print::heading(text_member(&why, "verdict"));
            for reason in why["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                outln!("  {reason}");
            }
            Ok(())
        }
        Command::Replay(it) => replay(it, data, as_json).await,
        Command::Remove(args) => {
            let client = Client::open(args.target, data)?;
            remove(&client, &args.channel).await?;
            if as_json {
                outln!("{}", json!({ "removed": args.channel }));
            } else {
                print::success(&format!("channel {} is removed", args.channel));
            }
            Ok(())
        }
        Command::RotateSecret(args) => {
            let client = Client::open(args.target, data)?;
            let rotated = rotate(&client, &args.channel, args.overlap, args.force).await?;
            if as_json {
                outln!("{rotated}");
                return Ok(());
            }
            print::heading("The signing secret is replaced. Keep the new one: it is not shown again");
            print::field("signing secret", text_member(&rotated, "signingSecret"));
            Ok(())
        }
    }
}

/// Removes a channel.
pub(crate) async fn remove(client: &Client, channel: &str) -> Result<(), CliError> {
    let request = channel_request(client, Method::DELETE, CHANNELS, &[("configurationId", channel)]);
    client.send("removing the channel", request).await.map(drop)
}

/// Replaces the signing secret of a webhook. `overlap` is in seconds.
pub(crate) async fn rotate(client: &Client, channel: &str, overlap: u32, force: bool) -> Result<Value, CliError> {
    let path = format!("{CHANNELS}/WebHook/RotateSecret");
    let body = json!({ "overlapSeconds": overlap, "force": force });
    let request = channel_request(client, Method::POST, &path, &[("configurationId", channel)]).json(&body);
    client.send("replacing the signing secret", request).await
}

/// The id of a usable webhook in the native format that calls this URL.
pub(crate) async fn find_by_url(client: &Client, url: &str) -> Result<Option<String>, CliError> {
    let all = fetch_channels(client).await?;
    let calls_url = |channel: &&Value| {
        let ended = matches!(text_member(channel, "status"), "unconfirmed" | "inactive" | "disabled");
        !ended && channel["format"] == "native" && kind_settings(channel)["WebHookUrl"] == url
    };
    Ok(all.as_array().into_iter().flatten().find(calls_url).map(|it| text_member(it, "id").to_owned()))
}

/// The application's channels, with what the published shape does not have.
pub(crate) async fn fetch_channels(client: &Client) -> Result<Value, CliError> {
    let request = channel_request(client, Method::GET, &format!("{CHANNELS}/All"), &[]).header("x-extended", "true");
    client.send("listing the channels", request).await
}

/// What became of a notification at a channel, and why.
pub(crate) async fn fetch_explanation(client: &Client, channel: &str, notification: &str) -> Result<Value, CliError> {
    let query = [("configurationId", channel), ("notification", notification)];
    let request = channel_request(client, Method::GET, "/api/v1/Notification/Explain", &query);
    client.send("explaining", request).await
}

/// The settings that depend on the channel's kind.
fn kind_settings(channel: &Value) -> Value {
    serde_json::from_str(text_member(channel, "notificationChannelConfigurationJSON")).unwrap_or_default()
}

async fn list(client: &Client, as_json: bool) -> Result<(), CliError> {
    let all = fetch_channels(client).await?;
    if as_json {
        outln!("{all}");
        return Ok(());
    }
    for channel in all.as_array().into_iter().flatten() {
        let kind = match channel["channel"].as_u64() {
            Some(0) => "webhook",
            Some(1) => "SignalR",
            _ => "RabbitMQ",
        };
        let inner = kind_settings(channel);
        let target_url =
            ["WebHookUrl", "HubUrl", "Url"].iter().find_map(|name| inner[*name].as_str()).unwrap_or_default();
        outln!(
            "{}  {kind:<8}  {:<11}  {:<10}  {target_url}",
            text_member(channel, "id"),
            text_member(channel, "status"),
            text_member(channel, "format")
        );
    }
    Ok(())
}

/// Sends a test message, and polls its delivery until it has succeeded or finally failed.
async fn test(client: &Client, channel: &str, as_json: bool) -> Result<(), CliError> {
    let query = [("configurationId", channel)];
    let sent = client
        .send("sending a test", channel_request(client, Method::POST, &format!("{CHANNELS}/Test"), &query))
        .await?;
    let id = text_member(&sent, "notification").to_owned();
    if !as_json {
        print::heading(&format!("Sent {id}"));
    }
    let query = [query[0], ("notification", id.as_str())];
    let (mut shown_so_far, mut last) = (0, Value::Null);
    for _ in 0..MAX_POLLS {
        let all = fetch_deliveries(client, &query).await?;
        last = all[0].clone();
        let attempts = last["attempts"].as_array().cloned().unwrap_or_default();
        if !as_json {
            attempts.iter().skip(shown_so_far).for_each(print_attempt);
        }
        shown_so_far = attempts.len();
        if !matches!(last["state"].as_str(), None | Some("retrying")) {
            break;
        }
        poll_delay().await;
    }
    if as_json {
        outln!("{last}");
    }
    match last["state"].as_str() {
        Some("delivered") => Ok(()),
        Some("retrying") => Err(CliError::Other(format!(
            "not delivered yet; the next attempt is at {}",
            text_member(&last, "nextAttemptAt")
        ))),
        Some(other) => Err(CliError::Other(format!("not delivered: {other}"))),
        None => {
            let explain = hint::command(&format!("channel explain {channel} {id}"));
            Err(CliError::Other(format!("no attempt was made within half a minute; see `{explain}`")))
        }
    }
}

async fn replay(args: ReplayArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let (mut after, mut queued, mut seen) = (args.after, 0, 0);
    loop {
        let mut body = json!({ "failed": args.failed });
        for (name, value) in
            [("after", &after), ("since", &args.since.clone().filter(|_| after.is_none())), ("until", &args.until)]
        {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        let request = channel_request(
            &client,
            Method::POST,
            "/api/v1/Notification/Replay",
            &[("configurationId", &args.channel)],
        );
        let done = client.send("replaying", request.json(&body)).await?;
        queued += done["queued"].as_u64().unwrap_or_default();
        seen += done["seen"].as_u64().unwrap_or_default();
        match done["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    if as_json {
        outln!("{}", json!({ "queued": queued, "seen": seen }));
    } else {
        print::success(&format!("{queued} of {seen} notifications are delivered once more"));
    }
    Ok(())
}

fn channel_request(client: &Client, method: Method, path: &str, query: &[(&str, &str)]) -> reqwest::RequestBuilder {
    client.request(method, path).query(&[("applicationId", &client.application_id)]).query(query)
}

async fn fetch_deliveries(client: &Client, query: &[(&str, &str)]) -> Result<Value, CliError> {
    let request = channel_request(client, Method::GET, "/api/v1/Notification/Deliveries", query);
    client.send("looking at the deliveries", request).await
}

fn print_deliveries(all: &Value, as_json: bool) {
    if as_json {
        outln!("{all}");
        return;
    }
    for delivery in all.as_array().into_iter().flatten() {
        print::heading(&format!("{}: {}", text_member(delivery, "notification"), text_member(delivery, "state")));
        delivery["attempts"].as_array().into_iter().flatten().for_each(print_attempt);
    }
}

fn print_attempt(attempt: &Value) {
    let answer = attempt["answer"].as_str().map_or_else(String::new, |it| format!("  {it:?}"));
    outln!(
        "  {}  attempt {}, {} ms: {}{answer}",
        text_member(attempt, "at"),
        attempt["attempt"],
        attempt["tookMs"],
        text_member(attempt, "outcome")
    );
}
