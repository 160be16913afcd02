//! `notify iconik`: manages the connection to Iconik.

use std::path::Path;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target, parse_time, poll_delay};
use crate::error::CliError;
use crate::print::{self, outln};

/// Polls until the webhooks are enabled, at most: about half a minute.
const MAX_POLLS: usize = 100;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create or repair the webhooks that the settings name, and show them
    EnsureWebhook(TargetArgs),
    /// Show the state of the connection
    Status(TargetArgs),
    /// Process assets that are in Iconik already
    Backfill(BackfillArgs),
}

#[derive(Args)]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
#[command(after_help = "Example:\n  notify iconik backfill --since 2026-11-01T00:00:00Z")]
pub(crate) struct BackfillArgs {
    /// Assets created at or after this time, such as 2026-11-01T00:00:00Z
    #[arg(long, value_parser = parse_time)]
    since: String,
    /// And before this one; by default now
    #[arg(long, value_parser = parse_time)]
    until: Option<String>,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::EnsureWebhook(it) => ensure_webhooks(&Client::open(it.target, data)?, as_json).await,
        Command::Status(args) => {
            let state = Client::open(args.target, data)?.get("/api/v1/Media/Iconik").await?;
            show(&state, as_json);
            Ok(())
        }
        Command::Backfill(args) => {
            let client = Client::open(args.target, data)?;
            let body = json!({ "since": args.since, "until": args.until });
            let request = client.request(Method::POST, "/api/v1/Media/Iconik/backfill").json(&body);
            let started = client.send("the backfill", request).await?;
            if as_json {
                outln!("{started}");
            } else {
                let time = |name: &str| started[name].as_str().unwrap_or_default().to_owned();
                print::success(&format!(
                    "everything made from {} to {} is taken; iconik.caught-up tells when",
                    time("from"),
                    time("to")
                ));
            }
            Ok(())
        }
    }
}

/// Checks until every webhook is enabled. The first check may create one that is missing.
async fn ensure_webhooks(client: &Client, as_json: bool) -> Result<(), CliError> {
    let mut state = Value::Null;
    for poll in 0..MAX_POLLS {
        if poll % 10 == 0 {
            client.send("the check", client.request(Method::POST, "/api/v1/Media/Iconik/check")).await?;
        }
        poll_delay().await;
        state = client.get("/api/v1/Media/Iconik").await?;
        if let Some(why) = state["blocked"].as_str() {
            return Err(CliError::Other(format!("Iconik refuses the credentials: {why}")));
        }
        let webhooks = state["webhooks"].as_array().cloned().unwrap_or_default();
        if !webhooks.is_empty() && webhooks.iter().all(|it| it["status"] == "ENABLED") {
            show(&state, as_json);
            return Ok(());
        }
    }
    show(&state, as_json);
    Err(CliError::Other("the webhooks are not as they should be; is system_endpoint among the settings?".to_owned()))
}

fn show(state: &Value, as_json: bool) {
    if as_json {
        outln!("{state}");
        return;
    }
    let text = |it: &Value| it.as_str().unwrap_or("-").to_owned();
    print::heading("Iconik");
    print::field("set up", if state["isSetUp"] == true { "yes" } else { "no" });
    print::field("our user", &text(&state["user"]));
    for (name, what) in [
        ("unreachable", "it does not answer"),
        ("blocked", "Iconik refuses the credentials"),
        ("queueError", "sqs_queue_url cannot be read"),
    ] {
        if let Some(why) = state[name].as_str() {
            print::failure(&format!("{what}: {why}"));
        }
    }
    print::field("well at", &text(&state["wellAt"]));
    print::field("compared up to", &text(&state["reconciledTo"]));
    for webhook in state["webhooks"].as_array().into_iter().flatten() {
        let line = format!("webhook {}: {}", text(&webhook["name"]), text(&webhook["status"]));
        if webhook["status"] == "ENABLED" { print::success(&line) } else { print::failure(&line) }
    }
}
