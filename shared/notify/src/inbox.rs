//! `notify send` and `notify mock-events`: notifications for a user's inbox.

use std::path::Path;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target};
use crate::error::CliError;
use crate::print::{self, outln};

/// The notification, and its user.
#[derive(Args)]
#[command(after_help = "Example:\n  notify send --user 123 --title 'New Message Received' --identifier MESSAGE")]
pub(crate) struct SendArgs {
    /// The user whose inbox it goes to
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    user: String,
    /// The title
    #[arg(long)]
    title: String,
    /// The text below the title
    #[arg(long, default_value = "")]
    description: String,
    /// A category that the sender chooses
    #[arg(long, default_value = "")]
    identifier: String,
    /// Its type, dotted words such as message.received
    #[arg(long = "type", default_value = "notification")]
    kind: String,
    #[command(flatten)]
    target: Target,
}

/// The user of the mock events.
#[derive(Args)]
pub(crate) struct MockArgs {
    /// The user whose inbox they go to
    #[arg(long, default_value = "123", value_parser = NonEmptyStringValueParser::new())]
    user: String,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn send(args: SendArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let body = json!({ "type": args.kind, "title": args.title, "description": args.description, "identifier": args.identifier });
    publish(&Client::open(args.target, data)?, &args.user, &body, as_json).await
}

/// The three events of the original system's `mock_events.py`.
pub(crate) async fn mock(args: MockArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    for (title, description, identifier) in [
        ("New Message Received", "This is a new message from John Doe", "MESSAGE"),
        ("Subscription Expiring Soon", "Your subscription will expire in 7 days", "SUBSCRIPTION_EXPIRY"),
        ("Profile Setup Complete", "Congratulations! You have completed your profile setup", "PROFILE_SETUP"),
    ] {
        let body = json!({ "title": title, "description": description, "identifier": identifier });
        publish(&client, &args.user, &body, as_json).await?;
    }
    Ok(())
}

async fn publish(client: &Client, user: &str, body: &Value, as_json: bool) -> Result<(), CliError> {
    let path = Client::path(&["api", "v1", "Inbox", user, "Notifications"])?;
    let request = client.request(Method::POST, &path).json(body);
    let sent = client.send("sending", request).await?;
    if as_json {
        outln!("{}", sent[0]);
    } else {
        let title = body["title"].as_str().unwrap_or_default();
        print::success(&format!("{title}: number {} in the inbox of {user}", sent[0]["sequence"]));
    }
    Ok(())
}
