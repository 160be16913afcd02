//! `notify listen`: prints a user's notifications as they arrive, over any of the three socket protocols. After a
//! dropped connection it resumes behind the last notification.

use std::ops::ControlFlow;
use std::path::Path;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target, poll_delay};
use crate::error::CliError;
use crate::print::{self, outln};
use crate::socket_client::{self, Ended, Protocol, Received, SocketClient, Stream, StreamPosition};

/// Attempts to reconnect before the command fails. Each waits 0.3 seconds longer than the one before.
const MAX_RECONNECTS: u32 = 30;

#[derive(Args)]
#[command(after_help = "Example:\n  notify listen --user 123 --protocol signalr")]
pub(crate) struct ListenArgs {
    /// The user whose notifications are printed
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    user: String,
    /// The protocol of the socket
    #[arg(long, value_enum, default_value = "native")]
    protocol: Protocol,
    /// Begin behind this cursor, not with new notifications
    #[arg(long)]
    after: Option<String>,
    /// Stop after so many notifications, 1 or more; without it, on Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The URL of the WebSocket API, unless it is on the API's own host (the stack's output `SocketUrl`)
    #[arg(long, env = "NOTIFY_SOCKET_URL")]
    socket_url: Option<String>,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: ListenArgs, data: &Path, json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target.clone(), data)?;
    let first = StreamPosition { sequence: None, cursor: args.after.clone() };
    let mut socket = SocketClient::new(args.protocol, [(format!("user:{}", args.user), first)].into());
    let (mut shown, mut failures) = (0, 0);
    loop {
        match connect(&client, &args.user, args.protocol, args.socket_url.as_deref()).await {
            Ok(stream) => {
                failures = 0;
                // the ticket is for no groups, so their cursors would be refused
                socket.positions.retain(|it, _| !it.starts_with("group:"));
                let received = socket.receive(stream, |_, it| {
                    let Received::Notification { stream, item } = it else { return ControlFlow::Continue(()) };
                    show(stream, item, json);
                    shown += 1;
                    if args.count.is_some_and(|max| shown >= max) {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                });
                if received.await? == Ended::Stopped {
                    return Ok(());
                }
                print::note("the connection was lost; connecting again");
            }
            Err(error) => {
                failures += 1;
                // at the start an error is final; later the server may be restarting
                if failures == 1 && shown == 0 && !socket.has_position() || failures > MAX_RECONNECTS {
                    return Err(error);
                }
            }
        }
        for _ in 0..failures.max(1) {
            poll_delay().await;
        }
    }
}

/// Opens a user's socket, at the URL of the WebSocket API if one is given.
pub(crate) async fn connect(
    client: &Client,
    user: &str,
    protocol: Protocol,
    socket_url: Option<&str>,
) -> Result<Stream, CliError> {
    let path = Client::path(&["api", "v1", "Inbox", user, "Tickets"])?;
    let ticket = client.send("a ticket", client.request(Method::POST, &path).json(&json!({}))).await?;
    let ticket = ticket["ticket"].as_str().unwrap_or_default();
    let url = match socket_url {
        Some(url) => {
            let protocol = format!("{protocol:?}").to_lowercase();
            let user: String = reqwest::Url::parse_with_params(url, [("protocol", protocol.as_str()), ("user", user)])
                .map_err(|it| CliError::Usage(format!("--socket-url: {it}")))?
                .into();
            format!("{user}&ticket={ticket}")
        }
        None => {
            format!("{}{}?ticket={ticket}", client.url.replacen("http", "ws", 1), protocol.path(user)?)
        }
    };
    socket_client::open(&url).await
}

fn show(stream: &str, notification: &Value, json: bool) {
    if json {
        outln!("{notification}");
        return;
    }
    let text = |name: &str| notification[name].as_str().unwrap_or_default();
    let at = notification["createdAt"].as_str().or_else(|| notification["created_at"].as_str()).unwrap_or_default();
    let number = notification["sequence"].as_u64().map(|it| format!("#{it} ")).unwrap_or_default();
    let what = if notification["deleted"] == true { "(deleted)" } else { text("title") };
    outln!("{at} {stream} {number}{} {what} {}", text("type"), text("description"));
}
