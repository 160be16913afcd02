//! `notify bucket`: the buckets that are scanned.

use std::path::Path;

use anstream::println;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target};
use crate::error::CliError;
use crate::print;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a bucket: a DataCore Swarm domain's, an Object Matrix vault's, or any other that speaks S3
    Add(Box<Add>),
    /// All buckets, and how their last scan went
    List(Which),
}

#[derive(Args)]
pub(crate) struct Which {
    #[command(flatten)]
    target: Target,
}

/// The bucket to add. What is not named here (processor, poll, prefixes) is in the API: `POST /api/v1/Media/Buckets`.
#[derive(Args)]
#[command(
    after_help = "Example:\n  notify bucket add rushes --system datacore --endpoint https://swarm.example.com --access-key … --secret-key … --write-back"
)]
pub(crate) struct Add {
    /// Its name at the endpoint
    name: String,
    /// `datacore` or `objectmatrix`
    #[arg(long, default_value = "datacore")]
    system: String,
    /// The S3 endpoint; without it, the settings' `datacore_endpoint`
    #[arg(long)]
    endpoint: Option<String>,
    /// The region that requests are signed for; by default `us-east-1`
    #[arg(long)]
    region: Option<String>,
    /// Without keys the bucket is read anonymously, or as the settings say
    #[arg(long, env = "NOTIFY_BUCKET_ACCESS_KEY", requires = "secret_key")]
    access_key: Option<String>,
    #[arg(long, env = "NOTIFY_BUCKET_SECRET_KEY", hide_env_values = true, requires = "access_key")]
    secret_key: Option<String>,
    /// `rate(5 minutes)`, `cron(…)`
    #[arg(long, default_value = "rate(5 minutes)")]
    schedule: String,
    /// Store results beside the objects, as `.ai/<name>.json`
    #[arg(long)]
    write_back: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(command: Command, data: &Path, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::Add(it) => add(*it, data, as_json).await,
        Command::List(it) => list(it, data, as_json).await,
    }
}

async fn add(it: Add, data: &Path, as_json: bool) -> Result<(), CliError> {
    let mut body = json!({
        "system": it.system, "endpoint": it.endpoint, "bucket": it.name, "schedule": it.schedule,
        "region": it.region, "writeBack": it.write_back,
    });
    if let (Some(access), Some(secret)) = (it.access_key, it.secret_key) {
        body["credentials"] = json!({ "accessKey": access, "secretKey": secret });
    }
    let client = Client::open(it.target, data)?;
    let made = client.request(Method::POST, "/api/v1/Media/Buckets").json(&body);
    let made = client.ask("adding the bucket", made).await?;
    if as_json {
        println!("{made}");
    } else {
        print::good(&format!("{} is scanned: {}", it.name, it.schedule));
        print::field("id", made["id"].as_str().unwrap_or_default());
    }
    Ok(())
}

async fn list(it: Which, data: &Path, as_json: bool) -> Result<(), CliError> {
    let all = Client::open(it.target, data)?.get("/api/v1/Media/Buckets").await?;
    if as_json {
        println!("{}", all["items"]);
        return Ok(());
    }
    for it in all["items"].as_array().into_iter().flatten() {
        let text = |name: &str| it[name].as_str().unwrap_or_default();
        println!(
            "{}  {}  {}  {}: {}",
            text("id"),
            text("system"),
            text("bucket"),
            text("schedule"),
            last(&it["lastScan"])
        );
    }
    Ok(())
}

/// How a scan went, in a few words.
fn last(scan: &Value) -> String {
    match (scan.is_null(), scan["error"].as_str()) {
        (true, _) => "not scanned yet".to_owned(),
        (_, Some(why)) => format!("failed, {why}"),
        _ => format!("{} objects, {} new", scan["listed"], scan["found"]),
    }
}
