//! `notify app`: applications, for whoever holds the operator's key.

use std::path::Path;

use anstream::println;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use crate::client::{Client, Target, http, settle, stack};
use crate::error::CliError;
use crate::print;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an application and show its keys, once
    Create(Create),
    /// All applications
    List(Operator),
    /// Replace the key that tokens are asked for with; the old one stays good for a while
    RotateJwtKey(RotateJwtKey),
}

/// Whose list.
#[derive(Args)]
pub(crate) struct Operator {
    /// The API's address; without it, the local stack
    #[arg(long, env = "NOTIFY_URL", requires = "operator_key")]
    url: Option<String>,
    #[arg(long, env = "NOTIFY_OPERATOR_KEY", hide_env_values = true)]
    operator_key: Option<String>,
}

impl Operator {
    /// The API's address and the operator's key: what was given, or the local stack's.
    fn place(self, data: &Path) -> Result<(String, String), CliError> {
        match (self.url, self.operator_key) {
            (Some(url), Some(key)) => Ok((url.trim_end_matches('/').to_owned(), key)),
            _ => stack(data).map(|it| (it.url, it.operator_key)),
        }
    }
}

/// The application whose key is replaced.
#[derive(Args)]
pub(crate) struct RotateJwtKey {
    /// How long the old one stays good, in seconds
    #[arg(long, default_value_t = 86_400)]
    overlap: u32,
    #[command(flatten)]
    target: Target,
}

/// The application to make.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  notify app create newsroom\n  notify app create newsroom --faces --by 'J. Doe' --url https://… --operator-key op_…"
)]
pub(crate) struct Create {
    name: String,
    /// Switch facial recognition on; it is off otherwise, as faces are biometric data
    #[arg(long, requires = "by")]
    faces: bool,
    /// Who switches it on
    #[arg(long)]
    by: Option<String>,
    /// Its inbox takes clients without credentials, where the deployment has `InboxAuth=open`
    #[arg(long)]
    open_inbox: bool,
    #[command(flatten)]
    operator: Operator,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::Create(it) => create(it, data, as_json).await,
        Command::List(it) => list(it, data, as_json).await,
        Command::RotateJwtKey(it) => rotate(it, data, as_json).await,
    }
}

async fn list(it: Operator, data: &Path, as_json: bool) -> Result<(), CliError> {
    let (url, key) = it.place(data)?;
    let request = http()?.get(format!("{url}/api/v1/Applications")).header("x-operator-key", key);
    let all = settle(&url, "listing the applications", request).await?;
    if as_json {
        println!("{all}");
        return Ok(());
    }
    for it in all.as_array().into_iter().flatten() {
        let text = |name: &str| it[name].as_str().unwrap_or_default();
        println!("{}  {}  {}", text("applicationId"), text("createdAt"), text("name"));
    }
    Ok(())
}

async fn rotate(it: RotateJwtKey, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(it.target, data)?;
    let path = format!("/api/v1/Applications/{}/JwtKey/rotate", client.application_id);
    let request = client.request(Method::POST, &path).json(&json!({ "overlapSeconds": it.overlap }));
    let made = client.ask("replacing the JWT private key", request).await?;
    if as_json {
        println!("{made}");
        return Ok(());
    }
    print::heading("The JWT private key is replaced. Keep the new one: it is not shown again");
    print::field("JWT private key", made["jwtPrivateKey"].as_str().unwrap_or_default());
    print::field("old one until", made["overlapUntil"].as_str().unwrap_or_default());
    Ok(())
}

async fn create(it: Create, data: &Path, as_json: bool) -> Result<(), CliError> {
    let (url, key) = it.operator.place(data)?;
    let body = json!({
        "name": it.name, "facialRecognition": it.faces, "requestedBy": it.by.unwrap_or_default(),
        "openInbox": it.open_inbox,
    });
    let request = http()?.post(format!("{url}/api/v1/Applications")).header("x-operator-key", key).json(&body);
    let keys = settle(&url, "making the application", request).await?;
    if as_json {
        println!("{keys}");
        return Ok(());
    }
    print::heading(&format!("Application {} is made. Keep these: they are not shown again", it.name));
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
