//! `notify app`: applications, for whoever holds the operator's key.

use std::path::Path;

use anstream::println;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::client::{http, settle, stack};
use crate::error::CliError;
use crate::print;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an application and show its keys, once
    Create(Create),
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
    /// The API's address; without it, the local stack
    #[arg(long, env = "NOTIFY_URL", requires = "operator_key")]
    url: Option<String>,
    #[arg(long, env = "NOTIFY_OPERATOR_KEY", hide_env_values = true)]
    operator_key: Option<String>,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    let Command::Create(it) = command;
    let (url, key) = match (it.url, it.operator_key) {
        (Some(url), Some(key)) => (url, key),
        _ => stack(data).map(|it| (it.url, it.operator_key))?,
    };
    let body = json!({ "name": it.name, "facialRecognition": it.faces, "requestedBy": it.by.unwrap_or_default() });
    let request = http()?
        .post(format!("{}/api/v1/Applications", url.trim_end_matches('/')))
        .header("x-operator-key", key)
        .json(&body);
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
