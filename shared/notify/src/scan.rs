//! `notify scan`: scans a bucket now, and shows the results of the items it finds.

use std::path::Path;

use clap::Args as ClapArgs;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target, poll_delay};
use crate::error::CliError;
use crate::print::{self, outln};

/// Which bucket.
#[derive(ClapArgs)]
#[command(after_help = "Example:\n  notify scan datacore-demo")]
pub(crate) struct ScanArgs {
    /// A bucket's name or id
    bucket: String,
    /// Only count the objects that would be processed
    #[arg(long)]
    dry_run: bool,
    /// Return when the listing is done, without waiting for the processing
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(args: ScanArgs, data: &Path, json: bool) -> Result<(), CliError> {
    let client = Client::open(args.target, data)?;
    let id = find_bucket(&client, &args.bucket).await?;
    let path = Client::path(&["api", "v1", "Media", "Buckets", &id])?;
    let started =
        client.send("the scan", client.request(Method::POST, &format!("{path}/scan?dryRun={}", args.dry_run))).await?;
    let scan = started["scan"].as_str().unwrap_or_default().to_owned();
    let bar = progress_bar(json);
    bar.set_message(format!("scanning {}", args.bucket));
    let done = loop {
        let bucket = client.get(&path).await?;
        let last = &bucket["lastScan"];
        if last["scan"] == scan.as_str() {
            if last["running"] != true {
                break last.clone();
            }
            bar.set_message(format!("scanning {}: {} objects, {} new", args.bucket, last["listed"], last["found"]));
        }
        poll_delay().await;
    };
    if let Some(why) = done["error"].as_str() {
        bar.finish_and_clear();
        return Err(CliError::ScanFailed(why.to_owned()));
    }
    let items =
        if args.no_wait || args.dry_run { Vec::new() } else { wait_for_items(&client, &id, &done, &bar).await? };
    bar.finish_and_clear();
    if json {
        outln!("{}", json!({ "scan": done, "items": items }));
        return Ok(());
    }
    let what = if args.dry_run { "would be processed" } else { "new" };
    print::success(&format!("{} objects, {} {what}", done["listed"], done["found"]));
    items.iter().for_each(show);
    Ok(())
}

fn progress_bar(hidden: bool) -> ProgressBar {
    let bar = if hidden { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    let style = ProgressStyle::default_spinner().template("{spinner} {msg} {bar:30} {pos}/{len}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

/// Waits until the newest items of the scan are processed. Returns at most the newest hundred.
async fn wait_for_items(
    client: &Client,
    bucket: &str,
    done: &Value,
    bar: &ProgressBar,
) -> Result<Vec<Value>, CliError> {
    let found = done["found"].as_u64().unwrap_or(0).min(100);
    bar.set_length(found);
    bar.set_message("processing");
    loop {
        let page = client.get(&format!("/api/v1/Media/Items?bucket={bucket}&limit={}", found.max(1))).await?;
        let items: Vec<Value> = page["items"]
            .as_array()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .take(usize::try_from(found).unwrap_or(100))
            .collect();
        let unfinished =
            items.iter().filter(|it| matches!(it["status"].as_str(), Some("Pending" | "Processing"))).count() as u64;
        bar.set_position(found.saturating_sub(unfinished));
        if unfinished == 0 {
            return Ok(items);
        }
        poll_delay().await;
    }
}

fn show(item: &Value) {
    let (key, status) = (item["key"].as_str().unwrap_or_default(), item["status"].as_str().unwrap_or_default());
    match (status, item["error"]["message"].as_str()) {
        ("Completed", _) => print::success(&format!("{key}: {}", found(&item["results"]))),
        (_, why) => print::failure(&format!("{key}: {status}, {}", why.unwrap_or("no reason given"))),
    }
}

/// What the processors have found, in numbers: `1 face, 3 objects`.
fn found(results: &Value) -> String {
    let counts = results.as_object().into_iter().flat_map(|it| it.values()).flat_map(|result| {
        [("faces", "face"), ("objects", "object"), ("cues", "cue")].into_iter().filter_map(|(many, one)| {
            let count = result[many].as_u64()?;
            Some(format!("{count} {}", if count == 1 { one } else { many }))
        })
    });
    counts.collect::<Vec<String>>().join(", ")
}

/// The id of a bucket, by its name or id.
pub(crate) async fn find_bucket(client: &Client, name: &str) -> Result<String, CliError> {
    let all = client.get("/api/v1/Media/Buckets").await?;
    let all = all["items"].as_array().cloned().unwrap_or_default();
    let joined_members = |all: &[&Value], member: &str| {
        all.iter().filter_map(|it| it[member].as_str()).map(str::to_owned).collect::<Vec<_>>().join(", ")
    };
    if all.iter().any(|it| it["id"] == name) {
        return Ok(name.to_owned());
    }
    // buckets at different endpoints may have the same name
    let found: Vec<&Value> = all.iter().filter(|it| it["bucket"] == name).collect();
    match found.len() {
        0 => Err(CliError::BucketNotFound(name.to_owned(), joined_members(&all.iter().collect::<Vec<_>>(), "bucket"))),
        1 => Ok(joined_members(&found, "id")),
        _ => Err(CliError::AmbiguousBucket(name.to_owned(), joined_members(&found, "id"))),
    }
}
