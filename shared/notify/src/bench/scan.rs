//! `notify bench scan`: what a scan of many objects costs.

use std::time::Instant;

use local::Event;
use serde_json::{Value, json};

use super::setup::{create_application, start_stack, temporary_folder};
use crate::client::poll_delay;
use crate::error::CliError;
use crate::print::{self, outln};

/// Scans a bucket three times, and prints what each scan used.
pub(super) async fn run(objects: usize, json: bool) -> Result<(), CliError> {
    let data = temporary_folder()?;
    let stack = start_stack(data.path()).await?;
    let api = create_application(&stack).await?;
    let bucket = stack.bucket_folder("many");
    for index in 0..objects {
        let path = bucket.join(format!("{:03}", index / 1_000));
        if index % 1_000 == 0 {
            std::fs::create_dir_all(&path).map_err(|it| CliError::Other(it.to_string()))?;
        }
        std::fs::write(path.join(format!("{index:06}.txt")), index.to_string())
            .map_err(|it| CliError::Other(it.to_string()))?;
    }
    let mut body = json!({
        "system": "datacore", "endpoint": stack.s3_url, "bucket": "many", "schedule": "rate(30 days)",
        "credentials": { "accessKey": "test", "secretKey": "test" },
    });
    let bucket_created = api.call("POST", "/api/v1/Media/Buckets", &body).await?;
    let path = format!("/api/v1/Media/Buckets/{}", bucket_created["id"].as_str().unwrap_or_default());
    let mut rows = Vec::new();
    for name in ["first scan", "second scan, by schedule", "third scan, on request"] {
        let (before, mut events, started_at) = (stack.meter(), stack.events(), Instant::now());
        let scheduled = name.contains("schedule");
        let mut started = Value::Null;
        if scheduled {
            let mut every_minute = body.clone();
            every_minute["schedule"] = json!("rate(1 minute)");
            api.call("PUT", &path, &every_minute).await?;
        } else {
            body["schedule"] = json!("rate(30 days)");
            api.call("PUT", &path, &body).await?;
            started = api.call("POST", &format!("{path}/scan"), &Value::Null).await?;
        }
        let mut memory = 0;
        let pages = objects.div_ceil(1_000).max(1) as f64;
        let used = loop {
            while let Ok(event) = events.try_recv() {
                if let Event::Invoked { function, memory_mb: Some(used), .. } = event
                    && function == "scan"
                {
                    memory = memory.max(used);
                }
            }
            let used = stack.meter().since(&before);
            let ended = if scheduled {
                // a scheduled scan that finds nothing stores nothing, so its requests are counted; one of them is the
                // probe
                used.of_function("scan", "media.ListObjectsV2") > pages
            } else {
                let last = &api.call("GET", &path, &Value::Null).await?["lastScan"];
                last["scan"] == started["scan"] && last["running"] != true
            };
            if ended {
                break used;
            }
            poll_delay().await;
        };
        rows.push(json!({
            "run": name, "objects": objects, "seconds": started_at.elapsed().as_secs_f64(), "most_memory_mb": memory,
            "listings": used.of_function("scan", "media.ListObjectsV2"), "write_units": used.of_function("scan", "write_units"),
            "read_units": used.of_function("scan", "read_units"), "invocations": used.invocations.get("scan"),
            "write_units_per_object": used.of_function("scan", "write_units") / objects as f64,
        }));
    }
    if json {
        outln!("{}", json!(rows));
        return Ok(());
    }
    outln!(
        "| run | objects | listing requests | write units | per object | read units | invocations | most memory, MB | seconds |"
    );
    outln!("|---|---|---|---|---|---|---|---|---|");
    for row in &rows {
        outln!(
            "| {} | {} | {} | {:.0} | {:.3} | {:.0} | {} | {} | {:.0} |",
            row["run"].as_str().unwrap_or_default(),
            row["objects"],
            row["listings"],
            row["write_units"].as_f64().unwrap_or(0.0),
            row["write_units_per_object"].as_f64().unwrap_or(0.0),
            row["read_units"].as_f64().unwrap_or(0.0),
            row["invocations"],
            row["most_memory_mb"],
            row["seconds"].as_f64().unwrap_or(0.0),
        );
    }
    print::success(
        "write units of `scan` alone; one listing request is the probe; a scan on request writes that it ended",
    );
    Ok(())
}
