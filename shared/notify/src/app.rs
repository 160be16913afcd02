//! `notify app`: creates and lists applications. It needs the operator's key.

use std::path::Path;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use crate::client::{Client, Target, all_or_none, http_client, running_stack, send_request, unreachable_advice};
use crate::error::CliError;
use crate::print::{self, outln};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create an application and show its keys, once
    Create(CreateArgs),
    /// List all applications
    List(OperatorArgs),
    /// Replace an application's JWT private key, with which it requests tokens; the old one stays valid for a while
    RotateJwtKey(RotateJwtKeyArgs),
}

/// Which deployment, as its operator.
#[derive(Args)]
pub(crate) struct OperatorArgs {
    /// The API's address; without it, the local stack
    #[arg(long, env = "NOTIFY_URL", help_heading = "Which API")]
    url: Option<String>,
    /// The operator's key of that deployment (`x-operator-key`); it is not a key of an application
    #[arg(long, env = "NOTIFY_OPERATOR_KEY", hide_env_values = true, help_heading = "Which API")]
    operator_key: Option<String>,
}

impl OperatorArgs {
    /// The deployment that was given, or the local stack.
    fn resolve(self, data: &Path) -> Result<OperatorTarget, CliError> {
        if let Some([url, key]) = all_or_none([("--url", self.url), ("--operator-key", self.operator_key)])? {
            return Ok(OperatorTarget { url: url.trim_end_matches('/').to_owned(), key, advice: String::new() });
        }
        running_stack(data).map(|demo| OperatorTarget {
            advice: unreachable_advice(&demo.url),
            url: demo.url,
            key: demo.operator_key,
        })
    }
}

/// The API's address, the operator's key, and advice for an address that does not answer.
struct OperatorTarget {
    url: String,
    key: String,
    advice: String,
}

/// The application whose key is replaced.
#[derive(Args)]
pub(crate) struct RotateJwtKeyArgs {
    /// How long the old key stays valid, in seconds; at most 604800, a week
    #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(0..=604_800))]
    overlap: u32,
    #[command(flatten)]
    target: Target,
}

/// The application to create.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  notify app create newsroom\n  notify app create newsroom --faces --by 'J. Doe' --url https://… --operator-key op_…"
)]
pub(crate) struct CreateArgs {
    /// The application's name
    name: String,
    /// Switch facial recognition on; it is off otherwise, as faces are biometric data
    #[arg(long, requires = "by")]
    faces: bool,
    /// The person who switches it on
    #[arg(long)]
    by: Option<String>,
    /// Let its inbox accept clients without credentials, where the deployment has `InboxAuth=open`
    #[arg(long)]
    open_inbox: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::Create(it) => create(it, data, as_json).await,
        Command::List(it) => list(it, data, as_json).await,
        Command::RotateJwtKey(it) => rotate(it, data, as_json).await,
    }
}

async fn list(operator: OperatorArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let OperatorTarget { url, key, advice } = operator.resolve(data)?;
    let request = http_client()?.get(format!("{url}/api/v1/Applications")).header("x-operator-key", key);
    let all = send_request(&url, &advice, "listing the applications", request).await?;
    if as_json {
        outln!("{all}");
        return Ok(());
    }
    for application in all.as_array().into_iter().flatten() {
        let text = |name: &str| application[name].as_str().unwrap_or_default();
        outln!("{}  {}  {}", text("applicationId"), text("createdAt"), text("name"));
    }
    Ok(())
}

async fn rotate(args: RotateJwtKeyArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let path = format!("/api/v1/Applications/{}/JwtKey/rotate", client.application_id);
    let request = client.request(Method::POST, &path).json(&json!({ "overlapSeconds": args.overlap }));
    let rotated = client.send("replacing the JWT private key", request).await?;
    let key = rotated["jwtPrivateKey"].as_str().unwrap_or_default().to_owned();
    client.update_saved_keys(data, |demo| {
        demo.jwt_private_key = key;
        true
    })?;
    if as_json {
        outln!("{rotated}");
        return Ok(());
    }
    print::heading("The JWT private key is replaced. Keep the new one: it is not shown again");
    print::field("JWT private key", rotated["jwtPrivateKey"].as_str().unwrap_or_default());
    print::field("old one until", rotated["overlapUntil"].as_str().unwrap_or_default());
    Ok(())
}

async fn create(args: CreateArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let OperatorTarget { url, key, advice } = args.operator.resolve(data)?;
    let body = json!({
        "name": args.name, "facialRecognition": args.faces, "requestedBy": args.by.unwrap_or_default(),
        "openInbox": args.open_inbox,
    });
    let request = http_client()?.post(format!("{url}/api/v1/Applications")).header("x-operator-key", key).json(&body);
    let keys = send_request(&url, &advice, "making the application", request).await?;
    if as_json {
        outln!("{keys}");
        return Ok(());
    }
    print::heading(&format!("Application {} is made. Keep these: they are not shown again", args.name));
    for (name, label) in [
        ("applicationId", "application"),
        ("apiKey", "x-api-key"),
        ("apiSecret", "x-api-secret"),
        ("jwtPrivateKey", "JWT private key"),
    ] {
        print::field(label, keys[name].as_str().unwrap_or_default());
    }
    Ok(())
}
