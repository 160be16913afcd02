//! `notify publish`: an event of the application's own, and what becomes of it at each channel.

use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::channel::{fetch_channels, fetch_explanation};
use crate::client::{Client, Target, parse_time, poll_delay};
use crate::error::CliError;
use crate::json::text_member;
use crate::print::{self, outln};

const MESSAGES: &str = "/api/v1/Notification/Messages";
/// Polls of the channels, at most: about half a minute.
const MAX_POLLS: u32 = 100;

/// The event.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  notify publish --type order.paid --data '{\"order\": 7}'\n  notify publish --type order.paid --data @order.json --ordering-key 7 --watch"
)]
pub(crate) struct PublishArgs {
    /// Its type, dotted words such as order.paid
    #[arg(long = "type")]
    kind: String,
    /// Any JSON; or @ and the name of a file that holds it; by default {}. (The stack's folder is named by NOTIFY_DATA here)
    #[arg(long = "data", id = "data")]
    event: Option<PathBuf>,
    /// When it happened, such as 2026-11-21T09:00:00Z; by default now
    #[arg(long, value_parser = parse_time)]
    timestamp: Option<String>,
    /// From this time on it is neither delivered nor listed
    #[arg(long, value_parser = parse_time)]
    expires_at: Option<String>,
    /// A newer event with this key ends the retries of this one
    #[arg(long)]
    collapse_key: Option<String>,
    /// Channels with ordering=key get the events of this key one after the other
    #[arg(long)]
    ordering_key: Option<String>,
    /// An id that is passed on
    #[arg(long)]
    correlation_id: Option<String>,
    /// Only this channel gets it (`notify channel list`); may be repeated
    #[arg(long = "channel")]
    channels: Vec<String>,
    /// Show what becomes of it at each channel, until it is delivered or given up
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    target: Target,
}

/// Reads `--data`. It has the type of the program's own `--data`, whose place it takes.
fn parse_data(text: Option<&Path>) -> Result<Value, String> {
    let text = text.map_or("{}".into(), Path::to_string_lossy);
    let text = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?,
        None => text.into_owned(),
    };
    serde_json::from_str(&text).map_err(|error| format!("no JSON: {error}"))
}

pub(crate) async fn run(args: PublishArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let event = parse_data(args.event.as_deref()).map_err(|error| CliError::Usage(format!("--data: {error}")))?;
    let client = Client::open(args.target, data)?;
    let mut body = json!({ "type": args.kind, "data": event });
    for (name, value) in [
        ("timestamp", args.timestamp),
        ("expiresAt", args.expires_at),
        ("collapseKey", args.collapse_key),
        ("orderingKey", args.ordering_key),
        ("correlationId", args.correlation_id),
    ] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    if !args.channels.is_empty() {
        body["channels"] = json!(args.channels);
    }
    let published = client.send("publishing", client.request(Method::POST, MESSAGES).json(&body)).await?;
    let id = text_member(&published, "id").to_owned();
    if as_json {
        outln!("{published}");
    } else {
        print::success(&format!("{}: {id}, number {}", args.kind, published["sequence"]));
    }
    if args.watch { watch(&client, &id, as_json).await } else { Ok(()) }
}

/// Prints what becomes of a notification at each channel, whenever that changes, until all of them are done with it.
async fn watch(client: &Client, id: &str, as_json: bool) -> Result<(), CliError> {
    let channels = fetch_channels(client).await?;
    let mut waiting: Vec<(String, String)> = channels
        .as_array()
        .into_iter()
        .flatten()
        .map(|channel| (text_member(channel, "id").to_owned(), String::new()))
        .collect();
    let mut failed = false;
    for _ in 0..MAX_POLLS {
        for (channel, shown) in &mut waiting {
            let why = fetch_explanation(client, channel, id).await?;
            let verdict = text_member(&why, "verdict");
            if verdict == shown || verdict == "unwanted" {
                shown.clear();
                shown.push_str(verdict);
                continue;
            }
            verdict.clone_into(shown);
            let reason = why["reasons"].as_array().and_then(|it| it.last()?.as_str()).unwrap_or_default();
            if as_json {
                outln!("{}", json!({ "channel": channel, "verdict": verdict, "reason": reason }));
            } else {
                outln!("  {channel}  {verdict:<10}  {reason}");
            }
        }
        failed |= waiting.iter().any(|(_, verdict)| matches!(verdict.as_str(), "dead" | "disabled"));
        waiting.retain(|(_, verdict)| matches!(verdict.as_str(), "waiting" | "retrying"));
        if waiting.is_empty() {
            return if failed { Err(CliError::Other("it was given up for a channel".to_owned())) } else { Ok(()) };
        }
        poll_delay().await;
    }
    Err(CliError::Other(format!("{} channels are not done with it yet", waiting.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_json_or_the_name_of_a_file() {
        let parse = |text: &str| parse_data(Some(Path::new(text)));
        assert_eq!((parse("[1]"), parse_data(None)), (Ok(json!([1])), Ok(json!({}))));
        assert!(parse("order").unwrap_err().starts_with("no JSON"));
        assert!(parse("@/no/such/file").unwrap_err().starts_with("/no/such/file: "));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"order\": 7}").unwrap();
        assert_eq!(parse(&format!("@{}", file.path().display())), Ok(json!({ "order": 7 })));
    }
}
