//! `notify bench`: the figures of the guide (`shared/docs/figures.md`), for anyone to repeat.

mod functions;
mod inbox;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use clap::Subcommand;
use local::demo::{ApplicationKeys, create_application};
use local::{Event, Options, Programs, Stack};
use serde_json::{Value, json};

use crate::client::{http_client, poll_delay, send_request};
use crate::error::CliError;
use crate::print::{self, say};
use crate::up;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Init, warm invocation, memory and size of the functions, beside a process that does nothing
    Functions {
        /// Starts of each function
        #[arg(long, default_value = "20")]
        starts: NonZeroUsize,
    },
    /// Units and requests of a scan of many small objects, and of a second scan of the same bucket
    Scan {
        /// Objects in the bucket
        #[arg(long, default_value = "100000")]
        objects: NonZeroUsize,
    },
    /// How long a notification takes to an open socket, among few and many, and how long a list takes of a small and of a
    /// large inbox
    Inbox {
        /// Sockets of the largest run
        #[arg(long, default_value = "1000")]
        sockets: NonZeroUsize,
        /// Notifications of the large inbox
        #[arg(long, default_value = "100000")]
        notifications: NonZeroUsize,
    },
}

pub(crate) async fn run(command: Command, json: bool) -> Result<(), CliError> {
    match command {
        Command::Functions { starts } => functions::run(starts.get(), json).await,
        Command::Scan { objects } => bench_scan(objects.get(), json).await,
        Command::Inbox { sockets, notifications } => inbox::run(sockets.get(), notifications.get(), json).await,
    }
}

async fn start_stack(data: &Path) -> Result<Stack, CliError> {
    start_stack_with(Programs::AllInOne(up::current_program()?), data).await
}

async fn start_stack_with(programs: Programs, data: &Path) -> Result<Stack, CliError> {
    let project = up::project_folder()?;
    let options =
        Options { project, programs, data: data.to_owned(), fresh: true, port: 0, parameters: BTreeMap::new() };
    Ok(Stack::start(options).await?)
}

fn temporary_folder() -> Result<tempfile::TempDir, CliError> {
    tempfile::tempdir().map_err(|it| CliError::Other(it.to_string()))
}

async fn bench_scan(objects: usize, json: bool) -> Result<(), CliError> {
    let data = temporary_folder()?;
    let stack = start_stack(data.path()).await?;
    let keys = create_application(&stack, "bench", false).await?;
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
    let bucket_created = call_api(&stack, &keys, "POST", "/api/v1/Media/Buckets", &body).await?;
    let path = format!("/api/v1/Media/Buckets/{}", bucket_created["id"].as_str().unwrap_or_default());
    let mut rows = Vec::new();
    for name in ["first scan", "second scan, by schedule", "third scan, on request"] {
        let (before, mut events, started_at) = (stack.meter(), stack.events(), Instant::now());
        let scheduled = name.contains("schedule");
        let mut started = Value::Null;
        if scheduled {
            let mut every_minute = body.clone();
            every_minute["schedule"] = json!("rate(1 minute)");
            call_api(&stack, &keys, "PUT", &path, &every_minute).await?;
        } else {
            body["schedule"] = json!("rate(30 days)");
            call_api(&stack, &keys, "PUT", &path, &body).await?;
            started = call_api(&stack, &keys, "POST", &format!("{path}/scan"), &Value::Null).await?;
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
                // a scan by schedule that finds nothing leaves no trace but its requests, one of which is the probe
                used.of_function("scan", "media.ListObjectsV2") > pages
            } else {
                let last = &call_api(&stack, &keys, "GET", &path, &Value::Null).await?["lastScan"];
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
        say!("{}", json!(rows));
        return Ok(());
    }
    say!(
        "| run | objects | listing requests | write units | per object | read units | invocations | most memory, MB | seconds |"
    );
    say!("|---|---|---|---|---|---|---|---|---|");
    for row in &rows {
        say!(
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

async fn call_api(
    stack: &Stack,
    keys: &ApplicationKeys,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value, CliError> {
    let method = method.parse().unwrap_or(reqwest::Method::GET);
    // made once: what takes time is to be the answer
    static CLIENT: OnceLock<Option<reqwest::Client>> = OnceLock::new();
    let client = CLIENT.get_or_init(|| http_client().ok());
    let client = client.as_ref().ok_or_else(|| CliError::Other("no HTTP client can be made".to_owned()))?;
    let mut request = client.request(method, format!("{}{path}", stack.url));
    if !body.is_null() {
        request = request.json(body);
    }
    send_request(
        &stack.url,
        "",
        path,
        request.header("x-api-key", &keys.api_key).header("x-api-secret", &keys.api_secret),
    )
    .await
}
