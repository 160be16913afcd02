//! `notify bucket`: manages the buckets that are scanned.

use std::path::Path;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target};
use crate::error::CliError;
use crate::print::{self, outln};
use crate::scan::find_bucket;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a bucket: of a DataCore Swarm domain, of an Object Matrix vault, or any other with an S3 API
    Add(Box<AddArgs>),
    /// List all buckets, with the result of their last scan
    List(ListArgs),
    /// Stop scheduled scans of a bucket; its items stay
    Pause(BucketArgs),
    /// Resume scheduled scans of a bucket
    Resume(BucketArgs),
    /// Remove a bucket; its items stay, and keep their results
    Remove(BucketArgs),
}

/// A bucket.
#[derive(Args)]
#[command(after_help = "Example:\n  notify bucket pause rushes")]
pub(crate) struct BucketArgs {
    /// The bucket's name or id
    bucket: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    target: Target,
}

/// The bucket to add. Other settings (processor, poll, prefixes) can be set in the API: `POST /api/v1/Media/Buckets`.
#[derive(Args)]
#[command(
    after_help = "Example:\n  notify bucket add rushes --system datacore --endpoint https://swarm.example.com --access-key … --secret-key … --write-back"
)]
pub(crate) struct AddArgs {
    /// Its name at the endpoint
    name: String,
    /// The storage system; `datacore` for any other with an S3 API
    #[arg(long, default_value = "datacore", value_parser = ["datacore", "objectmatrix"])]
    system: String,
    /// The S3 endpoint; without it, the settings' `datacore_endpoint`
    #[arg(long)]
    endpoint: Option<String>,
    /// The region that requests are signed for; by default `us-east-1`
    #[arg(long)]
    region: Option<String>,
    /// The access key; without keys the bucket is read anonymously, or with the settings' credentials
    #[arg(long, env = "NOTIFY_BUCKET_ACCESS_KEY", requires = "secret_key")]
    access_key: Option<String>,
    /// The secret of the access key
    #[arg(long, env = "NOTIFY_BUCKET_SECRET_KEY", hide_env_values = true, requires = "access_key")]
    secret_key: Option<String>,
    /// When it is scanned: `rate(5 minutes)` or `cron(…)`, in EventBridge's syntax
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
        Command::Pause(it) => set_active(it, false, data, as_json).await,
        Command::Resume(it) => set_active(it, true, data, as_json).await,
        Command::Remove(args) => {
            let client = Client::open(args.target, data)?;
            let id = find_bucket(&client, &args.bucket).await?;
            client.send("removing the bucket", client.request(Method::DELETE, &path(&id)?)).await?;
            if as_json {
                outln!("{}", json!({ "removed": id }));
            } else {
                print::success(&format!("{} is removed", args.bucket));
            }
            Ok(())
        }
    }
}

fn path(id: &str) -> Result<String, CliError> {
    Client::path(&["api", "v1", "Media", "Buckets", id])
}

/// Switches the scheduled scans of a bucket on or off. Its other settings stay as they are.
async fn set_active(args: BucketArgs, active: bool, data: &Path, as_json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let path = path(&find_bucket(&client, &args.bucket).await?)?;
    let mut body = local::demo::as_put_body(client.get(&path).await?);
    body["active"] = json!(active);
    let changed = client.send("changing the bucket", client.request(Method::PUT, &path).json(&body)).await?;
    if as_json {
        outln!("{changed}");
    } else if active {
        print::success(&format!("{} is scanned: {}", args.bucket, changed["schedule"].as_str().unwrap_or_default()));
    } else {
        print::success(&format!("{} is paused", args.bucket));
    }
    Ok(())
}

async fn add(args: AddArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let mut body = json!({
        "system": args.system, "endpoint": args.endpoint, "bucket": args.name, "schedule": args.schedule,
        "region": args.region, "writeBack": args.write_back,
    });
    if let (Some(access), Some(secret)) = (args.access_key, args.secret_key) {
        body["credentials"] = json!({ "accessKey": access, "secretKey": secret });
    }
    let client = Client::open(args.target, data)?;
    let added = client.request(Method::POST, "/api/v1/Media/Buckets").json(&body);
    let added = client.send("adding the bucket", added).await?;
    if as_json {
        outln!("{added}");
    } else {
        print::success(&format!("{} is scanned: {}", args.name, args.schedule));
        print::field("id", added["id"].as_str().unwrap_or_default());
    }
    Ok(())
}

async fn list(args: ListArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let all = Client::open(args.target, data)?.get("/api/v1/Media/Buckets").await?;
    if as_json {
        outln!("{}", all["items"]);
        return Ok(());
    }
    for bucket in all["items"].as_array().into_iter().flatten() {
        let text = |name: &str| bucket[name].as_str().unwrap_or_default();
        outln!(
            "{}  {}  {}  {}: {}",
            text("id"),
            text("system"),
            text("bucket"),
            text("schedule"),
            describe_state(bucket)
        );
    }
    Ok(())
}

/// The state of a bucket in a few words. A scheduled scan that finds nothing stores nothing, so a missing `lastScan`
/// means nothing.
fn describe_state(bucket: &Value) -> String {
    let text = |it: &Value| it.as_str().map(str::to_owned);
    let mut all = Vec::new();
    if bucket["active"] == false {
        all.push("paused".to_owned());
    }
    if let Some(why) = text(&bucket["lastError"]) {
        let at = text(&bucket["lastErrorAt"]).map_or_else(String::new, |it| format!(" at {it}"));
        let next = text(&bucket["nextScanAfter"]).map_or_else(String::new, |it| format!("; next scan after {it}"));
        all.push(format!("failed{at}, {why}{next}"));
    }
    let scan = &bucket["lastScan"];
    let counts = format!("{} objects, {} new", scan["listed"], scan["found"]);
    match (scan.is_null(), text(&scan["error"])) {
        (true, _) if all.is_empty() => all.push("no scan was asked for, and none has failed".to_owned()),
        (true, _) => {}
        (_, Some(why)) if bucket["lastError"].is_null() => {
            all.push(format!("the scan that was asked for failed, {why}"))
        }
        (_, Some(_)) => {}
        _ if scan["running"] == true => all.push(format!("scanning, {counts} so far")),
        _ if scan["dry"] == true => all.push(format!("{} objects, {} would be new", scan["listed"], scan["found"])),
        _ => all.push(format!("{counts} in the scan that was asked for")),
    }
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_says_how_it_is() {
        for (bucket, want) in [
            (json!({ "active": true }), "no scan was asked for, and none has failed"),
            (json!({ "active": false }), "paused"),
            (
                json!({ "active": true, "lastError": "refused", "lastErrorAt": "T1", "nextScanAfter": "T2" }),
                "failed at T1, refused; next scan after T2",
            ),
            (
                json!({ "active": true, "lastScan": { "listed": 5, "found": 2, "running": false } }),
                "5 objects, 2 new in the scan that was asked for",
            ),
            (
                json!({ "active": true, "lastScan": { "listed": 0, "found": 0, "error": "no" } }),
                "the scan that was asked for failed, no",
            ),
            (
                json!({ "active": true, "lastError": "gone", "lastScan": { "listed": 5, "found": 2 } }),
                "failed, gone; 5 objects, 2 new in the scan that was asked for",
            ),
        ] {
            assert_eq!(describe_state(&bucket), want);
        }
    }
}
