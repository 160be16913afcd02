//! `notify message` and `notify oma`: the message store, and notification channels that show what happens in it.

use std::path::Path;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target, http_client, send_request};
use crate::error::CliError;
use crate::print::{self, outln};

/// Messages that one page of a box shows.
const PAGE: usize = 100;
/// The lifetime of a channel that is watched, in seconds: each poll begins it anew, and it ends by itself after the last.
const LIFETIME: u64 = 120;

/// Messages of a store.
#[derive(Subcommand)]
pub(crate) enum MessageCommand {
    /// Put a message into the box of its receiver
    Send(SendArgs),
    /// Show the messages in a box, oldest first
    List(ListArgs),
}

/// A message.
#[derive(Args)]
#[command(after_help = "Example:\n  notify message send --from tel:+19585550100 --to tel:+19585550200 --body 'Lunch?'")]
pub(crate) struct SendArgs {
    /// Who sends it
    #[arg(long)]
    from: String,
    /// Who gets it: the message goes into the box of that name
    #[arg(long)]
    to: String,
    /// Its text
    #[arg(long)]
    body: String,
    #[command(flatten)]
    store: Store,
    #[command(flatten)]
    target: Target,
}

/// A box.
#[derive(Args)]
pub(crate) struct ListArgs {
    /// The box: whoever messages were sent to
    #[arg(long = "box")]
    name: String,
    #[command(flatten)]
    store: Store,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
struct Store {
    /// The message store
    #[arg(long = "store", id = "store", default_value = "messages")]
    name: String,
}

/// OMA's notification channels.
#[derive(Subcommand)]
pub(crate) enum OmaCommand {
    /// Create a channel, and print its URLs
    Channel(ChannelArgs),
    /// Subscribe a channel to the changes of a box
    Subscribe(SubscribeArgs),
    /// Print the changes of a box as they happen, over a channel of its own
    Watch(WatchArgs),
}

/// A channel.
#[derive(Args)]
pub(crate) struct ChannelArgs {
    /// Whose channel it is
    #[arg(long)]
    user: String,
    /// How notifications reach the client
    #[arg(long = "type", default_value = "LongPolling", value_parser = ["LongPolling", "WebSockets"])]
    kind: String,
    /// How long it lives without a sign of its client, in seconds
    #[arg(long)]
    lifetime: Option<u64>,
    #[command(flatten)]
    target: Target,
}

/// A subscription.
#[derive(Args)]
pub(crate) struct SubscribeArgs {
    /// The callbackURL of the channel
    #[arg(long)]
    callback: String,
    /// The box whose changes are told
    #[arg(long = "box")]
    name: String,
    /// Tell what followed this restart token, too
    #[arg(long)]
    after: Option<String>,
    #[command(flatten)]
    store: Store,
    #[command(flatten)]
    target: Target,
}

/// What is watched.
#[derive(Args)]
pub(crate) struct WatchArgs {
    /// The box
    #[arg(long = "box")]
    name: String,
    /// Show what followed this restart token, too
    #[arg(long)]
    after: Option<String>,
    /// End after so many changes
    #[arg(long)]
    most: Option<usize>,
    #[command(flatten)]
    store: Store,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn message(command: MessageCommand, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        MessageCommand::Send(args) => send(args, data, as_json).await,
        MessageCommand::List(args) => list(args, data, as_json).await,
    }
}

pub(crate) async fn run(command: OmaCommand, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        OmaCommand::Channel(args) => channel(args, data, as_json).await,
        OmaCommand::Subscribe(args) => {
            let client = Client::open(args.target, data)?;
            let made = subscribe(&client, &args.store.name, &args.name, &args.callback, args.after).await?;
            if as_json {
                outln!("{made}");
            } else {
                print::success(&format!("subscribed: {}", text(&made["resourceURL"])));
                print::field("restart token", text(&made["restartToken"]));
            }
            Ok(())
        }
        OmaCommand::Watch(args) => watch(args, data, as_json).await,
    }
}

async fn send(args: SendArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let attribute = |name: &str, value: &str| json!({ "name": name, "value": [value] });
    let attributes = [
        attribute("From", &args.from),
        attribute("To", &args.to),
        attribute("Message-Context", "text-message"),
        attribute("Direction", "In"),
        attribute("TextContent", &args.body),
    ];
    let object = json!({ "object": { "attributes": { "attribute": attributes }, "flags": null } });
    let path = Client::path(&["nms", "v1", &args.store.name, &args.to, "objects"])?;
    let made = client.send("sending", client.request(Method::POST, &path).json(&object)).await?;
    let made = &made["reference"];
    if as_json {
        outln!("{made}");
    } else {
        print::success(&format!("sent to {}: {}", print::escaped(&args.to), text(&made["resourceURL"])));
    }
    Ok(())
}

