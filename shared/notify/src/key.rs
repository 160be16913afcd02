//! `notify key`: an application's keys.

use std::path::Path;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target};
use crate::error::CliError;
use crate::print::{self, say};

/// What a key can be good for.
const SCOPES: [&str; 6] = ["media", "channels", "channels:reveal", "inbox", "images", "keys"];

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key and show it, once
    Create(Create),
    /// The keys there are, without their secret parts
    List(List),
    /// Replace a key; the old one stays good for a while
    Rotate(Rotate),
    /// End a key; it may be remembered for up to a minute
    Revoke(Revoke),
}

/// The key to make.
#[derive(Args)]
#[command(after_help = "Examples:\n  notify key create player --scope inbox\n  notify key create backup")]
pub(crate) struct Create {
    /// What it is for
    name: String,
    /// What it is good for, once for each; by default all but `channels:reveal`, which shows channels' secrets
    #[arg(long = "scope", value_parser = PossibleValuesParser::new(SCOPES))]
    scopes: Vec<String>,
    #[command(flatten)]
    target: Target,
}

/// Whose keys.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    target: Target,
}

/// The key to replace.
#[derive(Args)]
pub(crate) struct Rotate {
    /// Its id (`notify key list`): the ten letters behind `nk_live_`
    id: String,
    /// How long the old one stays good, in seconds; at most 604800, a week
    #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(0..=604_800))]
    overlap: u32,
    #[command(flatten)]
    target: Target,
}

/// The key to end.
#[derive(Args)]
pub(crate) struct Revoke {
    /// Its id (`notify key list`): the ten letters behind `nk_live_`
    id: String,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::Create(it) => {
            let client = Client::open(it.target, data)?;
            let mut body = json!({ "name": it.name });
            if !it.scopes.is_empty() {
                body["scopes"] = json!(it.scopes);
            }
            let made = client.ask("making the key", client.request(Method::POST, &keys(&client)).json(&body)).await?;
            shown(&made, "The key is made", as_json);
        }
        Command::List(it) => {
            let client = Client::open(it.target, data)?;
            let all = client.get(&keys(&client)).await?;
            if as_json {
                say!("{all}");
                return Ok(());
            }
            for it in all.as_array().into_iter().flatten() {
                let scopes: Vec<&str> =
                    it["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let end = it["expiresAt"].as_str().map_or_else(String::new, |it| format!("  until {it}"));
                say!("{}  {}  {}{end}", text(it, "id"), text(it, "name"), scopes.join(","));
            }
        }
        Command::Rotate(it) => {
            let client = Client::open(it.target, data)?;
            let path = format!("{}{}/rotate", keys(&client), Client::path(&[&it.id])?);
            let body = json!({ "overlapSeconds": it.overlap });
            let made = client.ask("replacing the key", client.request(Method::POST, &path).json(&body)).await?;
            client.keep(data, |demo| {
                let saved = demo.api_key.split('_').nth(2) == Some(it.id.as_str()); // nk_<environment>_<id>_…
                if saved {
                    demo.api_key = text(&made, "apiKey").to_owned();
                    demo.api_secret = text(&made, "apiSecret").to_owned();
                }
                saved
            })?;
            shown(&made, "The key is replaced", as_json);
        }
        Command::Revoke(it) => {
            let client = Client::open(it.target, data)?;
            let path = format!("{}{}", keys(&client), Client::path(&[&it.id])?);
            client.ask("revoking the key", client.request(Method::DELETE, &path)).await?;
            if as_json {
                say!("{}", json!({ "revoked": it.id }));
            } else {
                print::good("the key is revoked");
            }
        }
    }
    Ok(())
}

fn keys(client: &Client) -> String {
    format!("/api/v1/Applications/{}/Keys", client.application_id)
}

fn shown(made: &Value, what: &str, as_json: bool) {
    if as_json {
        say!("{made}");
        return;
    }
    print::heading(&format!("{what}. Keep it: it is not shown again"));
    print::field("id", text(made, "id"));
    print::field("x-api-key", text(made, "apiKey"));
    print::field("x-api-secret", text(made, "apiSecret"));
}

fn text<'a>(it: &'a Value, name: &str) -> &'a str {
    it[name].as_str().unwrap_or_default()
}
