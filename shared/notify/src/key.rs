//! `notify key`: manages an application's keys.

use std::path::Path;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target};
use crate::error::CliError;
use crate::json::text_member;
use crate::print::{self, outln};

/// The scopes of a key.
const SCOPES: [&str; 10] =
    ["media", "channels", "channels:reveal", "inbox", "messages", "images", "oma", "billing", "keys", "read"];

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a key and show it, once
    Create(CreateArgs),
    /// List the keys, without their secrets
    List(ListArgs),
    /// Replace a key; the old one stays valid for a while
    Rotate(RotateArgs),
    /// Revoke a key; caches may accept it for up to a minute
    Revoke(RevokeArgs),
}

/// The key to create.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  notify key create player --scope inbox\n  notify key create backup\n  notify key create viewer --scope read"
)]
pub(crate) struct CreateArgs {
    /// A name that says what it is for
    name: String,
    /// A scope of the key; repeatable. By default all but `channels:reveal`, which shows channels' secrets, and `read`, which lets a viewer see everything and change nothing
    #[arg(long = "scope", value_parser = PossibleValuesParser::new(SCOPES))]
    scopes: Vec<String>,
    #[command(flatten)]
    target: Target,
}

/// Which application's keys.
#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    target: Target,
}

/// The key to replace.
#[derive(Args)]
pub(crate) struct RotateArgs {
    /// Its id (`notify key list`): the ten letters behind `nk_live_`
    id: String,
    /// How long the old key stays valid, in seconds; at most 604800, a week
    #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(0..=604_800))]
    overlap: u32,
    #[command(flatten)]
    target: Target,
}

/// The key to revoke.
#[derive(Args)]
pub(crate) struct RevokeArgs {
    /// Its id (`notify key list`): the ten letters behind `nk_live_`
    id: String,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::Create(args) => {
            let client = Client::open(args.target, data)?;
            let mut body = json!({ "name": args.name });
            if !args.scopes.is_empty() {
                body["scopes"] = json!(args.scopes);
            }
            let key =
                client.send("making the key", client.request(Method::POST, &keys_path(&client)).json(&body)).await?;
            print_key(&key, "The key is made", as_json);
        }
        Command::List(args) => {
            let client = Client::open(args.target, data)?;
            let all = client.get(&keys_path(&client)).await?;
            if as_json {
                outln!("{all}");
                return Ok(());
            }
            for key in all.as_array().into_iter().flatten() {
                let scopes: Vec<&str> =
                    key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let end = key["expiresAt"].as_str().map_or_else(String::new, |it| format!("  until {it}"));
                outln!("{}  {}  {}{end}", text_member(key, "id"), text_member(key, "name"), scopes.join(","));
            }
        }
        Command::Rotate(args) => {
            let client = Client::open(args.target, data)?;
            let path = format!("{}{}/rotate", keys_path(&client), Client::path(&[&args.id])?);
            let body = json!({ "overlapSeconds": args.overlap });
            let key = client.send("replacing the key", client.request(Method::POST, &path).json(&body)).await?;
            client.update_saved_keys(data, |demo| {
                let saved = demo.api_key.split('_').nth(2) == Some(args.id.as_str()); // nk_<environment>_<id>_…
                if saved {
                    demo.api_key = text_member(&key, "apiKey").to_owned();
                    demo.api_secret = text_member(&key, "apiSecret").to_owned();
                }
                saved
            })?;
            print_key(&key, "The key is replaced", as_json);
        }
        Command::Revoke(args) => {
            let client = Client::open(args.target, data)?;
            let path = format!("{}{}", keys_path(&client), Client::path(&[&args.id])?);
            client.send("revoking the key", client.request(Method::DELETE, &path)).await?;
            if as_json {
                outln!("{}", json!({ "revoked": args.id }));
            } else {
                print::success("the key is revoked");
            }
        }
    }
    Ok(())
}

fn keys_path(client: &Client) -> String {
    format!("/api/v1/Applications/{}/Keys", client.application_id)
}

fn print_key(key: &Value, what: &str, as_json: bool) {
    if as_json {
        outln!("{key}");
        return;
    }
    print::heading(&format!("{what}. Keep it: it is not shown again"));
    print::field("id", text_member(key, "id"));
    print::field("x-api-key", text_member(key, "apiKey"));
    print::field("x-api-secret", text_member(key, "apiSecret"));
}