async fn list(args: ListArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let path = Client::path(&["nms", "v1", &args.store.name, &args.name, "objects", "operations", "search"])?;
    let mut cursor: Option<Value> = None;
    loop {
        let order = json!({ "criterion": [{ "type": "Date", "order": "Ascending" }] });
        let mut criteria = json!({ "maxEntries": PAGE, "sortCriteria": order });
        if let Some(cursor) = cursor {
            criteria["fromCursor"] = cursor;
        }
        let request = client.request(Method::POST, &path).json(&json!({ "selectionCriteria": criteria }));
        let found = client.send("reading the box", request).await?;
        for object in found["objectList"]["object"].as_array().into_iter().flatten() {
            if as_json {
                outln!("{object}");
                continue;
            }
            let value = |name: &str| {
                let all = object["attributes"]["attribute"].as_array().into_iter().flatten();
                let own = all.filter(|it| text(&it["name"]).eq_ignore_ascii_case(name));
                print::escaped(own.map(|it| text(&it["value"][0])).next().unwrap_or_default())
            };
            outln!("{} → {}: {}", value("From"), value("To"), value("TextContent"));
        }
        cursor = found["objectList"].get("cursor").cloned();
        if cursor.is_none() {
            return Ok(());
        }
    }
}

async fn channel(args: ChannelArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let made = create_channel(&client, &args.user, &args.kind, args.lifetime).await?;
    if as_json {
        outln!("{made}");
    } else {
        print::success(&format!("a channel for {} seconds: {}", made["channelLifetime"], text(&made["resourceURL"])));
        print::field("channelURL", text(&made["channelData"]["channelURL"]));
        print::field("callbackURL", text(&made["callbackURL"]));
    }
    Ok(())
}

async fn watch(args: WatchArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let channel = create_channel(&client, &args.name, "LongPolling", Some(LIFETIME)).await?;
    let callback = text(&channel["callbackURL"]);
    let subscription = subscribe(&client, &args.store.name, &args.name, callback, args.after).await?;
    if !as_json {
        print::note(&format!("watching from the restart token {}; Ctrl-C ends", text(&subscription["restartToken"])));
    }
    let (http, mut shown) = (http_client()?, 0);
    loop {
        let poll = http.post(text(&channel["channelData"]["channelURL"]));
        let poll = poll.json(&json!({ "longPollingRequestParameters": null }));
        let lists = send_request(&client.url, "is the stack still running?", "polling", poll).await?;
        for list in lists["notificationList"].as_array().into_iter().flatten().map(|it| &it["nmsEventList"]) {
            for event in list["nmsEvent"].as_array().into_iter().flatten() {
                print_event(list, event, as_json);
                shown += 1;
                if args.most.is_some_and(|most| shown >= most) {
                    return Ok(());
                }
            }
        }
    }
}

/// An event on a line: what, where, its number, and the flags that it has now.
fn print_event(list: &Value, event: &Value, as_json: bool) {
    if as_json {
        outln!("{}", json!({ "index": list["index"], "restartToken": list["restartToken"], "event": event }));
        return;
    }
    for (name, thing) in event.as_object().into_iter().flatten() {
        let flags = thing["flags"]["flag"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ");
        outln!("{name:<14} {} {} {}", text(&thing["resourceURL"]), thing["lastModSeq"], print::escaped(&flags));
    }
}

async fn create_channel(client: &Client, user: &str, kind: &str, lifetime: Option<u64>) -> Result<Value, CliError> {
    let mut channel = json!({ "channelType": kind });
    if let Some(seconds) = lifetime {
        channel["channelLifetime"] = json!(seconds);
    }
    let path = Client::path(&["notificationchannel", "v1", user, "channels"])?;
    let request = client.request(Method::POST, &path).json(&json!({ "notificationChannel": channel }));
    Ok(client.send("creating a channel", request).await?["notificationChannel"].take())
}

async fn subscribe(
    client: &Client,
    store: &str,
    name: &str,
    callback: &str,
    after: Option<String>,
) -> Result<Value, CliError> {
    let mut subscription = json!({ "callbackReference": { "notifyURL": callback, "notificationFormat": "JSON" } });
    if let Some(token) = after {
        subscription["restartToken"] = json!(token);
    }
    let path = Client::path(&["nms", "v1", store, name, "subscriptions"])?;
    let request = client.request(Method::POST, &path).json(&json!({ "nmsSubscription": subscription }));
    Ok(client.send("subscribing", request).await?["nmsSubscription"].take())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
